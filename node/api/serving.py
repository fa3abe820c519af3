"""The api role: the HTTP interface on its port."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Generator
from typing import Final

import uvicorn

from node.api.application import make_application
from node.api.errors import ApiPortUnavailable
from node.config import Settings
from node.db import connect
from node.logs import log_context

PORT_FILE: Final = "http_port"  # in the run folder
DRAIN_S: Final = 5

_log = logging.getLogger(__name__)


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
    with _bind(settings) as listening:
        port = listening.getsockname()[1]
        (settings.run_dir / PORT_FILE).write_text(f"{port}\n", encoding="ascii")
        config = uvicorn.Config(
            make_application(settings, engine),
            log_config=None,
            access_log=False,  # request lines hold UIDs
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        server = _Server(config)

        def end() -> None:
            stop.wait()
            server.should_exit = True

        threading.Thread(target=end, name="stop", daemon=True).start()
        _log.info("Listening for HTTP", extra=log_context(action="listen", reason=f"port {port}"))
        server.run(sockets=[listening])
    engine.dispose()


def _bind(settings: Settings) -> socket.socket:
    address, port = str(settings.http.bind), settings.http.port
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        raise ApiPortUnavailable(
            f"cannot listen on {address} port {port} ({error.strerror}): stop what uses it, or set http.port"
        ) from error
    return listening
