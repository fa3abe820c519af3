"""Seconds to build and write the SEG of a 100-frame 1024 x 768 cine with two segments, and the SC of the same.

python benchmarks/seg_write.py
"""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UltrasoundMultiFrameImageStorage

from integration.pixels import Calibration
from integration.results import ResultRequest
from integration.results.sc import build_sc
from integration.results.seg import build_seg
from integration.results.write import write_one
from models.findings import Code, Mask, TaskIdentity

ROWS, COLUMNS, FRAMES, RUNS = 768, 1024, 100, 5


class Cine:
    """A gray cine that costs nothing to decode."""

    def __init__(self) -> None:
        self.header = Dataset()
        self.header.SOPClassUID = UltrasoundMultiFrameImageStorage
        self.header.SOPInstanceUID, self.header.SeriesInstanceUID = "2.25.1", "2.25.2"
        self.header.StudyInstanceUID, self.header.NumberOfFrames, self.header.FrameTime = "2.25.3", FRAMES, "40"
        self.rows, self.columns, self.number_of_frames = ROWS, COLUMNS, FRAMES
        self.calibration = Calibration.from_spacing(0.2, 0.2)
        self._frame = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (ROWS, COLUMNS), np.uint8), (0, 0), 2)

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        for number in numbers or range(1, FRAMES + 1):
            yield number, self._frame


def masks() -> Iterator[Mask]:
    """Two moving ellipses on every frame."""
    tissue = Code(value="85756007", scheme="SCT", meaning="Tissue")
    for thing, (x, y) in enumerate(((350, 380), (700, 380)), 1):
        for frame in range(1, FRAMES + 1):
            drawn = np.zeros((ROWS, COLUMNS), np.uint8)
            cv2.ellipse(drawn, (x + frame, y), (200, 150), 20, 0, 360, 1, -1)
            yield Mask(
                name="thing",
                group=f"thing {thing}",
                frame=frame,
                category=tissue,
                code=tissue,
                rows=ROWS,
                columns=COLUMNS,
                deflated=Mask.deflate(drawn.astype(bool)),
            )


def main() -> None:
    """Print the seconds."""
    digest = "sha256:" + "0" * 64
    request = ResultRequest(
        source=Cine(),
        findings=tuple(masks()),
        task=TaskIdentity(task="bench", version="1", digest=digest, encoder_digest=digest),
        job_identity="00",
        revision_number=1,
        created_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    )
    with tempfile.TemporaryDirectory() as folder:
        for role, build in (("SEG", build_seg), ("SC", build_sc)):
            seconds = []
            for _ in range(RUNS if role == "SEG" else 1):
                start = time.perf_counter()
                ds = build(request)
                assert ds is not None
                written = write_one(role, ds, Path(folder))
                seconds.append(time.perf_counter() - start)
            size = written.path.stat().st_size / 1e6
            print(f"{role}: first {seconds[0]:.2f} s, best {min(seconds):.2f} s, {size:.1f} MB")


if __name__ == "__main__":
    main()
