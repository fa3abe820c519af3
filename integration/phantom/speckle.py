"""From echo strength to a B-mode picture: speckle, blur, attenuation, log compression.

The field received is a sum of many scatterers in each resolution cell: circular complex Gaussian noise, shaped by
the echo strength, blurred by the point spread function. Its magnitude is Rayleigh distributed where tissue is even,
which is what fully developed speckle is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """What the beams meet, on the sample grid (ranges, beams)."""

    echo_db: Grid  # backscatter of diffuse tissue
    mirror: Grid  # amplitude (linear) of smooth interfaces, which shine without speckle
    loss_db: Grid  # two-way loss beyond what the gain curve makes up for, per sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaging:
    """How the scanner is set."""

    axial_sigma: float  # point spread function along the beam, in range samples
    lateral_sigma: float  # across the beams at the focus, in beams
    focus: float  # depth of the focus as a fraction of the full depth
    gain_db: float  # added before compression: brighter picture
    dynamic_range_db: float  # shown between black and white
    noise_db: float  # level of electronic noise at the deepest sample
    looks: int  # frames compounded into one: less speckle


def scatterers(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Circular complex Gaussian noise of unit power: real and imaginary part, shape (2, *shape)."""
    return rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(np.sqrt(0.5))


def _blurred(field: Grid, axial: float, lateral: float) -> Grid:
    blurred = cv2.GaussianBlur(field, (0, 0), sigmaX=lateral, sigmaY=axial, borderType=cv2.BORDER_REFLECT)
    return blurred.astype(np.float32, copy=False)


def _noise_gain(axial: float, lateral: float) -> float:
    # A kernel of unit sum lowers white noise by its L2 norm, which for a Gaussian is (2 sqrt(pi) sigma)^-1/2 an axis.
    return float(np.sqrt(2 * np.sqrt(np.pi) * axial * 2 * np.sqrt(np.pi) * lateral))


def image_samples(
    tissue: Tissue, imaging: Imaging, looks: list[NDArray[np.float32]], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One picture on the sample grid.

    Parameters
    ----------
    tissue
        What is imaged.
    imaging
        The scanner's settings.
    looks
        One or more scatterer fields as `scatterers` gives them, each (2, ranges, beams); their pictures are averaged.
    rng
        For the electronic noise.

    Returns
    -------
    array of uint8, (ranges, beams)
    """
    ranges, beams = tissue.echo_db.shape
    passed = np.cumsum(tissue.loss_db, axis=0)
    strength = 10 ** ((tissue.echo_db - passed) * np.float32(0.05))
    shine = tissue.mirror * 10 ** (passed * np.float32(-0.05))
    depth = np.linspace(0, 1, ranges, dtype=np.float32)[:, None]
    away = np.abs(depth - imaging.focus)
    wide = imaging.lateral_sigma * 1.9
    in_focus = np.exp(-((away / 0.35) ** 2))
    noise = 10 ** ((imaging.noise_db - 18 * (1 - depth)) * np.float32(0.05))
    envelope = np.zeros((ranges, beams), np.float32)
    for real, imaginary in looks:
        parts = []
        for part, mirror in ((real, shine), (imaginary, None)):
            sharp = strength * part * np.float32(_noise_gain(imaging.axial_sigma, imaging.lateral_sigma))
            soft = strength * part * np.float32(_noise_gain(imaging.axial_sigma, wide))
            if mirror is not None:
                sharp, soft = sharp + mirror, soft + mirror
            near = _blurred(sharp, imaging.axial_sigma, imaging.lateral_sigma)
            far = _blurred(soft, imaging.axial_sigma, wide)
            parts.append(in_focus * near + (1 - in_focus) * far)
        envelope += np.hypot(parts[0], parts[1])
    envelope /= len(looks)
    envelope += noise * np.abs(rng.standard_normal((ranges, beams), dtype=np.float32))
    shown = 20 * np.log10(envelope + np.float32(1e-6)) + np.float32(imaging.gain_db)
    scaled = (shown / np.float32(imaging.dynamic_range_db) + 1) * 255
    picture: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return picture
