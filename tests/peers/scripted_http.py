"""An HTTP server that answers as a test says: for servers that misbehave on purpose."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


Answer = tuple[int, str, bytes] | tuple[int, str, bytes, dict[str, str]]
"""Status, content type, body, and further headers."""

BREAK = (0, "", b"")
"""Close the connection without an answer."""


@dataclass(slots=True, kw_only=True)
class ScriptedServer:
    """A running server and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def scripted_http(
    answer: Callable[[Asked], Answer | None], *, keep: bool = True, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Serve on a free port.

    Parameters
    ----------
    answer
        What is answered; None: nothing, until the block ends.
    keep
        Whether bodies are kept; else they are read and dropped.
    tls
        Serves https with it.
    """
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            left, body = int(self.headers.get("Content-Length", 0)), bytearray()
            while left:
                piece = self.rfile.read(min(left, 1 << 16))
                if not piece:
                    return
                left -= len(piece)
                if keep:
                    body += piece
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(path=self.path, headers=headers, body=bytes(body))
            made.asked.append(asked)
            given = answer(asked)
            if given is None:
                ended.wait(60)
            if given is None or given == BREAK:
                self.close_connection = True
                return
            status, kind, content, *further = given
            self.send_response(status)
            self.send_header("Content-Type", kind)
            for name, value in further[0].items() if further else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made = ScriptedServer(url=f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
