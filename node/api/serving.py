"""The api role: the HTTP interface on its port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Generator
from typing import ClassVar, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from node.api.application import make_application
from node.api.errors import ApiPortUnavailable
from node.config import Settings
from node.db import connect
from node.logs import log_context

PORT_FILE: Final = "http_port"  # in the run folder
DRAIN_S: Final = 5
MOST_CONNECTIONS: Final = 512  # more are answered 503

_log = logging.getLogger(__name__)


class _ImpatientProtocol(H11Protocol):
    """Closes connections on which no request is under way for too long.

    So ends a client that sends the head of a request byte by byte, or nothing, and one that goes on with a body that
    was refused: what still comes of that is thrown away, so that the client can read the answer meanwhile.
    """

    limit_s: ClassVar[float]
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end()

    def on_response_complete(self) -> None:
        self._begin()
        super().on_response_complete()
        if not self.cycle.response_complete:  # the next request had come already
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._end()
        self._limit = self.loop.call_later(self.limit_s, self.transport.close)

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


def _impatient(limit_s: float) -> type[_ImpatientProtocol]:
    return type("ImpatientProtocol", (_ImpatientProtocol,), {"limit_s": limit_s})


class _Server(uvicorn.Server):
    """Leaves signals to the role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def serve_api(settings: Settings, stop: threading.Event) -> None:
    """Serve HTTP until `stop` is set, then let requests finish.

    Raises
    ------
    ApiPortUnavailable
        The port is taken, or not ours to take.
    """
    engine = connect(settings.database)
    with bind(settings) as listening:
        port = listening.getsockname()[1]
        (settings.run_dir / PORT_FILE).write_text(f"{port}\n", encoding="ascii")
        config = uvicorn.Config(
            make_application(settings, engine),
            log_config=None,
            access_log=False,  # request lines hold UIDs
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
            limit_concurrency=MOST_CONNECTIONS,
            http=_impatient(settings.http.head_timeout_s),
        )
        server = _Server(config)

        def end() -> None:
            stop.wait()
            server.should_exit = True

        threading.Thread(target=end, name="stop", daemon=True).start()
        _log.info("Listening for HTTP", extra=log_context(action="listen", reason=f"port {port}"))
        server.run(sockets=[listening])
    engine.dispose()


def bind(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises
    ------
    ApiPortUnavailable
        The port is taken, or not ours to take.
    """
    address, port = str(settings.http.bind), settings.http.port
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. An answer goes out in two writes; without this the second waits 40 ms for the client.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((address, port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        raise ApiPortUnavailable(
            f"cannot listen on {address} port {port} ({error.strerror}): stop what uses it, or set http.port"
        ) from error
    return listening
