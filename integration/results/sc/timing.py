"""How fast the frames of a derived cine follow each other."""

from __future__ import annotations

from typing import Final

from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from integration.results.request import ResultRequest

DEFAULT_FRAME_TIME_MS: Final = 40.0  # where the source does not say how fast it was


def add_times(request: ResultRequest, ds: Dataset, frames: int) -> None:
    """How fast the cine runs: as the source says it, frame by frame or one time for all."""
    ds.NumberOfFrames = frames
    header = request.header
    vector = header.get("FrameTimeVector")
    if isinstance(vector, MultiValue | list) and len(vector) == frames:
        ds.FrameTimeVector = list(vector)
        ds.FrameIncrementPointer = Tag("FrameTimeVector")
        return
    time = float(header.get("FrameTime") or 0)
    rate = float(header.get("CineRate") or header.get("RecommendedDisplayFrameRate") or 0)
    if time <= 0:
        time = 1000.0 / rate if rate > 0 else DEFAULT_FRAME_TIME_MS
    ds.FrameTime = f"{time:.8g}"
    ds.FrameIncrementPointer = Tag("FrameTime")
