"""The HTTP interface on a port of its own, in this process or in another, and bodies of STOW-RS to try it with."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import psutil
import pydicom
from pydicom import Dataset

from node.api import serve_api
from node.archive import Archive, StoredFile
from node.config import Settings, load_settings
from node.db import connect, migrate
from tests.integration.results.sources import write_source
from tests.peers.processes import free_port, wait_until

BOUNDARY = "cut"
TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
PART = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
PIECE = bytes(2**18)
START_S = 300  # far more than is needed; a busy machine must not make a test fail
_SERVE = """
import sys, threading
from pathlib import Path
from node.api import serve_api
from node.config import load_settings
settings = load_settings(Path(sys.argv[1]), {})
settings.run_dir.mkdir(parents=True, exist_ok=True)
serve_api(settings, threading.Event())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    settings: Settings
    client: httpx.Client

    @property
    def url(self) -> str:
        return f"{self.client.base_url}/dicom-web".replace("//dicom-web", "/dicom-web")

    def incoming(self) -> list[StoredFile]:
        archive = Archive(self.settings.archive_dir)
        try:
            return [archive.describe(path) for path in archive.incoming()]
        finally:
            archive.close()

    def left_over(self) -> list[Path]:
        return list(self.settings.archive_dir.glob("incoming/*.part"))

    def post(self, body: bytes | Iterator[bytes], path: str = "studies", **headers: str) -> httpx.Response:
        return self.client.post(f"/dicom-web/{path}", content=body, headers={"Content-Type": TYPE, **headers})

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A bare connection, for what no client would send."""
        with socket.create_connection(("127.0.0.1", self.settings.http.port), timeout=30) as connection:
            yield connection


def settings_of(folder: Path, node: str = "{data_dir: var, min_free_bytes: 0}", http: str = "") -> Settings:
    config = folder / "echocare-node.yaml"
    config.write_text(
        f"node: {node}\nhttp: {{port: {free_port()}{http}}}\nlistener: {{idle_timeout_s: 1}}\n", encoding="utf-8"
    )
    settings = load_settings(config, {})
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    return settings


@contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    """The HTTP interface in threads of this process."""
    engine = connect(settings.database)
    migrate(engine)
    engine.dispose()
    stop = threading.Event()
    thread = threading.Thread(target=serve_api, args=(settings, stop))
    thread.start()
    try:
        with _client(settings) as client:
            yield Served(settings=settings, client=client)
    finally:
        stop.set()
        thread.join(20)


@contextmanager
def serving_process(settings: Settings) -> Iterator[tuple[Served, psutil.Process]]:
    """The HTTP interface in a process of its own, whose memory can be looked at."""
    config = settings.data_dir.parent / "echocare-node.yaml"
    with subprocess.Popen([sys.executable, "-c", _SERVE, str(config)]) as process:
        try:
            with _client(settings) as client:

                def answers() -> bool:
                    try:
                        return client.get("/healthz").status_code == 200
                    except httpx.TransportError:
                        return False

                wait_until(answers, START_S, "the HTTP interface answers")
                yield Served(settings=settings, client=client), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def _client(settings: Settings) -> httpx.Client:
    transport = httpx.HTTPTransport(retries=5)
    url = f"http://127.0.0.1:{settings.http.port}"
    return httpx.Client(base_url=url, timeout=START_S, trust_env=False, transport=transport)


def large_body(folder: Path, size: int) -> Iterator[bytes]:
    """A body with one native image of so many bytes, made while it is sent."""
    head = start_of_image(folder, size)
    yield PART + head
    left = size
    while left:
        piece = PIECE[: min(left, len(PIECE))]
        left -= len(piece)
        yield piece
    yield END


def start_of_image(folder: Path, size: int, number: int = 1) -> bytes:
    """A DICOM file up to its pixels, which it says are of so many bytes."""
    path = folder / f"start-{number}.dcm"
    write_source(path, frames=1)
    ds: Dataset = pydicom.dcmread(path)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.{number}"
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    for keyword in [each.keyword for each in ds if each.tag.group == 0x7FE0]:
        delattr(ds, keyword)
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue() + b"\xe0\x7f\x10\x00OB\0\0" + size.to_bytes(4, "little")


@contextmanager
def peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Bytes that a process grew by at most during the block, in the list once it has ended."""
    before, peak, done = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def seconds_until_closed(connection: socket.socket, longest_s: float) -> float:
    """How long until the other side closes a connection; what it says is thrown away."""
    began = time.monotonic()
    connection.settimeout(longest_s)
    try:
        while connection.recv(2**16):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - began
