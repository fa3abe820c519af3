"""A folder that an acquisition fills: every file that appears or changes in it is a frame, once it is whole."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from integration.live.errors import SourceLost, SourceUnavailable
from integration.live.frame import LiveFrame, Received, SourceOptions
from integration.live.pictures import open_file

MOST_FILES = 20_000
IDLE_SHARE = 4  # a look that takes long is followed by a pause of so many times as long
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", "~")
_TAIL = 12
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"}  # first bytes, last bytes
_Version = tuple[int, int, int]  # inode, size, time of change in ns


@dataclass(slots=True, kw_only=True)
class _Known:
    version: _Version
    since: float  # monotonic s, of the look that found this version
    given: bool  # it went out as a frame, or was there before the start


class FolderSource:
    """New files of one folder; folders in it are not looked into.

    A file is whole when it carries the end mark of PNG or JPEG, or has not changed from one look to the next. Names
    that begin with a dot or end like an unfinished download are left alone until they are renamed. What lies there at
    the start is not new; a file that changes is a new frame, so one name may be written again and again.

    Parameters
    ----------
    folder
        Where the files appear.
    options
        Limits, the scale of PNG and JPEG files, and the time between looks.

    Raises
    ------
    SourceUnavailable
        It is no folder that can be listed, or holds too many files.
    """

    def __init__(self, folder: Path, options: SourceOptions) -> None:
        self._folder, self._options = folder, options
        self._known: dict[str, _Known] = {}
        try:
            self._look()
        except OSError as error:
            raise SourceUnavailable(f"the folder {folder} cannot be looked into ({error.strerror})") from error
        except SourceLost as error:
            raise SourceUnavailable(str(error)) from error
        for known in self._known.values():
            known.given = True
        self._old = len(self._known)

    @property
    def where(self) -> str:
        """The folder, and how many files in it are passed over."""
        return f"folder {self._folder}" + (f" (old files passed over: {self._old})" if self._old else "")

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        """Files in the order in which they were written.

        Raises
        ------
        SourceLost
            The folder is gone, or holds too many files to be watched.
        """
        pause = 0.0
        while not stop.wait(pause):
            began = time.monotonic()
            try:
                found = self._look()
            except OSError as error:
                raise SourceLost(
                    f"the folder {self._folder} cannot be looked into any more ({error.strerror})"
                ) from error
            for name in found:
                known = self._known[name]
                known.given = True
                path = self._folder / name
                yield LiveFrame(received_at=known.since, open=partial(open_file, path, self._options))
            pause = max(self._options.poll_s, IDLE_SHARE * (time.monotonic() - began))

    def close(self) -> None:
        """Nothing is held."""

    def _look(self) -> list[str]:
        """Names of files that are whole and were not given yet, the newest last."""
        now = time.monotonic()
        before, self._known = self._known, {}
        whole: list[str] = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                version = _version(entry)
                if version is None:
                    continue
                known = before.get(entry.name)
                if known is None or known.version != version:
                    self._note(entry.name, _Known(version=version, since=now, given=False))
                    fresh = not _ends_well(Path(entry.path), version[1])
                else:
                    self._note(entry.name, known)
                    fresh = False
                if not fresh and not self._known[entry.name].given:
                    whole.append(entry.name)
        return sorted(whole, key=lambda name: (self._known[name].version[2], name))

    def _note(self, name: str, known: _Known) -> None:
        if len(self._known) >= MOST_FILES:
            raise SourceLost(
                f"the folder {self._folder} holds more than {MOST_FILES} files, too many to watch: let the acquisition "
                "write into an empty one"
            )
        self._known[name] = known


def _version(entry: os.DirEntry[str]) -> _Version | None:
    """What changes when a file does; None for what is no file, not finished, or gone again."""
    if entry.name.startswith(".") or entry.name.lower().endswith(_UNFINISHED):
        return None
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _ends_well(path: Path, size: int) -> bool:
    """Whether a file carries the end mark of its kind, so that nothing has to be waited for."""
    if size < _TAIL:
        return False
    try:
        with path.open("rb") as file:
            mark = _ENDS.get(file.read(2))
            file.seek(-_TAIL, os.SEEK_END)
            return mark is not None and file.read().endswith(mark)
    except OSError:  # gone again, or not ours to read: the next look tells
        return False
