"""JPEG pictures in datagrams."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

from integration.live.errors import SourceUnavailable
from integration.live.frame import LiveFrame, Received, SourceOptions
from integration.live.pictures import open_jpeg
from integration.live.pieces import Reassembly
from integration.live.tcp import LOOK_S, spelled

LARGEST = 65535  # bytes of a datagram
WAITING_BYTES = 4 << 20  # asked of the kernel: pieces of one picture come all at once


class UdpSource:
    """One picture a datagram, or in pieces; see `integration.live.pieces`.

    Parameters
    ----------
    host, port
        Address to receive on; port 0 takes a free one.
    options
        Limits, and the scale of the pictures.

    Raises
    ------
    SourceUnavailable
        The address cannot be received on.
    """

    def __init__(self, host: str, port: int, options: SourceOptions) -> None:
        self._options = options
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING_BYTES)
            self._socket.bind((host, port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            raise SourceUnavailable(
                f"udp://{host}:{port} cannot be received on ({error}): the host must be an address of this machine, "
                "and the port must be free"
            ) from error
        self._pieces = Reassembly(options.max_frame_bytes)

    @property
    def where(self) -> str:
        """The address that is received on."""
        return f"udp://{spelled(self._socket)} (receiving)"

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        """Pictures as they become whole."""
        while not stop.is_set():
            readable, _, _ = select.select([self._socket], [], [], LOOK_S)
            if not readable:
                continue
            datagram, sender = self._socket.recvfrom(LARGEST)
            now = time.monotonic()
            for item in self._pieces.take(sender, datagram):
                if isinstance(item, bytes):
                    yield LiveFrame(received_at=now, open=partial(open_jpeg, item, self._options))
                else:
                    yield item

    def close(self) -> None:
        """Receive no more."""
        self._socket.close()
