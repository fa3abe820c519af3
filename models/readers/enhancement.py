"""Reader of better pictures: the change is laid on the frame's own pixels, and shown only where it does no harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.findings import EnhancedImage, Finding, NoFinding
from models.frames import Place
from models.packages.settings_enhancement import EnhancementSettings
from models.preprocess import gray
from models.readers.harm import harm, refusal
from models.readers.reader import Raw, Seen
from models.readers.scoping import out_of_scope


@dataclass(slots=True, kw_only=True, eq=False)
class Better:
    """One frame with the views that were made better so far."""

    frame: int
    pixels: NDArray[np.uint8]  # (rows, columns) or (rows, columns, 3)
    gain: float  # sum over its views


class EnhancementReader:
    """Pictures of a still or a cine, each at the size of its frame."""

    wants_pixels = True

    def __init__(self, settings: EnhancementSettings) -> None:
        self._settings = settings
        self._open: Better | None = None  # the frame whose views are being seen
        self._kept: list[Better] = []
        self._left: list[tuple[int, str]] = []  # first frame that was left as it is, and why
        self._views = 0
        self._refused = 0

    def see(self, seen: Seen) -> None:
        """Lay the change on one view of one frame, unless it would harm.

        Raises
        ------
        ValueError
            The frame's own pixels are missing.
        """
        if seen.pixels is None:
            raise ValueError("a picture cannot be made better without its pixels")
        self._views += 1
        reason = out_of_scope(seen, self._settings, self._settings.name)
        if reason is None and self._is_full(seen.frame):
            reason = f"only {self._settings.most_frames} frames of a clip are made better"
        left, top, right, bottom = seen.place.view
        before = seen.pixels[top : bottom + 1, left : right + 1]
        gain = float(seen.raw["gain"])
        if reason is None:
            after = added(before, in_view(seen.raw["residual"], seen.place))
            reason = refusal(harm(gray(before), gray(after)), gain, self._settings.gates)
        if reason is not None:
            self._refused += 1
            self._left = self._left or [(seen.frame, reason)]
            return
        if self._open is None or self._open.frame != seen.frame:
            self._close()
            self._open = Better(frame=seen.frame, pixels=seen.pixels.copy(), gain=0.0)
        self._open.pixels[top : bottom + 1, left : right + 1] = after
        self._open.gain += gain

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """One look is enough."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """The better pictures, and why others were left as they are."""
        self._close()
        s = self._settings
        code = None if s.code is None else s.code.to_code()
        said: list[Finding] = [
            EnhancedImage(name=s.name, group=s.name, frame=better.frame, code=code, pixels=better.pixels)
            for better in self._kept
        ]
        if self._left and (s.frames == "each" or not said):
            frame, reason = self._left[0]
            where = f" in {self._refused} of {self._views} pictures; in the first" if self._views > 1 else ""
            reason = f"the picture was left as it is{where}: {reason}"
            said.append(NoFinding(name=s.name, group=s.name, frame=frame, code=code, reason=reason))
        return tuple(said)

    def _is_full(self, frame: int) -> bool:
        new = self._open is None or self._open.frame != frame
        waiting = 0 if self._open is None else 1
        return self._settings.frames == "each" and new and len(self._kept) + waiting >= self._settings.most_frames

    def _close(self) -> None:
        if self._open is None:
            return
        if self._settings.frames == "each" or not self._kept:
            self._kept.append(self._open)
        elif self._open.gain > self._kept[0].gain:
            self._kept = [self._open]
        self._open = None


def in_view(residual: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    """A map (S, S) of the square at the size of the view, (rows, columns)."""
    left, top, right, bottom = place.view
    size = (right - left + 1, bottom - top + 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(residual, place.box.matrix(), size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.float32)


def added(pixels: NDArray[np.uint8], residual: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture (H, W) or (H, W, 3) with (H, W) gray levels more or less.

    The channels of a colour pixel move together and only as far as the first of them can, so that it keeps its
    colour: of Doppler the colour is the measurement.
    """
    least, most = (pixels, pixels) if pixels.ndim == 2 else (pixels.min(axis=2), pixels.max(axis=2))
    step = np.rint(np.clip(residual, -least.astype(np.float32), 255 - most.astype(np.float32))).astype(np.int16)
    if pixels.ndim == 3:
        step = step[..., None]
    return (pixels.astype(np.int16) + step).astype(np.uint8)
