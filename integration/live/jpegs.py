"""Whole JPEG pictures out of a stream of bytes, whatever stands between them and however it was cut into parts.

Pictures are found by JPEG's own markers. Segments are stepped over by their length, so a thumbnail inside a segment
ends no picture; a length, a multipart boundary or garbage between pictures is passed over. Work and memory stay within
the bytes that came in and the largest picture allowed.

References
----------
ITU-T T.81 B.1.1 (markers), B.2.1 (order of segments), F.1.2.3 (byte stuffing).
"""

from __future__ import annotations

import re

from integration.live.frame import Broken

BETWEEN_BYTES = 1024  # what may stand between two pictures without being counted as a broken one
MOST_SEGMENTS = 1024  # of one picture, fill bytes included
_BEGINNING = b"\xff\xd8\xff"  # start of image, and the first byte of the marker that must follow
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})  # stuffing, TEM, restarts: no place among segments
_OPEN = frozenset({*range(0xE0, 0xF0), 0xFE})  # application data and comments: may hold anything, thumbnails too
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)  # what ends entropy-coded data


class JpegScanner:
    """Takes a stream part by part.

    Parameters
    ----------
    max_bytes
        A picture that grows beyond it is dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()
        self._out: list[bytes | Broken] = []
        self._passed = 0  # bytes without a picture since the last one
        self._start: int | None = None  # of the picture in hand
        self._at = 0  # where the next marker, the rest of the scan, or the next picture is looked for
        self._unseen = 0  # begin of what was stepped over last without looking into it
        self._segments = 0
        self._closed = False  # whether what was stepped over last may hold no other picture
        self._in_scan = self._scanned = False

    def feed(self, data: bytes) -> list[bytes | Broken]:
        """Take the next part; returns the pictures that became whole by it, and what turned out to be none."""
        self._buffer += data
        while self._step():
            pass
        self._forget_before(self._start if self._start is not None else self._at)
        out, self._out = self._out, []
        return out

    def end(self) -> list[bytes | Broken]:
        """Say that nothing follows; returns what `feed` does. The scanner can be used anew."""
        while self._start is not None:
            self._drop("the stream ended within a picture")
            while self._step():
                pass
        out, self._out = self._out, []
        self._buffer.clear()
        self._seek(0)
        return out

    def _seek(self, position: int) -> None:
        """Look for the next picture from there."""
        self._start, self._at, self._passed = None, position, 0

    def _begin(self, start: int) -> None:
        """Take a picture in hand."""
        self._start = start
        self._at = self._unseen = start + 2
        self._segments = 0
        self._closed = self._in_scan = self._scanned = False

    def _step(self) -> bool:
        """Go on by one marker; False where more bytes are needed for that."""
        if self._start is None:
            return self._find_beginning()
        if self._at + 2 - self._start > self._max:
            return self._drop(f"a picture is larger than {self._max} bytes: raise live.max_frame_bytes, or send less")
        if len(self._buffer) < self._at + 1:
            return False
        if self._closed:
            self._closed = False
            within = self._buffer.find(_BEGINNING, self._unseen, self._at + 1)
            if within >= 0:
                return self._cut_off_by(within)
        return self._scan() if self._in_scan else self._segment()

    def _find_beginning(self) -> bool:
        found = self._buffer.find(_BEGINNING, self._at)
        until = found if found >= 0 else max(self._at, len(self._buffer) - len(_BEGINNING) + 1)
        self._pass_over(until - self._at)
        if found < 0:
            self._at = until
            return False
        self._begin(found)
        return True

    def _scan(self) -> bool:
        found = _MARKER.search(self._buffer, self._at)
        if found is None:
            self._at = self._unseen = max(self._at, len(self._buffer) - 1)
            return len(self._buffer) - (self._start or 0) > self._max
        self._at = self._unseen = found.start()
        self._in_scan = False
        return True

    def _segment(self) -> bool:
        head = self._buffer[self._at : self._at + 4]
        if head and head[0] != 0xFF:
            return self._drop("a picture has no marker where one belongs")
        if len(head) < 2:
            return False
        self._segments += 1
        if self._segments > MOST_SEGMENTS:
            return self._drop(f"a picture has more than {MOST_SEGMENTS} segments")
        match head[1]:
            case 0xFF:  # a fill byte
                self._at += 1
                return True
            case code if code in (_SOI, _EOI) or code in _NO_SEGMENT:
                return self._lone(code)
            case code:
                return self._step_over(code, bytes(head))

    def _lone(self, code: int) -> bool:
        """A marker that has no length behind it."""
        if code == _EOI and self._scanned and self._start is not None:
            self._out.append(bytes(self._buffer[self._start : self._at + 2]))
            self._seek(self._at + 2)
            return True
        if code == _SOI:
            return self._cut_off_by(self._at)
        return self._drop("a picture has a marker where none belongs")

    def _step_over(self, code: int, head: bytes) -> bool:
        if len(head) < 4:
            self._segments -= 1  # it is met once more when the rest is there
            return False
        length = int.from_bytes(head[2:4], "big")
        if length < 2:
            return self._drop("a segment of a picture has an impossible length")
        if code == _SOS:
            self._in_scan = self._scanned = True
        self._closed = code not in _OPEN
        self._unseen = self._at + 2  # a cut may have put the next picture's begin where the length should be
        self._at += 2 + length
        return True

    def _cut_off_by(self, start: int) -> bool:
        """Another picture begins before this one ended."""
        if self._segments > 1:  # else nothing was there but two bytes that look like a begin: a length, perhaps
            self._out.append(Broken(reason="a picture was cut off by the next one"))
        self._begin(start)
        return True

    def _drop(self, reason: str) -> bool:
        """Give the picture in hand up, and look for the next from what was not looked into yet."""
        self._out.append(Broken(reason=reason))
        self._seek(min(self._unseen, len(self._buffer)))
        return True

    def _pass_over(self, count: int) -> None:
        before = self._passed
        self._passed += count
        if before <= BETWEEN_BYTES < self._passed:
            self._out.append(Broken(reason=f"more than {BETWEEN_BYTES} bytes held no JPEG picture"))

    def _forget_before(self, position: int) -> None:
        position = min(position, len(self._buffer))
        del self._buffer[:position]
        self._at -= position
        self._unseen -= position
        if self._start is not None:
            self._start -= position
