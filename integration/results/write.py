"""Results onto the disk: each file is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from integration.results.errors import FindingDoesNotFit, UnwritableFolder
from integration.results.kos import build_kos
from integration.results.objects import kind_of, wanted
from integration.results.pdf import build_pdf
from integration.results.pr import build_pr
from integration.results.request import ResultObject, ResultRequest
from integration.results.sc import build_enhanced, build_sc
from integration.results.seg import build_seg
from integration.results.sr import build_sr, build_sr_echo, build_sr_ob, build_sr_text, changes_of
from models.findings import EnhancedImage, Mask

_BLOCK: Final = 1 << 20
_BUILDERS: Final[tuple[tuple[str, Callable[[ResultRequest], Dataset | None]], ...]] = (
    ("SEG", build_seg),
    ("SR", build_sr),
    ("SR-TEXT", build_sr_text),
    ("SR-OB", build_sr_ob),
    ("SR-ECHO", build_sr_echo),
    ("SC", build_sc),
    ("ENH", build_enhanced),
    ("PR", build_pr),
)
_LATER: Final[tuple[tuple[str, Callable[[ResultRequest, tuple[ResultObject, ...]], Dataset | None]], ...]] = (
    ("PDF", build_pdf),
    ("KOS", build_kos),
)
"""What refers to the others, and so comes after them."""
_SILENCE: Final = (("SR-TEXT", build_sr_text), ("SR", build_sr))  # one of them always has something to say
_TRANSFER_SYNTAX: Final = {"SC": JPEGBaseline8Bit}  # by role; the others: Explicit VR Little Endian
_TRANSFER_SYNTAX_OF_SEGMENTATION: Final = {"LABELMAP": RLELossless, "FRACTIONAL": RLELossless}


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
        Of the kinds that the options ask for, those that have something to say; never none, for silence is told in a
        report. Files and folder are synced.

    Raises
    ------
    FindingDoesNotFit, UnreadableText, UnwritableFolder
    integration.pixels.PixelError
        A frame of the source does not decode.
    """
    _check(request)
    request = replace(request, changes=changes_of(request))
    kinds = wanted(request)
    written: tuple[ResultObject, ...] = ()
    for role, build in _BUILDERS:
        if kind_of(role) in kinds:
            written += _written(role, build(request), folder)
    for role, build_later in _LATER:
        if kind_of(role) in kinds:
            written += _written(role, build_later(request, written), folder)
    for role, build in _SILENCE:
        if not written:
            written = _written(role, build(request), folder)
    return written


def _written(role: str, ds: Dataset | None, folder: Path) -> tuple[ResultObject, ...]:
    return () if ds is None else (write_one(role, ds, folder),)


def write_one(role: str, ds: Dataset, folder: Path) -> ResultObject:
    """Write one result object and sync it.

    Raises
    ------
    UnwritableFolder
    """
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    of_type = _TRANSFER_SYNTAX_OF_SEGMENTATION.get(str(ds.get("SegmentationType")), ExplicitVRLittleEndian)
    transfer_syntax = _TRANSFER_SYNTAX.get(role, of_type)
    try:
        sha256 = _write_whole(ds, transfer_syntax, path)
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
