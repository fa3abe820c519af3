"""When each frame was taken.

References
----------
DICOM PS3.3 C.7.6.5 (Cine Module).
"""

from __future__ import annotations

from itertools import accumulate
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset


def read_frame_times(ds: Dataset, frames: int) -> tuple[float, ...] | None:
    """Milliseconds of each frame after the first, or None where the image does not say.

    Frame Time Vector holds the increment before each frame, Frame Time one for all; Cine Rate, which is only the rate
    to show the frames at, serves where both are missing.
    """
    vector = _numbers(ds, "FrameTimeVector")
    if len(vector) == frames and frames > 1 and all(step >= 0 for step in vector):
        return tuple(accumulate([0.0, *vector[1:]]))
    step = next(iter(_numbers(ds, "FrameTime")), 0.0)
    rate = next(iter(_numbers(ds, "CineRate")), 0.0)
    if step <= 0 and rate > 0:
        step = 1000.0 / rate
    return tuple(number * step for number in range(frames)) if step > 0 else None


def _numbers(ds: Dataset, keyword: str) -> list[float]:
    try:
        value = ds.get(keyword)
        if value is None or value == "":
            return []
        numbers = [float(value)] if isinstance(value, str | int | float) else [float(part) for part in value]
    except Exception:  # noqa: BLE001 - times that cannot be read are times not given
        return []
    return numbers if all(isfinite(number) for number in numbers) else []
