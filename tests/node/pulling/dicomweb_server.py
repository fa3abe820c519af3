"""A DICOMweb server that does what a test tells it: few answers a page, broken parts, studies that change."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword

BOUNDARY = "cut"
LEVELS = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
FIELDS = (
    "StudyInstanceUID", "StudyDate", "PatientID", "IssuerOfPatientID", "SeriesInstanceUID", "Modality",
    "SOPInstanceUID", "SOPClassUID",
)  # fmt: skip


@dataclass(slots=True)
class Behaviour:
    """What is there, and how it is told."""

    files: dict[str, bytes]  # by SOP Instance UID
    parts: dict[str, bytes] = field(default_factory=dict)  # what is sent for an instance instead of its file
    most: int = 100  # answers a page
    heeds_offset: bool = True
    cut_body: bool = False  # bodies end in the middle of their last part
    before_retrieval: Callable[[Behaviour], None] = lambda self: None
    stall: threading.Event | None = None  # what is waited for in the middle of a body
    stalled: threading.Event = field(default_factory=threading.Event)
    retrieved: list[str] = field(default_factory=list)  # paths
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"


@contextmanager
def dicomweb(files: dict[str, bytes]) -> Iterator[Behaviour]:
    """Serve for the length of the block."""
    behaviour = Behaviour(files=dict(files))
    handler = type("Handler", (_Handler,), {"behaviour": behaviour})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    behaviour.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behaviour
    finally:
        if behaviour.stall is not None:
            behaviour.stall.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        words = at.path.removeprefix("/dicom-web/").split("/")
        asked = {LEVELS[name]: uid for name, uid in zip(words[::2], words[1::2], strict=False)}
        if len(words) % 2:
            self._search(LEVELS[words[-1]], asked, parse_qs(at.query))
        else:
            self._retrieve(asked)

    def _matching(self, asked: dict[str, str]) -> dict[str, Dataset]:
        found = {}
        for uid, content in sorted(self.behaviour.files.items()):
            ds = dcmread(BytesIO(content), stop_before_pixels=True)
            if all(str(ds.get(keyword, "")) == value for keyword, value in asked.items()):
                found[uid] = ds
        return found

    def _search(self, unique: str, asked: dict[str, str], query: dict[str, list[str]]) -> None:
        asked |= {keyword: query[keyword][0] for keyword in LEVELS.values() if keyword in query}
        found = {str(ds.get(unique)): ds for ds in self._matching(asked).values()}
        start = int(query["offset"][0]) if self.behaviour.heeds_offset else 0
        page = list(found.values())[start : start + min(self.behaviour.most, int(query["limit"][0]))]
        more = len(found) > start + len(page)
        body = json.dumps([{f"{tag_for_keyword(word):08X}": _element(ds, word) for word in FIELDS} for ds in page])
        self.send_response(200 if page else 204)
        if more:
            self.send_header("Warning", '299 test "There are additional results that can be requested"')
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body) if page else 0))
        self.end_headers()
        self.wfile.write(body.encode() if page else b"")

    def _retrieve(self, asked: dict[str, str]) -> None:
        behaviour = self.behaviour
        behaviour.retrieved.append(self.path.removeprefix("/dicom-web/"))
        behaviour.before_retrieval(behaviour)
        found = self._matching(asked)
        if not found:
            self.send_error(404)
            return
        body = b"".join(
            f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            + behaviour.parts.get(uid, behaviour.files[uid])
            + b"\r\n"
            for uid in found
        )
        body = body[: -len(body) // 8] if behaviour.cut_body else body + f"--{BOUNDARY}--\r\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')
        self.end_headers()  # without a length: the end of the connection is the end of the body
        half = len(body) // 2 if behaviour.stall is not None else 0
        self.wfile.write(body[:half])
        if behaviour.stall is not None:
            self.wfile.flush()
            behaviour.stalled.set()
            behaviour.stall.wait()
        self.wfile.write(body[half:])


def _element(ds: Dataset, keyword: str) -> dict[str, Any]:
    value = str(ds.get(keyword, ""))
    return {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}
