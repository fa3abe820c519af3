"""The scanner's screen around the tissue: text, rulers, gray bar, and a second region.

All words are made up for the phantom and say so; there is no patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Canvas
from integration.phantom.scene import SceneRegion

MM_PER_CM = 10.0


class SecondRegion(StrEnum):
    """What else the screen shows."""

    NONE = "none"
    SPECTRUM = "spectrum"  # a pulsed-wave Doppler strip: seconds and cm/s
    ZOOM = "zoom"  # part of the tissue, drawn twice as large: centimetres of another scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is drawn besides tissue."""

    text: bool = True
    colour: bool = False  # RGB, with coloured text, instead of gray
    second: SecondRegion = SecondRegion.NONE


class Area(NamedTuple):
    """A rectangle of the picture."""

    left: int
    top: int
    width: int
    height: int


def layout(rows: int, columns: int, look: Look) -> Area:
    """Where the tissue goes: the whole picture, or above the spectrum's strip."""
    if rows < 128 or columns < 128:
        raise ValueError(f"a phantom needs at least 128 x 128 pixels, not {columns} x {rows}")
    height = rows * 3 // 4 if look.second is SecondRegion.SPECTRUM else rows
    return Area(0, 0, columns, height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """The whole picture: tissue on `canvas`, laid at `area`."""

    area: Area
    canvas: Canvas
    look: Look

    def compose(
        self, tissue: NDArray[np.uint8], title: str, depth_mm: float
    ) -> tuple[NDArray[np.uint8], tuple[SceneRegion, ...]]:
        """Lay out tissue, second region and text.

        Parameters
        ----------
        tissue
            (canvas rows, canvas columns).
        title
            Words for the preset.
        depth_mm
            Depth of view, for the text.

        Returns
        -------
        tuple
            Pixels, gray or RGB, and the regions to declare, tissue first.
        """
        cm = self.canvas.mm_per_pixel / MM_PER_CM
        height, width = tissue.shape
        strip = height // 3 if self.look.second is SecondRegion.SPECTRUM else 0
        pixels = np.zeros((height + strip, width), np.uint8)
        pixels[:height] = tissue
        left, top, right, bottom = _lit(tissue)
        regions = [
            SceneRegion(
                left=left,
                top=top,
                right=right,
                bottom=bottom,
                spatial_format=1,
                data_type=1,
                units_x=3,
                units_y=3,
                delta_x=cm,
                delta_y=cm,
                reference_x=round(self.canvas.origin_x) - left,
                reference_y=max(0, round(self.canvas.origin_y) - top),
            )
        ]
        if self.look.second is SecondRegion.SPECTRUM:
            regions.append(_spectrum(pixels, height))
        elif self.look.second is SecondRegion.ZOOM:
            regions.append(_zoom(pixels, tissue, cm))
        shown = np.repeat(pixels[:, :, None], 3, axis=2) if self.look.colour else pixels
        if self.look.text:
            self._annotate(shown, height, title, depth_mm)
        return shown, tuple(regions)

    def _annotate(self, shown: NDArray[np.uint8], height: int, title: str, depth_mm: float) -> None:
        width = shown.shape[1]
        size = max(0.28, width / 1024 * 0.5)
        line = max(9, round(30 * size))
        words = (255, 214, 64) if self.look.colour else 200
        for number, text in enumerate(("PHANTOM", "NOT A PATIENT", title, f"Depth {depth_mm / MM_PER_CM:.1f} cm")):
            cv2.putText(shown, text, (6, line * (number + 1)), cv2.FONT_HERSHEY_SIMPLEX, size, words, 1, cv2.LINE_AA)
        settings = ("MI 0.9", "TIs 0.2", "Gn 48", "C5  P90")
        for number, text in enumerate(settings):
            cv2.putText(
                shown,
                text,
                (width - round(130 * size), line * (number + 1)),
                cv2.FONT_HERSHEY_SIMPLEX,
                size,
                words,
                1,
                cv2.LINE_AA,
            )
        ticks = (120, 200, 255) if self.look.colour else 170
        cm_px = MM_PER_CM / self.canvas.mm_per_pixel
        for centimetre in range(int((height - self.canvas.origin_y) / cm_px) + 1):
            row = round(self.canvas.origin_y + centimetre * cm_px)
            if 0 <= row < height:
                length = 8 if centimetre % 5 == 0 else 4
                cv2.line(shown, (width - 2 - length, row), (width - 2, row), ticks, 1)
        bar = np.linspace(255, 0, height // 4).astype(np.uint8)[:, None]
        top = line * 6
        place = shown[top : top + len(bar), 4:9]
        place[:] = (bar[: len(place)] if shown.ndim == 2 else bar[: len(place), :, None]).astype(np.uint8)


def _lit(tissue: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The rectangle round what the probe shows, as scanners declare it: left, top, right, bottom, inclusive."""
    rows, columns = np.flatnonzero(tissue.any(axis=1)), np.flatnonzero(tissue.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _spectrum(pixels: NDArray[np.uint8], top: int) -> SceneRegion:
    """Draw a Doppler spectrum below the tissue: three seconds across, 80 cm/s up from the base line."""
    strip = pixels[top:]
    rows, columns = strip.shape
    base = rows - max(8, rows // 6)
    time = np.arange(columns, dtype=np.float32) * np.float32(3.0 / columns)
    beat = (time * np.float32(2.4)) % 1
    envelope = (0.25 + 0.6 * np.exp(-beat * 3) * np.minimum(1, beat * 14)) * base * 0.8
    up = base - np.arange(rows, dtype=np.float32)[:, None]
    inside = (up > 0) & (up < envelope[None, :])
    rng = np.random.default_rng(rows * 8192 + columns)
    grain = rng.rayleigh(50, strip.shape)
    edge = np.exp(-(((up - envelope[None, :] * 0.9) / (0.12 * base)) ** 2))
    strip[:] = np.clip(np.where(inside, grain * (0.5 + 1.6 * edge), grain * 0.06), 0, 255).astype(np.uint8)
    strip[0] = 90
    strip[base] = 160
    return SceneRegion(
        left=0,
        top=top,
        right=columns - 1,
        bottom=top + rows - 1,
        spatial_format=3,
        data_type=3,
        units_x=4,
        units_y=7,
        delta_x=3.0 / columns,
        delta_y=-80.0 / base,
        reference_y=base,
    )


def _zoom(pixels: NDArray[np.uint8], tissue: NDArray[np.uint8], cm_per_pixel: float) -> SceneRegion:
    """Draw the middle of the tissue twice as large in the lower right corner."""
    rows, columns = tissue.shape[0] // 6 * 2, tissue.shape[1] // 6 * 2
    top, left = (tissue.shape[0] - rows // 2) // 2, (tissue.shape[1] - columns // 2) // 2
    cut = tissue[top : top + rows // 2, left : left + columns // 2]
    # Nearest neighbour keeps the scale exact: each pixel becomes two by two.
    large = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_NEAREST)
    pixels[-rows:, -columns:] = large
    return SceneRegion(
        left=pixels.shape[1] - columns,
        top=pixels.shape[0] - rows,
        right=pixels.shape[1] - 1,
        bottom=pixels.shape[0] - 1,
        spatial_format=1,
        data_type=1,
        units_x=3,
        units_y=3,
        delta_x=cm_per_pixel / 2,
        delta_y=cm_per_pixel / 2,
    )
