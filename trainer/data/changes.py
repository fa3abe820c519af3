"""What was changed so that nothing identifies, in the words of a report: which attributes, and which pixels.

Names of attributes and places in a picture, never a value.
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.data.pictures import Box, Picture

VISIBLE: Final = 10  # gray levels; what was painted over less bright than this could not be read
LETTERS_PX: Final = 15  # strokes nearer to each other belong to one line of text
MOST_BOXES: Final = 100  # of one picture, the largest


def painted_boxes(before: NDArray[np.uint8], after: NDArray[np.uint8], left: int = 0, top: int = 0) -> tuple[Box, ...]:
    """Where something that could be seen was painted over, line of text by line of text.

    Parameters
    ----------
    before, after
        (H, W), gray, of the same size.
    left, top
        Where they lie in their frame, px.

    Returns
    -------
    tuple
        (left, top, right, bottom) in px of the frame, inclusive; from top to bottom.
    """
    seen = ((before != after) & (before > VISIBLE)).astype(np.uint8)
    joined = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, LETTERS_PX), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    largest = sorted(range(1, count), key=lambda n: -int(stats[n, cv2.CC_STAT_AREA]))[:MOST_BOXES]
    boxes = []
    for number in largest:
        x, y, width, height = (int(value) for value in stats[number, :4])
        inside = slice(y, y + height), slice(x, x + width)
        rows, columns = np.nonzero(seen[inside] * (labels[inside] == number))  # the joining reaches on to an edge
        x, y = left + x, top + y
        boxes.append((x + int(columns.min()), y + int(rows.min()), x + int(columns.max()), y + int(rows.max())))
    return tuple(sorted(boxes, key=lambda box: (box[1], box[0])))


def of_pixels(picture: Picture) -> dict[str, Any]:
    """What was done to the pixels of a picture."""
    change = picture.change
    return {"box": change.box, "painted_px": change.painted_px, "painted": change.painted}


class Headers:
    """What was done to the headers of some files; files of which the same was done share a line."""

    def __init__(self) -> None:
        self._files: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}

    def note(self, key: str, picture: Picture) -> None:
        """Once for each file, by its key."""
        files = self._files.setdefault((picture.removed, picture.replaced), [])
        if not files or files[-1] != key:
            files.append(key)

    def lines(self) -> list[dict[str, Any]]:
        """Names left behind, names with a pseudonym in the place of their value, and the keys of the files."""
        return [
            {"files": files, "removed": list(removed), "replaced": list(replaced)}
            for (removed, replaced), files in self._files.items()
        ]
