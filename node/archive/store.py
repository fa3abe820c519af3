"""The archive: received instances as files, each safe before it is acknowledged.

::

    incoming/     files on their way in (.part) and received ones (.dcm) that are not filed yet
    instances/    <2 hex>/<study hash>/<SOP Instance UID>-<digest>.dcm
    quarantine/   received files that cannot be filed, each with a .reason.txt

A file's name in `instances` follows from its content alone, so that filing the same file again, at any point after a
kill, ends with the same single file.

Reading headers takes pydicom, which is loaded only then: the listener's processes write files and do without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from node.archive.durable import FolderSync, make_folders, sync_folder
from node.archive.errors import Unfileable, from_os_error
from node.archive.filemeta import FileMeta
from node.archive.receipt import WHOLE, Blank, Receipt, is_being_received, is_torn, remove_stale_parts
from node.archive.space import FreeSpace, free_bytes
from node.archive.stored import DIGEST_CHARACTERS, StoredFile, place_of

FULL_DIGEST_CHARACTERS = 64


class Archive:
    """One archive folder. Any number of processes and threads may use it at a time.

    Parameters
    ----------
    root
        The archive's folder; it is made when missing.
    min_free_bytes
        Free space under which nothing more is received.
    measure
        Gives the free bytes of a folder.

    Raises
    ------
    OutOfSpace, NotWritable
        The folders cannot be made.
    """

    def __init__(self, root: Path, min_free_bytes: int = 0, measure: Callable[[Path], int] = free_bytes) -> None:
        self.root = root
        self._incoming = root / "incoming"
        self._instances = root / "instances"
        self._quarantine = root / "quarantine"
        try:
            for folder in (self._incoming, self._instances, self._quarantine):
                make_folders(folder)
            self._incoming_sync = FolderSync(self._incoming)
        except OSError as error:
            raise from_os_error(error, "make the archive's folders") from error
        self._space = FreeSpace(root, min_free_bytes, measure)
        self._unsynced: set[Path] = set()  # folders of `instances` with names that a power cut could take back

    def prepare(self) -> Blank:
        """Open a file ahead of the next instance, at a moment when nobody waits for it.

        Raises
        ------
        OutOfSpace, NotWritable
            There is no room, or the folder cannot be written.
        """
        self._space.require()
        return Blank(self._incoming)

    def begin(self, meta: FileMeta, blank: Blank | None = None) -> Receipt:
        """Start the file of an instance that is about to be received.

        Parameters
        ----------
        meta
            What is known before the data set comes.
        blank
            A file from `prepare`, used up by this; None opens one.

        Raises
        ------
        OutOfSpace, NotWritable
            There is no room, or the folder cannot be written.
        """
        return Receipt(blank or self.prepare(), meta, self._space, self._incoming_sync)

    def incoming(self) -> Iterator[Path]:
        """Received files that are not filed yet, oldest first."""
        for path in sorted(self._incoming.glob(f"*{WHOLE}")):
            with suppress(FileNotFoundError):
                if not is_being_received(path):
                    yield path

    def stored(self) -> Iterator[Path]:
        """Every filed instance, for rebuilding the index."""
        yield from sorted(self._instances.glob(f"*/*/*{WHOLE}"))

    def describe(self, path: Path) -> StoredFile:
        """What a file of the archive holds.

        Raises
        ------
        Unfileable
            It is not readable as an instance; it stays where it is.
        """
        from node.archive.filing import HeaderFault, describe

        try:
            return describe(path)
        except HeaderFault as fault:
            raise Unfileable(f"a file of the archive cannot be read: {fault}") from fault

    def remove_stale_parts(self) -> int:
        """Remove what killed processes left half received; returns how many files that were."""
        return remove_stale_parts(self._incoming)

    def file_away(self, path: Path, *, keep: bool = False) -> StoredFile:
        """Move a received file to its place; with `keep` it stays in `incoming` too, until `forget`.

        Kept until its index row is committed, a file cannot fall between the archive and the index.

        Safe to repeat after a kill at any point. The very same data set filed before leaves one file, and
        `already_there` is set; the same UID with other bytes gets a file of its own.

        Raises
        ------
        Unfileable
            The header does not say which study it belongs to; the file is in quarantine now.
        OutOfSpace, NotWritable
            It stays in `incoming`, to be tried again.
        FileNotFoundError
            Another process filed it.
        """
        from node.archive.filing import HeaderFault, describe

        try:
            if is_torn(path):
                raise HeaderFault("it is not as long as what was received: the power failed while it came")
            found = describe(path)
        except HeaderFault as fault:
            self._set_aside(path, str(fault))
            raise Unfileable(f"a received file was put in quarantine: {fault}") from fault
        try:
            return self._move(found, keep=keep)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise from_os_error(error, "file a received instance away") from error

    def close(self) -> None:
        """Give back what the archive holds open."""
        self._incoming_sync.close()

    def forget(self, path: Path) -> None:
        """Remove from `incoming` a file that was filed away with `keep`; harmless when repeated.

        The names given by `file_away` since the last call are synced first, each folder once.

        Raises
        ------
        OutOfSpace, NotWritable
            The file stays.
        """
        try:
            for folder in list(self._unsynced):
                sync_folder(folder)
                self._unsynced.discard(folder)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise from_os_error(error, "remove a filed instance from the incoming folder") from error

    def _move(self, found: StoredFile, *, keep: bool) -> StoredFile:
        from node.archive.filing import digest_of

        for digest_characters in (DIGEST_CHARACTERS, FULL_DIGEST_CHARACTERS):
            target = self._instances / place_of(found, digest_characters)
            if not target.exists():
                make_folders(target.parent)
                if keep:
                    os.link(found.path, target)
                    self._unsynced.add(target.parent)
                else:
                    os.rename(found.path, target)
                    sync_folder(target.parent)
                return replace(found, path=target)
            if digest_of(target) == found.sha256:
                if not keep:
                    found.path.unlink()
                return replace(found, path=target, already_there=True)
        raise AssertionError("two different data sets share a SHA-256")

    def _set_aside(self, path: Path, reason: str) -> None:
        try:
            note = self._quarantine / f"{path.stem}.reason.txt"
            note.write_text(f"{reason}\n", encoding="utf-8")
            os.rename(path, self._quarantine / path.name)
            sync_folder(self._quarantine)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise from_os_error(error, "put a received file in quarantine") from error
