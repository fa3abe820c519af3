"""The port of the HTTP interface."""

from __future__ import annotations

import socket
from pathlib import Path

from node.api.serving import bind
from tests.node.api.serving import settings_of


def test_bind__connections__send_each_write_at_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with bind(settings) as listening, socket.create_connection(("127.0.0.1", settings.http.port), timeout=30):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
