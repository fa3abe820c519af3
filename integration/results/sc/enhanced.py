"""A Secondary Capture of processed pictures, kept apart from the source by name, type and a line burned in below.

References
----------
DICOM PS3.3 C.7.6.1.1.2 (Image Type), C.8.6.3 (SC Multi-frame Image and Vector), C.7.6.12 (SourceImageSequence).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from integration.results.instance import (
    add_unknown_laterality,
    copy_compression,
    copy_laterality,
    new_instance,
    purposeful_source_item,
)
from integration.results.patient import copy_attributes
from integration.results.request import ResultRequest
from integration.results.sc.draw import Painter, heading_of
from integration.results.sc.marks import Overlay, Words
from integration.results.sc.timing import add_times
from models.findings import EnhancedImage

ENHANCED: Final = "ENHANCED"


def build_enhanced(request: ResultRequest) -> Dataset | None:
    """The processed pictures without loss; None where there are none."""
    pictures = sorted((f for f in request.findings if isinstance(f, EnhancedImage)), key=lambda f: f.frame)
    if not pictures:
        return None
    numbers = [picture.frame for picture in pictures]
    gray = all(picture.pixels.ndim == 2 for picture in pictures)
    task, source = request.task, request.source
    heading = heading_of(task, research_use=request.options.research_use)
    words = Words(text=f"{pictures[0].name}: processed, not the picture that was acquired")
    painter = Painter(Overlay(legend=(words,)), rows=source.rows, columns=source.columns, heading=heading)
    frames = [_framed(painter, picture, gray=gray) for picture in pictures]
    several = len(frames) > 1
    ds = new_instance(request, "ENH", _sop_class(several=several, gray=gray), modality="US", says="enhanced picture")
    copy_laterality(request, ds)
    add_unknown_laterality(ds)
    copy_attributes(request.header, ds, ("PixelAspectRatio",))
    ds.ConversionType = "WSD"
    ds.ImageType = ["DERIVED", "SECONDARY", ENHANCED]
    ds.PatientOrientation = None
    ds.BurnedInAnnotation = "YES"
    ds.DerivationDescription = f"{pictures[0].name}, by the task {task.task} {task.version}"
    ds.SourceImageSequence = Sequence([purposeful_source_item(request, numbers)])
    _add_pixels(ds, painter, frames, gray=gray)
    copy_compression(request, ds)
    if several:
        _add_order(request, ds, numbers)
    return ds


def _sop_class(*, several: bool, gray: bool) -> str:
    if not several:
        return str(SecondaryCaptureImageStorage)
    many = MultiFrameGrayscaleByteSecondaryCaptureImageStorage if gray else None
    return str(many or MultiFrameTrueColorSecondaryCaptureImageStorage)


def _framed(painter: Painter, picture: EnhancedImage, *, gray: bool) -> NDArray[np.uint8]:
    painted = painter.paint(picture.frame, picture.pixels)
    # A gray picture is gray in all three channels; of the coloured line below it any channel can be read.
    return np.ascontiguousarray(painted[..., 0]) if gray else painted


def _add_pixels(ds: Dataset, painter: Painter, frames: list[NDArray[np.uint8]], *, gray: bool) -> None:
    ds.SamplesPerPixel = 1 if gray else 3
    ds.PhotometricInterpretation = "MONOCHROME2" if gray else "RGB"
    if not gray:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = painter.rows, painter.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelRepresentation = 0
    raw = b"".join(frame.tobytes() for frame in frames)
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OB"


def _add_order(request: ResultRequest, ds: Dataset, numbers: list[int]) -> None:
    """How the frames follow each other: in time where all of the source's are there, else by their numbers."""
    if ds.SOPClassUID == MultiFrameGrayscaleByteSecondaryCaptureImageStorage:
        ds.PresentationLUTShape = "IDENTITY"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    if numbers == list(range(1, request.source.number_of_frames + 1)):
        add_times(request, ds, len(numbers))
        return
    ds.NumberOfFrames = len(numbers)
    ds.PageNumberVector = numbers
    ds.FrameIncrementPointer = Tag("PageNumberVector")
