"""A Secondary Capture of the marked frames: of a still one image, of a cine a cine.

Only compressed frames are held: a painted one lives until the next.

References
----------
DICOM PS3.3 A.8.1 and A.8.5.4 (Secondary Capture, Multi-frame True Color), C.7.6.1.1.5 (lossy compression).
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate
from pydicom.multival import MultiValue
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

from integration.results.instance import add_unknown_laterality, copy_laterality, new_instance, purposeful_source_item
from integration.results.patient import copy_attributes
from integration.results.request import ResultRequest
from integration.results.sc.draw import Painter, heading_of
from integration.results.sc.marks import overlay_of
from integration.results.sc.timing import add_times
from models.findings import EnhancedImage, NoFinding

QUALITY: Final = 90  # of JPEG; thin coloured lines stay clean
_LOSSY_METHOD: Final = "ISO_10918_1"


def build_sc(request: ResultRequest) -> Dataset | None:
    """The marked picture; None where there is nothing to mark or to say on it."""
    if all(isinstance(finding, NoFinding | EnhancedImage) for finding in request.findings):
        return None
    source, task = request.source, request.task
    cine = source.number_of_frames > 1
    painter = Painter(
        overlay_of(request.findings, multi_frame=cine),
        rows=source.rows,
        columns=source.columns,
        heading=heading_of(task, research_use=request.options.research_use),
    )
    frames = [_jpeg(painter.paint(number, pixels)) for number, pixels in source.frames()]
    sop_class = MultiFrameTrueColorSecondaryCaptureImageStorage if cine else SecondaryCaptureImageStorage
    ds = new_instance(request, "SC", str(sop_class), modality="US", says="overlay")
    copy_laterality(request, ds)
    add_unknown_laterality(ds)
    copy_attributes(request.header, ds, ("PixelAspectRatio",))
    ds.ConversionType = "WSD"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.PatientOrientation = None
    ds.BurnedInAnnotation = "YES"
    ds.DerivationDescription = "findings drawn on the source frames"
    ds.SourceImageSequence = Sequence([purposeful_source_item(request)])
    _add_pixels(ds, painter, frames)
    _add_compression(request, ds, painter.rows * painter.columns * 3 * len(frames), sum(map(len, frames)))
    if cine:
        add_times(request, ds, len(frames))
    return ds


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY, subsampling="4:2:2")
    return stream.getvalue()


def _add_pixels(ds: Dataset, painter: Painter, frames: list[bytes]) -> None:
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "YBR_FULL_422"
    ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = painter.rows, painter.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelRepresentation = 0
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def _add_compression(request: ResultRequest, ds: Dataset, raw_bytes: int, coded_bytes: int) -> None:
    """The whole chain of losses, the source's first."""
    header = request.header
    ratios, methods = (
        _listed(header.get("LossyImageCompressionRatio")),
        _listed(header.get("LossyImageCompressionMethod")),
    )
    if header.get("LossyImageCompression") != "01" or len(ratios) != len(methods):
        ratios, methods = [], []
    ds.LossyImageCompression = "01"
    ds.LossyImageCompressionRatio = [*ratios, f"{raw_bytes / coded_bytes:.2f}"]
    ds.LossyImageCompressionMethod = [*methods, _LOSSY_METHOD]


def _listed(value: object) -> list[str]:
    if value is None or value == "":
        return []
    return [str(part) for part in value] if isinstance(value, MultiValue | list) else [str(value)]
