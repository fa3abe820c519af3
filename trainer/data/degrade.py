"""Pictures made worse by a physical model of how a scan becomes worse: grain, blur, lost range, weak echoes at depth.

A displayed gray level is taken as the logarithm of the echo's envelope (`RANGE_DB` from black to white), and what the
body and the scanner do is done to the envelope, in the order in which it happens: the echo weakens with depth, the
beam's point spread blurs it, scatterers below its resolution add speckle, and the display drops and coarsens levels.
Blurring and speckling an envelope that already is a picture is an approximation: the phase of the echoes is lost.

References
----------
Burckhardt, "Speckle in ultrasound B-mode scans", IEEE Trans. Sonics Ultrason. 25 (1978): Rayleigh statistics.
Wagner et al., "Statistics of speckle in ultrasound B-scans", IEEE Trans. Sonics Ultrason. 30 (1983): correlation by the
point spread; a steady part beside the grain makes the statistics Rician.
Prager et al., "Decompression and speckle detection for ultrasound images using the homodyned k-distribution", Pattern
Recognit. Lett. 24 (2003): from gray levels back to the envelope.
Szabo, "Diagnostic Ultrasound Imaging: Inside Out", 2nd ed. (2014): attenuation in dB along the path; wider laterally
than axially is the point spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

KINDS = ("speckle", "blur", "compression", "attenuation")  # fields of `Damage`, in the order of its severities
RANGE_DB = 60.0  # of the display, from black to white; usual presets lie between 50 and 70
EDGE = 256.0  # px of a picture's longer edge at which the lengths below hold; they scale with it
GRAIN = (0.7, 1.3)  # px, axial and lateral standard deviation of the speckle's point spread
SPREAD = (1.3, 3.2)  # px, axial and lateral standard deviation of the blur at severity 1
WEAKEST_DB = 20.0  # by which the deepest row is weaker at severity 1
LOST = 0.12  # share of the range, from black, in which nothing is told apart at severity 1
WINDOW = (0.18, 0.70)  # of the gray range, that all levels are shown in at severity 1
FEWEST_BITS, BITS = 4.0, 8.0  # of a level at severity 1 and 0
UNLIT = 2  # gray level up to which a pixel may lie outside the scan
GAP = 15.0  # px; a black part narrower than that belongs to the scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """How severe each kind of damage is, 0 to 1; 0 is none.

    Raises
    ------
    ValueError
        A severity lies outside.
    """

    speckle: float = 0.0  # 1: fully developed, the Rayleigh case
    blur: float = 0.0
    compression: float = 0.0  # of the dynamic range
    attenuation: float = 0.0
    seed: int = 0  # of the speckle

    def __post_init__(self) -> None:
        """Check the severities."""
        wrong = [name for name in KINDS if not 0 <= getattr(self, name) <= 1]
        if wrong:
            raise ValueError(f"severities lie from 0 to 1; {', '.join(wrong)} of {self} does not")

    @property
    def severities(self) -> tuple[float, ...]:
        """In the order of `KINDS`."""
        return self.speckle, self.blur, self.compression, self.attenuation

    @property
    def worst(self) -> float:
        """Of the most severe kind: a scan is as poor as what it lacks most."""
        return max(self.severities)

    @property
    def words(self) -> str:
        """The kind, or "several" or "none"."""
        there = [name for name, severity in zip(KINDS, self.severities, strict=True) if severity]
        return "none" if not there else there[0] if len(there) == 1 else "several"


def degraded(picture: NDArray[np.uint8], damage: Damage) -> NDArray[np.uint8]:
    """A picture (H, W) made worse, the same each time; what lies outside the scan stays black.

    Depth runs down the picture, from the first to the last row of the scan.
    """
    scan = scanned(picture)
    if not damage.worst or not scan.any():
        return picture.copy()
    unit = max(picture.shape) / EDGE
    level = np.asarray(picture, dtype=np.float32) / np.float32(255)
    if damage.attenuation:
        level = (level - np.float32(damage.attenuation * WEAKEST_DB / RANGE_DB) * _depth(scan)).clip(0)
    if damage.blur or damage.speckle:
        envelope = np.power(np.float32(10), (level - 1) * np.float32(RANGE_DB / 20))
        if damage.blur:
            envelope = _spread(envelope, SPREAD, unit * damage.blur)
        if damage.speckle:
            envelope = envelope * _grain(picture.shape, damage, unit)
        decibels = 20 * np.log10(np.maximum(envelope, 1e-9))
        level = np.asarray((1 + decibels / RANGE_DB).clip(0, 1), dtype=np.float32)
    if damage.compression:
        level = _compressed(level, damage.compression)
    return np.where(scan, np.rint(level * 255), 0).astype(np.uint8)


def random_damage(rng: np.random.Generator) -> Damage:
    """Damage of chance: none in one of six, else one kind or several, each as likely to be slight as severe."""
    seed = int(rng.integers(2**31))
    if rng.random() < 1 / 6:
        return Damage(seed=seed)
    there = rng.random(len(KINDS)) < 0.4
    there[rng.integers(len(KINDS))] = True
    return Damage(**dict(zip(KINDS, np.where(there, rng.uniform(0.1, 1.0, len(KINDS)), 0.0), strict=True)), seed=seed)


def scanned(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a picture (H, W) shows anything, small black parts included."""
    reach = max(3, round(GAP * max(picture.shape) / EDGE))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    lit = (picture > UNLIT).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(lit, cv2.MORPH_CLOSE, around) > 0, dtype=np.bool_)


def _depth(scan: NDArray[np.bool_]) -> NDArray[np.float32]:
    """From 0 in the first row of the scan to 1 in its last, (H, 1)."""
    rows = np.flatnonzero(scan.any(axis=1))
    down = (np.arange(len(scan)) - rows[0]) / max(1, rows[-1] - rows[0])
    return np.asarray(down.clip(0, 1)[:, None], dtype=np.float32)


def _spread(field: NDArray[np.float32], widths: tuple[float, float], scale: float) -> NDArray[np.float32]:
    axial, lateral = (max(0.05, width * scale) for width in widths)
    blurred = cv2.GaussianBlur(field, (0, 0), sigmaX=lateral, sigmaY=axial, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)


def _grain(shape: tuple[int, ...], damage: Damage, unit: float) -> NDArray[np.float32]:
    """Factors of the envelope: a steady part and a complex Gaussian one of the point spread's correlation."""
    rng = np.random.default_rng(damage.seed)
    parts = [_spread(rng.standard_normal(shape, np.float32), GRAIN, unit) for _ in range(2)]
    power = float(np.mean(parts[0] ** 2 + parts[1] ** 2))
    real, imaginary = (part * np.float32(damage.speckle / np.sqrt(power)) for part in parts)
    steady = np.float32(np.sqrt(1 - damage.speckle**2))
    return np.asarray(np.hypot(steady + real, imaginary), dtype=np.float32)


def _compressed(level: NDArray[np.float32], severity: float) -> NDArray[np.float32]:
    low, high = severity * WINDOW[0], 1 - severity * (1 - WINDOW[1])
    steps = 2 ** (BITS - severity * (BITS - FEWEST_BITS)) - 1
    kept = np.maximum(level, np.float32(severity * LOST))
    return np.asarray(low + (high - low) * np.rint(kept * steps) / steps, dtype=np.float32)
