"""JPEG pictures that a sender pushes over TCP. We listen; one sender at a time is heard."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

from integration.live.errors import SourceUnavailable
from integration.live.frame import Broken, LiveFrame, Received, SourceOptions
from integration.live.jpegs import JpegScanner
from integration.live.pictures import open_jpeg

PART_BYTES = 1 << 18
LOOK_S = 0.1  # how soon the end is noticed
BACKLOG = 1


class TcpSource:
    """Pictures one after another: plain, with a length before each, or as multipart; see `JpegScanner`.

    A new sender replaces the one before: a scanner that starts anew is not kept out by its own dead connection.
    Nobody is asked who they are; the address to listen on decides who can send.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one.
    options
        Limits, and the scale of the pictures.

    Raises
    ------
    SourceUnavailable
        The address cannot be listened on.
    """

    def __init__(self, host: str, port: int, options: SourceOptions) -> None:
        self._options = options
        self._listener = listening(host, port)
        self._listener.setblocking(False)
        self._sender: socket.socket | None = None
        self._scanner = JpegScanner(options.max_frame_bytes)

    @property
    def where(self) -> str:
        """The address that is listened on."""
        return f"tcp://{spelled(self._listener)} (listening)"

    def frames(self, stop: threading.Event) -> Iterator[Received]:
        """Pictures as they become whole, of whoever sends."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not stop.is_set():
                for key, _ in selector.select(LOOK_S):
                    if key.fileobj is self._listener:
                        yield from self._leave(selector)
                        self._sender = self._welcome(selector)
                    elif key.fileobj is self._sender:
                        yield from self._hear(selector)

    def close(self) -> None:
        """Stop listening, and hang up."""
        self._listener.close()
        if self._sender is not None:
            self._sender.close()

    def _welcome(self, selector: selectors.BaseSelector) -> socket.socket | None:
        try:
            sender, _ = self._listener.accept()
        except OSError:  # it hung up before it was answered
            return None
        sender.setblocking(False)
        selector.register(sender, selectors.EVENT_READ)
        return sender

    def _leave(self, selector: selectors.BaseSelector) -> Iterator[Received]:
        if self._sender is not None:
            selector.unregister(self._sender)
            self._sender.close()
            self._sender = None
            yield from self._given(self._scanner.end())

    def _hear(self, selector: selectors.BaseSelector) -> Iterator[Received]:
        if self._sender is None:
            return
        try:
            data = self._sender.recv(PART_BYTES)
        except BlockingIOError:
            return
        except OSError:  # reset by the sender: as good as its end
            data = b""
        if not data:
            yield from self._leave(selector)
            return
        yield from self._given(self._scanner.feed(data))

    def _given(self, items: list[bytes | Broken]) -> Iterator[Received]:
        now = time.monotonic()
        for item in items:
            if isinstance(item, bytes):
                yield LiveFrame(received_at=now, open=partial(open_jpeg, item, self._options))
            else:
                yield item


def listening(host: str, port: int) -> socket.socket:
    """A TCP socket that listens.

    Raises
    ------
    SourceUnavailable
        The address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise SourceUnavailable(
            f"tcp://{host}:{port} cannot be listened on ({error}): the host must be an address of this machine, which "
            "the sender connects to, and the port must be free"
        ) from error


def spelled(bound: socket.socket) -> str:
    """HOST:PORT of a socket's own side."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
