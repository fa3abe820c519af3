"""Bytes of one connection, and the fixed PDUs.

References
----------
DICOM PS3.8 9.3 (PDU structure).
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from enum import IntEnum
from typing import Final, Protocol

from node.listener.errors import AbortReason, AbortSource, Closed, TimedOut

BUFFER_BYTES: Final = 256 * 1024
PDU_HEADER: Final = struct.Struct(">BxI")
PDV_HEADER: Final = struct.Struct(">IBB")
_SHORT_PDU: Final = struct.Struct(">BxIxBBB")


class PduType(IntEnum):
    """PDU types (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Stream(Protocol):
    """What a socket and a TLS socket both can do."""

    def recv_into(self, buffer: memoryview, /) -> int: ...
    def sendall(self, data: bytes, /) -> None: ...
    def settimeout(self, value: float | None, /) -> None: ...


class Reader:
    """Takes bytes from a stream through one buffer that never grows.

    What `some` and `exactly` return is a window on that buffer: it holds until the next call.
    """

    def __init__(self, stream: Stream, size: int = BUFFER_BYTES) -> None:
        self._stream = stream
        self._buffer = memoryview(bytearray(size))
        self._at = 0
        self._end = 0
        self._deadline: float | None = None

    def __len__(self) -> int:
        """Bytes that the buffer holds at most."""
        return len(self._buffer)

    def set_idle_timeout(self, seconds: float) -> None:
        """From now on, allow this long between any two arrivals."""
        self._deadline = None
        if isinstance(self._stream, ssl.SSLSocket) or not isinstance(self._stream, socket.socket):
            self._stream.settimeout(seconds)
            return
        # The kernel's own timers: with settimeout, every recv would be two system calls.
        self._stream.settimeout(None)
        limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def set_deadline(self, seconds: float) -> None:
        """From now on, allow this long altogether, however the bytes trickle in."""
        self._deadline = time.monotonic() + seconds

    def waits(self, timeout_s: float) -> bool:
        """Whether the peer has said something that was not taken yet, or does within the time, or is gone."""
        if self._at < self._end or (isinstance(self._stream, ssl.SSLSocket) and self._stream.pending()):
            return True
        if not isinstance(self._stream, socket.socket):
            return True
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def exactly(self, count: int) -> memoryview:
        """The next `count` bytes, at most the buffer's size.

        Raises
        ------
        Closed, TimedOut
            They did not come.
        """
        while self._end - self._at < count:
            self._fill()
        self._at += count
        return self._buffer[self._at - count : self._at]

    def some(self, most: int) -> memoryview:
        """Between one and `most` bytes: what is there, or what comes next.

        Raises
        ------
        Closed, TimedOut
            Nothing came.
        """
        if self._at == self._end:
            self._fill()
        start = self._at
        self._at = min(self._end, start + most)
        return self._buffer[start : self._at]

    def _fill(self) -> None:
        if self._at == self._end:
            self._at = self._end = 0
        elif self._end == len(self._buffer) or self._at > len(self._buffer) // 2:
            left = bytes(self._buffer[self._at : self._end])
            self._at, self._end = 0, len(left)
            self._buffer[: self._end] = left
        if self._deadline is not None:
            remaining = self._deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut
            self._stream.settimeout(remaining)
        try:
            count = self._stream.recv_into(self._buffer[self._end :])
        except (TimeoutError, BlockingIOError) as error:
            raise TimedOut from error
        except OSError as error:
            raise Closed from error
        if count == 0:
            raise Closed
        self._end += count


def send(stream: Stream, pdu: bytes) -> None:
    """Send a PDU.

    Raises
    ------
    Closed, TimedOut
        The peer does not take it.
    """
    try:
        stream.sendall(pdu)
    except (TimeoutError, BlockingIOError) as error:
        raise TimedOut from error
    except OSError as error:
        raise Closed from error


def abort_pdu(source: AbortSource, reason: AbortReason) -> bytes:
    """A-ABORT; the reason counts only from the service provider."""
    return _SHORT_PDU.pack(PduType.ABORT, 4, 0, source, reason if source is AbortSource.SERVICE_PROVIDER else 0)


def reject_pdu(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ."""
    return _SHORT_PDU.pack(PduType.ASSOCIATE_RJ, 4, result, source, reason)


def release_reply_pdu() -> bytes:
    """A-RELEASE-RP."""
    return _SHORT_PDU.pack(PduType.RELEASE_RP, 4, 0, 0, 0)


def set_no_delay(connection: socket.socket) -> None:
    """Answer at once, and notice a peer that vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
