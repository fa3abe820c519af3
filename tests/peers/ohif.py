"""The viewer OHIF, as it is published, in a real Chromium: what a radiologist would see of what Orthanc holds.

A study is a page, and its series are opened by double click as a reader does it. What is shown is read in two ways:
from the viewer's own state, and from a picture of the screen.
"""

from __future__ import annotations

import base64
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.peers.orthanc import Orthanc

DIST = Path(__file__).resolve().parents[2] / ".cache" / "ohif" / "dist"
SCREEN = {"width": 1100, "height": 720}
READY_MS = 180_000.0  # seconds on a free machine; a busy one must not make a test fail
POLL_MS = 50
SOFTWARE_RENDERING = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
# What cornerstone reports of itself when a load is given up that is wanted no more; a missing picture would be seen.
CANCELLED = "error in event listener of type:  IMAGE_LOAD_ERROR TypeError: handler is not a function"
CHROMIUM = ("--no-sandbox", "--disable-dev-shm-usage", "--ignore-gpu-blocklist", *SOFTWARE_RENDERING)
CONFIGURATION = """
window.config = {
  routerBasename: null,
  extensions: [],
  modes: [],
  showStudyList: true,
  maxNumberOfWebWorkers: 2,
  investigationalUseDialog: {option: 'never'},
  disableConfirmationPrompts: true,  // a segmentation opens without a question that would cover the picture
  defaultDataSourceName: 'orthanc',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'orthanc',
    configuration: {
      friendlyName: 'Orthanc',
      name: 'orthanc',
      wadoUriRoot: '/dicom-web',
      qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: true,
      imageRendering: 'wadors',
      thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true,
      omitQuotationForMultipartRequest: true,
      bulkDataURI: {enabled: true},
    },
  }],
};
"""
NO_TOUR = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']))"
FUNCTIONS = Path(__file__).with_name("ohif.js")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A picture of the screen, and where the shown frame lies on it."""

    frame: int  # from 1
    sop_instance_uid: str
    rows: int  # of the frame
    columns: int
    labels: tuple[str, ...]  # lines of text drawn over the frame
    png: bytes = field(repr=False)  # the whole screen
    screen: NDArray[np.int16] = field(repr=False)  # the same, (height, width, 3) RGB
    origin: NDArray[np.float64] = field(repr=False)  # centre of the frame's first pixel on the screen, x, y
    steps: NDArray[np.float64] = field(repr=False)  # (2, 2): on the screen, to the next column and to the next row

    def colours_at(self, points: NDArray[np.float64]) -> NDArray[np.int16]:
        """RGB on the screen at points of the frame, (..., 2) x, y; the centre of its first pixel is 0, 0."""
        x, y = np.moveaxis(np.floor(self.origin + points @ self.steps).astype(int), -1, 0)
        height, width = self.screen.shape[:2]
        return self.screen[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]

    def colours(self) -> NDArray[np.int16]:
        """RGB at the centres of all pixels of the frame, (rows, columns, 3)."""
        return self.colours_at(np.stack(np.meshgrid(np.arange(self.columns), np.arange(self.rows)), -1).astype(float))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """One study in the viewer."""

    page: Page = field(repr=False)
    errors: list[str]  # what the page has reported so far

    def open(self, series_instance_uid: str) -> None:
        """Double click on a series, and wait until it is drawn."""
        thumbnail = _wait(self.page, "uid => look.thumbnail(uid)", series_instance_uid)
        # Sent to the entry itself: the list still moves while its pictures come.
        self.page.locator(f"[id='{thumbnail}']").dispatch_event("dblclick", timeout=READY_MS)
        _wait(self.page, "uid => look.isDrawn(uid)", series_instance_uid)

    def segments(self, series_instance_uid: str) -> dict[int, dict[str, NDArray[np.bool_]]]:
        """Of the opened segmentation: by source frame and segment label the mask that the viewer holds."""
        held = self.page.evaluate("uid => look.segments(uid)", series_instance_uid)
        found: dict[int, dict[str, NDArray[np.bool_]]] = {}
        for layer in held["layers"]:
            values = np.frombuffer(base64.b64decode(layer["bytes"]), np.uint8)
            values = values.reshape(layer["rows"], layer["columns"])
            for number in np.unique(values[values > 0]):
                masks, label = found.setdefault(layer["frame"], {}), held["labels"][str(number)]
                masks[label] = masks.get(label, False) | (values == number)
        return found

    def measurements(self, series_instance_uid: str) -> list[dict[str, Any]]:
        """Of the opened report: frame, points in pixels (centre of the first 0, 0) and labels of each mark."""
        marks: list[dict[str, Any]] = self.page.evaluate("uid => look.measurements(uid)", series_instance_uid)
        # The viewer may load a report more than once, and then has each of its marks as often.
        return [mark for number, mark in enumerate(marks) if mark not in marks[:number]]

    def pixels(self) -> NDArray[np.uint8]:
        """The shown frame as the viewer has decoded it, (rows, columns) or (rows, columns, 3) RGB."""
        held = self.page.evaluate("look.pixels()")
        values = np.frombuffer(base64.b64decode(held["bytes"]), np.uint8)
        values = values.reshape(held["rows"], held["columns"], -1)
        return values[..., 0] if values.shape[-1] == 1 else values[..., :3]

    def frame(self) -> int:
        """The number of the frame that is shown, from 1."""
        return int(self.page.evaluate("look.frame()"))

    def turn_to(self, frame: int) -> None:
        """Show another frame of the opened series."""
        self.page.evaluate("frame => look.turnTo(frame)", frame)

    def text(self) -> str:
        """The words in the middle of the screen, where a report is read."""
        return self.page.locator("[data-cy='viewport-grid']").inner_text(timeout=READY_MS)

    def listed(self) -> dict[str, bool]:
        """Of each Series Instance UID in the viewer's list of series, whether the viewer can show it."""
        return dict(self.page.evaluate("look.listed()"))

    def shown(self) -> Shown:
        """Look at the screen."""
        self.page.evaluate("look.settle()")
        place = self.page.evaluate("look.place()")
        png = self.page.screenshot(timeout=READY_MS)
        origin, right, down = (np.array(place[name]) for name in ("origin", "right", "down"))
        return Shown(
            frame=place["frame"],
            sop_instance_uid=place["sopInstanceUid"],
            rows=place["rows"],
            columns=place["columns"],
            labels=tuple(place["labels"]),
            png=png,
            screen=np.asarray(Image.open(BytesIO(png)).convert("RGB"), np.int16),
            origin=origin,
            steps=np.stack([right - origin, down - origin]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ohif:
    """A running viewer."""

    address: str
    browser: Browser = field(repr=False)

    @contextmanager
    def exam(self, study_instance_uid: str) -> Iterator[Exam]:
        """A study in a page of its own."""
        errors: list[str] = []

        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and not message.text.startswith(CANCELLED):
                errors.append(message.text)

        context = self.browser.new_context(viewport=SCREEN)  # type: ignore[arg-type]
        try:
            context.add_init_script(NO_TOUR)
            context.add_init_script(path=FUNCTIONS)
            page = context.new_page()
            page.on("console", note)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(f"{self.address}/viewer?StudyInstanceUIDs={study_instance_uid}", timeout=READY_MS)
            _wait(page, "() => look.isReady()")
            yield Exam(page=page, errors=errors)
        finally:
            context.close()


def unavailable() -> str | None:
    """Why the viewer cannot be run here; None where it can."""
    if shutil.which("chromium") is None:
        return "Chromium is missing: make viewer, or apt-get install chromium"
    if not (DIST.parent / "version").is_file():  # the last that the set-up writes
        return f"OHIF is not in {DIST}: make viewer fetches it, when the npm registry can be reached"
    return None


@contextmanager
def ohif(pacs: Orthanc) -> Iterator[Ohif]:
    """Serve the viewer over an Orthanc and start a browser; both end with the block."""
    missing = unavailable()
    if missing is not None:
        pytest.skip(f"nothing was looked at in OHIF. {missing}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(f"http://127.0.0.1:{pacs.http_port}"))
    thread = threading.Thread(target=server.serve_forever, name="ohif")
    thread.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=CHROMIUM, timeout=READY_MS
            )
            try:
                yield Ohif(address=f"http://127.0.0.1:{server.server_address[1]}", browser=browser)
            finally:
                browser.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _wait(page: Page, condition: str, argument: str | None = None) -> Any:
    """Wait until a function of the page gives something; what it gives. The test fails when it does not."""
    try:
        return page.wait_for_function(condition, arg=argument, timeout=READY_MS, polling=POLL_MS).json_value()
    except PlaywrightTimeout:
        state = page.evaluate("globalThis.look?.state()")
        pytest.fail(f"after {READY_MS / 1000:g} s still not: {condition} of {argument}; the viewer shows {state}")


def _handler(archive: str) -> Callable[..., SimpleHTTPRequestHandler]:
    """The viewer's files, and on the same origin the archive's DICOMweb."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(DIST))

        def do_GET(self) -> None:
            if self.path.startswith("/dicom-web/"):
                self._forward()
            elif self.path == "/app-config.js":
                self._answer(200, {"Content-Type": "text/javascript"}, CONFIGURATION.encode())
            else:
                if not (DIST / self.path.partition("?")[0].lstrip("/")).is_file():
                    self.path = "/index.html"  # pages of the application, which finds its way itself
                super().do_GET()

        def _forward(self) -> None:
            # With the Host of this server: Orthanc begins the addresses of bulk data with it.
            headers = {name: self.headers[name] for name in ("Accept", "Host") if name in self.headers}
            asked = urllib.request.Request(archive + self.path, headers=headers)
            try:
                with urllib.request.urlopen(asked, timeout=300) as answer:
                    self._answer(answer.status, dict(answer.headers), answer.read())
            except urllib.error.HTTPError as refusal:
                self._answer(refusal.code, dict(refusal.headers), refusal.read())

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", headers.get("Content-Type", "application/octet-stream"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def end_headers(self) -> None:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
