"""Pictures and clips of a fetal head whose size is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import cos, pi, radians, sin

import numpy as np
from numpy.typing import NDArray

from integration.phantom.head_model import TEXTURE_MM, TEXTURE_SIZE, HeadModel, Pose, draw_head, in_view
from integration.phantom.head_tissue import head_tissue
from integration.phantom.probe import Grid, scan_convert
from integration.phantom.scene import HeadTruth, Scene, ellipse_mask, ellipse_perimeter
from integration.phantom.screen import Look
from integration.phantom.speckle import image_samples, scatterers

_STREAM = 0x4EAD  # keeps the random numbers of heads apart from those of other scenes


def head_truth(model: HeadModel, pose: Pose) -> HeadTruth:
    """Where the outer edge lies in the pixels of the whole picture."""
    x, y = model.screen.canvas.to_pixels(pose.x_mm, pose.z_mm)
    step = model.screen.canvas.mm_per_pixel
    return HeadTruth(
        centre=(x + model.screen.area.left, y + model.screen.area.top),
        semi_axes=(model.semi_long_mm / step, model.semi_short_mm / step),
        angle_deg=pose.tilt_deg,
        hc_mm=ellipse_perimeter(model.semi_long_mm, model.semi_short_mm),
        bpd_mm=2 * model.semi_short_mm,
        ofd_mm=2 * model.semi_long_mm,
    )


def _picture(
    model: HeadModel,
    pose: Pose,
    looks: list[NDArray[np.float32]],
    screen: tuple[Grid, Grid],
    rng: np.random.Generator,
) -> Scene:
    samples = image_samples(head_tissue(model, pose), model.imaging, looks, rng)
    tissue = scan_convert(samples, screen)
    pixels, regions = model.screen.compose(tissue, "Fetal  OB 2/3", model.probe.depth_mm)
    truth = head_truth(model, pose)
    step = model.screen.canvas.mm_per_pixel
    mask = ellipse_mask(truth, pixels.shape[0], pixels.shape[1])
    return Scene(pixels=pixels, mask=mask, truth=truth, mm_per_pixel=(step, step), regions=regions)


def fetal_head(
    seed: int, rows: int = 768, columns: int = 1024, *, look: Look | None = None, hc_mm: float | None = None
) -> Scene:
    """One picture of a fetal head.

    Parameters
    ----------
    seed
        Same seed and size, same picture.
    rows, columns
        Size of the picture in pixels, at least 128 x 128.
    look
        Text, colour, second region; None: burned-in text, gray, no second region.
    hc_mm
        Head circumference; None: drawn between 100 and 350 mm.

    Raises
    ------
    ValueError
        The picture is too small or narrow to hold the head.
    """
    rng = np.random.default_rng([_STREAM, seed])
    model = draw_head(rng, rows, columns, look or Look(), hc_mm)
    shape = (model.probe.ranges, model.probe.beams)
    looks = [scatterers(rng, shape) for _ in range(model.imaging.looks)]
    return _picture(model, model.pose, looks, model.probe.screen_map(model.screen.canvas), rng)


def fetal_head_cine(
    seed: int,
    frames: int = 30,
    rows: int = 768,
    columns: int = 1024,
    *,
    look: Look | None = None,
    hc_mm: float | None = None,
) -> Iterator[Scene]:
    """A clip: the head drifts, breathes and nods; its size in mm is the same in all frames.

    The head's speckle moves with it and slowly loses likeness, as it does when tissue leaves the plane.

    Parameters
    ----------
    seed, rows, columns, look, hc_mm
        As for `fetal_head`.
    frames
        Number of frames.

    Yields
    ------
    Scene
        One frame with the truth in it.
    """
    rng = np.random.default_rng([_STREAM, 1, seed])
    model = draw_head(rng, rows, columns, look or Look(), hc_mm)
    model = replace(model, imaging=replace(model.imaging, looks=min(2, model.imaging.looks)))
    shape = (model.probe.ranges, model.probe.beams)
    looks = model.imaging.looks
    mother = [scatterers(rng, shape) for _ in range(looks)]
    child = [scatterers(rng, (TEXTURE_SIZE, TEXTURE_SIZE)) for _ in range(looks)]
    phase, period = float(rng.uniform(0, 2 * pi)), float(rng.uniform(25, 60))
    drift, nod = rng.uniform(-0.06, 0.06, 2), float(rng.uniform(-4, 4))
    pose, axes = model.pose, (model.semi_long_mm, model.semi_short_mm)
    x, z, _, _ = model.probe.sample_grid()
    screen = model.probe.screen_map(model.screen.canvas)
    for number in range(frames):
        swing = sin(phase + 2 * pi * number / period) - sin(phase)
        moved = Pose(
            x_mm=model.pose.x_mm + float(drift[0]) * number + 0.8 * swing,
            z_mm=model.pose.z_mm + float(drift[1]) * number + 1.2 * swing,
            tilt_deg=model.pose.tilt_deg + nod * swing / 2,
        )
        # A head about to leave the view halts: every frame's truth stays whole.
        pose = moved if in_view(moved, axes, model.probe, model.screen.canvas, 0.5) else pose
        fields = [_fields(pose, pair, axes, (x, z)) for pair in zip(mother, child, strict=True)]
        yield _picture(model, pose, fields, screen, rng)
        mother = [_aged(field, 0.93, rng) for field in mother]
        child = [_aged(field, 0.97, rng) for field in child]


def _aged(field: NDArray[np.float32], likeness: float, rng: np.random.Generator) -> NDArray[np.float32]:
    fresh = scatterers(rng, field.shape[1:])
    aged: NDArray[np.float32] = np.float32(likeness) * field + np.float32(np.sqrt(1 - likeness**2)) * fresh
    return aged


def _fields(
    pose: Pose,
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
    axes: tuple[float, float],
    grid: tuple[Grid, Grid],
) -> NDArray[np.float32]:
    """The mother's scatterers, with the head's own laid over them where the head is."""
    mother, child = pair
    tilt = radians(pose.tilt_deg)
    dx, dz = grid[0] - np.float32(pose.x_mm), grid[1] - np.float32(pose.z_mm)
    along = dx * np.float32(cos(tilt)) + dz * np.float32(sin(tilt))
    across = dz * np.float32(cos(tilt)) - dx * np.float32(sin(tilt))
    inside = np.hypot(along / np.float32(axes[0]), across / np.float32(axes[1])) <= 1
    column = (along / TEXTURE_MM).astype(np.int32) % TEXTURE_SIZE
    row = (across / TEXTURE_MM).astype(np.int32) % TEXTURE_SIZE
    own = child[:, row, column]
    mixed: NDArray[np.float32] = np.where(inside[None], own, mother)
    return mixed
