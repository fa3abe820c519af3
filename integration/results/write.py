"""Results onto the disk: each file is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

from integration.results.errors import FindingDoesNotFit, UnwritableFolder
from integration.results.request import ResultObject, ResultRequest
from integration.results.sc import build_enhanced, build_sc
from integration.results.seg import build_seg
from integration.results.sr import build_sr, build_sr_text
from models.findings import EnhancedImage, Mask

_BLOCK: Final = 1 << 20
_BUILDERS: Final[tuple[tuple[str, Callable[[ResultRequest], Dataset | None]], ...]] = (
    ("SEG", build_seg),
    ("SR", build_sr),
    ("SR-TEXT", build_sr_text),
    ("SC", build_sc),
    ("ENH", build_enhanced),
)
_TRANSFER_SYNTAX: Final = {"SC": JPEGBaseline8Bit}  # the others: Explicit VR Little Endian


def write_results(request: ResultRequest, folder: Path) -> tuple[ResultObject, ...]:
    """Write all results of one job.

    Parameters
    ----------
    request
        Findings, their source and the job's identity.
    folder
        Exists. A file is named by its SOP Instance UID; one of an earlier run is replaced by the same bytes.

    Returns
    -------
    tuple of ResultObject
        SEG, SR, SR-TEXT, SC and ENH, as far as there is something to say in each. Files and folder are synced.

    Raises
    ------
    FindingDoesNotFit, UnreadableText, UnwritableFolder
    integration.pixels.PixelError
        A frame of the source does not decode.
    """
    _check(request)
    built = ((role, build(request)) for role, build in _BUILDERS)
    return tuple(write_one(role, ds, folder) for role, ds in built if ds is not None)


def write_one(role: str, ds: Dataset, folder: Path) -> ResultObject:
    """Write one result object and sync it.

    Raises
    ------
    UnwritableFolder
    """
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    try:
        sha256 = _write_whole(ds, _TRANSFER_SYNTAX.get(role, ExplicitVRLittleEndian), path)
    except OSError as error:
        raise UnwritableFolder(
            f"the {role} could not be written ({error.strerror}): make room in the data folder or mend its rights"
        ) from error
    return ResultObject(
        role=role,
        sop_class_uid=str(ds.SOPClassUID),
        sop_instance_uid=str(ds.SOPInstanceUID),
        series_instance_uid=str(ds.SeriesInstanceUID),
        study_instance_uid=str(ds.StudyInstanceUID),
        path=path,
        sha256=sha256,
    )


def _check(request: ResultRequest) -> None:
    source = request.source
    if not request.findings:
        raise FindingDoesNotFit("there is not one finding: a task that has nothing to say gives a NoFinding and why")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not request.header.get(keyword):
            raise FindingDoesNotFit(f"the source has no {keyword}, so no result can refer to it")
    for finding in request.findings:
        if not 1 <= finding.frame <= source.number_of_frames:
            raise FindingDoesNotFit(f"a finding is on frame {finding.frame} of {source.number_of_frames}")
        if isinstance(finding, EnhancedImage) and finding.pixels.shape[:2] != (source.rows, source.columns):
            raise FindingDoesNotFit(
                f"a processed picture of {' x '.join(map(str, finding.pixels.shape[:2]))} pixels is not of the size"
                f" of its source, {source.rows} x {source.columns}"
            )
        if isinstance(finding, Mask) and (finding.rows, finding.columns) != (source.rows, source.columns):
            raise FindingDoesNotFit(
                f"a mask of {finding.rows} x {finding.columns} pixels does not lie on "
                f"a frame of {source.rows} x {source.columns}"
            )


def _write_whole(ds: Dataset, transfer_syntax: UID, path: Path) -> str:
    """Write beside the path, sync, rename, sync the folder; the SHA-256 of the file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    part = path.with_name(f".{path.name}.part")
    with part.open("wb", buffering=_BLOCK) as stream:
        dcmwrite(stream, ds, enforce_file_format=True)
        stream.flush()
        os.fsync(stream.fileno())
    with part.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    part.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return sha256
