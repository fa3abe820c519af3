"""Tiny instances, received into a real archive."""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache
from pathlib import Path

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from node.archive import Archive, FileMeta


def study_uid(study: int) -> str:
    return f"1.2.826.{study}"


def instance_uid(study: int, number: int) -> str:
    return f"1.2.826.{study}.{number}"


@cache
def data_set(study: int, number: int, content: str) -> bytes:
    ds = Dataset()
    ds.SOPClassUID = UltrasoundImageStorage
    ds.SOPInstanceUID = instance_uid(study, number)
    ds.StudyInstanceUID = study_uid(study)
    ds.SeriesInstanceUID = f"1.2.826.{study}.0"
    ds.ImageComments = content
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return buffer.getvalue()


def receive(archive: Archive, study: int, number: int, content: str, at: datetime) -> Path:
    """Put one instance into `incoming`, as the listener does, with a time of receipt of one's choice."""
    meta = FileMeta(
        sop_class_uid=UltrasoundImageStorage,
        sop_instance_uid=instance_uid(study, number),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        calling_ae="US1",
        called_ae="ECHOCARE",
    )
    receipt = archive.begin(meta)
    receipt.write(data_set(study, number, content))
    path = receipt.commit()
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path
