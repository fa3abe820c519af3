"""A folder of DICOM files as the place where what is fetched is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from integration.retrieval import Arriving, Refusal

NOT_AUTHORIZED, OUT_OF_RESOURCES = 0x0124, 0xA700  # answers to C-STORE
MIN_FREE_BYTES: Final = 2_000_000_000


class FolderKeeper:
    """Keeps the instances of one series, each written whole and then renamed into place.

    Parameters
    ----------
    folder
        Where to.
    wanted
        SOP Instance UIDs that were asked for, each fit to be the name of a file; nothing else is taken.
    came
        Called for each instance that was not there before.
    """

    def __init__(self, folder: Path, wanted: frozenset[str], came: Callable[[], None]) -> None:
        self.folder, self.wanted, self.came = folder, wanted, came
        self.refused = ""  # why the last one that was wanted and not kept was not

    def begin(self, arriving: Arriving) -> _Reception:
        """An instance comes."""
        return _Reception(self, arriving)


class _Reception:
    def __init__(self, keeper: FolderKeeper, arriving: Arriving) -> None:
        self._keeper, self._uid = keeper, arriving.sop_instance_uid
        self._part = keeper.folder / f"{self._uid}.part"
        self._file: BinaryIO | None = None
        self._refusal: Refusal | None = None
        if self._uid not in keeper.wanted:
            self._refusal = Refusal(status=NOT_AUTHORIZED, words="it was not asked for")
        elif not self._is_there():
            self._begin(arriving)

    def take(self, piece: memoryview) -> None:
        """Bytes of its data set."""
        if self._file is not None:
            try:
                self._file.write(piece)
            except OSError as fault:
                self._fail(f"a file cannot be written in {self._keeper.folder}: {fault.strerror}")

    def finish(self) -> Refusal | None:
        """Whole: on return it is on the disk, or nothing is left of it."""
        if self._file is None:
            return self._refusal
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None
            self._part.replace(path_of(self._keeper.folder, self._uid))
            _sync(self._keeper.folder)
        except OSError as fault:
            self._fail(f"a file cannot be written in {self._keeper.folder}: {fault.strerror}")
        else:
            self._keeper.came()
        return self._refusal

    def abandon(self) -> None:
        """Forget what was written."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._part.unlink(missing_ok=True)

    def _is_there(self) -> bool:
        return path_of(self._keeper.folder, self._uid).is_file()

    def _begin(self, arriving: Arriving) -> None:
        folder = self._keeper.folder
        if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
            self._fail(f"less than {MIN_FREE_BYTES // 10**9} GB are free in {folder}")
            return
        try:
            self._file = self._part.open("wb")
            self._file.write(_head(arriving))
        except OSError as fault:
            self._fail(f"a file cannot be written in {folder}: {fault.strerror}")

    def _fail(self, words: str) -> None:
        self._keeper.refused = words
        self._refusal = Refusal(status=OUT_OF_RESOURCES, words=words)
        self.abandon()


def _head(arriving: Arriving) -> bytes:
    """Preamble and File Meta Information (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(arriving.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(arriving.sop_instance_uid)
    meta.TransferSyntaxUID = UID(arriving.transfer_syntax_uid)
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return bytes(128) + b"DICM" + buffer.getvalue()


def path_of(folder: Path, uid: str) -> Path:
    """The file of an instance."""
    return folder / f"{uid}.dcm"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
