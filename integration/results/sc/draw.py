"""Marks on the frame and a legend below it, so that no word covers what is measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import reportlab
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from integration.results.colours import Rgb
from integration.results.sc.marks import Line, Overlay, Words, outlines
from integration.results.values import RESEARCH_MARK, TRIAL_MARK
from models.findings import TaskIdentity

_FONT: Final = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"  # has what Pillow's own font lacks: "²", "µ", "ä"
_LEAST_WIDTH: Final = 480  # of the picture: a narrow frame is widened with black, so that the legend can be read
_MOST_LINES: Final = 16
_BLACK: Final[Rgb] = (0, 0, 0)
_WHITE: Final[Rgb] = (255, 255, 255)
_WARNING: Final[Rgb] = (240, 228, 66)
_SUBPIXEL_BITS: Final = 4  # cv2 takes coordinates in sixteenths of a pixel


class Painter:
    """Draws the overlay of one source, frame after frame.

    Attributes
    ----------
    rows, columns
        Size of the painted picture: the frame, and the legend below it.
    """

    def __init__(self, overlay: Overlay, *, rows: int, columns: int, heading: Sequence[Words]) -> None:
        self._overlay = overlay
        self._frame_rows, self._frame_columns = rows, columns
        # 4:2:2 shares colour between neighbouring columns: an even number of them loses nothing at the edge.
        self.columns = max(columns + columns % 2, _LEAST_WIDTH)
        self._thickness = max(1, round(min(rows, columns) / 500))
        self._legend = _legend(heading, overlay.legend, self.columns, text_px=max(13, min(28, rows // 40)))
        self.rows = rows + self._legend.shape[0]

    def paint(self, number: int, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One frame with its marks and the legend.

        Parameters
        ----------
        number
            Frame number from 1.
        pixels
            (rows, columns) gray or (rows, columns, 3) RGB.

        Returns
        -------
        array of uint8
            (self.rows, self.columns, 3) RGB.
        """
        canvas = np.zeros((self.rows, self.columns, 3), np.uint8)
        frame = canvas[: self._frame_rows, : self._frame_columns]
        frame[...] = pixels[..., None] if pixels.ndim == 2 else pixels
        canvas[self._frame_rows :] = self._legend
        area = np.ascontiguousarray(frame)
        for mask, colour in self._overlay.masks.get(number, ()):
            borders = outlines(mask)
            for tint, width in self._strokes(colour):
                cv2.polylines(area, borders, isClosed=True, color=tint, thickness=width, lineType=cv2.LINE_AA)
        for line in self._overlay.lines.get(number, ()):
            self._draw(area, line)
        frame[...] = area
        return canvas

    def _strokes(self, colour: Rgb) -> tuple[tuple[Rgb, int], tuple[Rgb, int]]:
        """A dark line under the coloured one: seen on bright and on dark ground."""
        return (_BLACK, self._thickness + 2), (colour, self._thickness)

    def _draw(self, area: NDArray[np.uint8], line: Line) -> None:
        limit = 1 << 20  # beyond any frame; cv2 wants 32-bit coordinates
        points = np.round(np.clip(line.points, -limit, limit) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        for tint, width in self._strokes(line.colour):
            cv2.polylines(
                area, [points[:, None]], line.closed, tint, thickness=width, lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS
            )
            if not line.closed:
                for x, y in np.round(np.clip(line.points, -limit, limit)).astype(int)[[0, -1]].tolist():
                    cv2.drawMarker(area, (x, y), tint, cv2.MARKER_CROSS, 8 + 6 * self._thickness, width, cv2.LINE_AA)
        if line.label:
            self._label(area, line)

    def _label(self, area: NDArray[np.uint8], line: Line) -> None:
        """The label where it belongs to its line, kept inside the frame."""
        scale = 0.45 + 0.2 * self._thickness
        (width, height), _ = cv2.getTextSize(line.label, cv2.FONT_HERSHEY_SIMPLEX, scale, self._thickness)
        centre = self._beside(line, width, height)
        x = int(np.clip(centre[0] - width / 2, 2, max(2, area.shape[1] - width - 2)))
        y = int(np.clip(centre[1] + height / 2, height + 2, max(height + 2, area.shape[0] - 3)))
        for tint, stroke in self._strokes(line.colour):
            cv2.putText(area, line.label, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, tint, stroke, cv2.LINE_AA)

    def _beside(self, line: Line, width: int, height: int) -> NDArray[np.float64]:
        """Where a label of this size is centred: on a closed line's top left corner, else beyond the line's end."""
        gap = 4 + 2 * self._thickness
        if line.closed:
            left, top = line.points.min(axis=0)
            above = top - gap - height / 2
            return np.array([left + width / 2, above if above > height else top + gap + height / 2])
        start, end = line.points[0], line.points[-1]
        away = end - start
        length = float(np.hypot(*away))
        step = away / length if length > 0 else np.array([1.0, -1.0])
        return np.asarray(end + step * (12 + 4 * self._thickness + max(width, height) / 2))


def _legend(heading: Sequence[Words], words: Sequence[Words], columns: int, *, text_px: int) -> NDArray[np.uint8]:
    """The words on black, (n, columns, 3), wrapped to the width."""
    font = ImageFont.truetype(_FONT, text_px)
    margin, step = text_px // 2, round(text_px * 1.35)
    letters = max(16, int((columns - 3 * margin) / max(1.0, font.getlength("n"))))
    lines = [(part, word.colour) for word in (*heading, *words) for part in textwrap.wrap(word.text, letters) or [""]]
    if len(lines) > _MOST_LINES:
        left_out = len(lines) - _MOST_LINES + 1
        lines = [*lines[: _MOST_LINES - 1], (f"and {left_out} lines more: see the report", None)]
    image = Image.new("RGB", (columns, 2 * margin + step * len(lines)), _BLACK)
    draw = ImageDraw.Draw(image)
    for row, (text, colour) in enumerate(lines):
        draw.text((margin, margin + row * step), text, fill=colour or _WHITE, font=font)
    return np.asarray(image)


def heading_of(task: TaskIdentity, *, research_use: bool) -> tuple[Words, ...]:
    """The first lines of the legend: the marks, and who speaks."""
    marks = [RESEARCH_MARK] if research_use else []
    marks += [TRIAL_MARK] if task.trial else []
    speaker = Words(text=f"{task.task} {task.version}, computed by software")
    return (*(Words(text=mark, colour=_WARNING) for mark in marks), speaker)
