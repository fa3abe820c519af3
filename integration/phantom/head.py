"""A fetal head in the plane where its circumference is measured.

References
----------
The look was matched to the mean profile across the skull of 200 measured heads: the annotated edge lies 0.9 mm
outside the brightest line of the skull, whose echo is about 3 mm wide at half height; lateral walls are fainter by
two thirds, and dark streaks run down from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import cos, hypot, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Canvas, Grid, Probe, scan_convert
from integration.phantom.scene import HeadTruth, Scene, ellipse_mask, ellipse_perimeter
from integration.phantom.screen import Look, Screen, layout
from integration.phantom.speckle import Imaging, Tissue, image_samples, scatterers
from integration.phantom.texture import clouds, ripple, sample_texture

HC_RANGE_MM = (100.0, 350.0)
_STREAM = 0x4EAD  # keeps the random numbers of heads apart from those of other scenes
_TEXTURE_MM = 0.25  # pitch of the textures that move with the head
_TEXTURE_SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where the head lies in the plane of the scan."""

    x_mm: float
    z_mm: float
    tilt_deg: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeadModel:
    """All that stays the same from frame to frame."""

    probe: Probe
    screen: Screen
    imaging: Imaging
    pose: Pose
    semi_long_mm: float
    semi_short_mm: float
    skull_mm: float  # thickness
    skull_gain: float  # linear amplitude where the beam meets it squarely
    ossified: float  # 0 to 1: loss and brightness of the wall
    brain_db: float
    fluid_mm: float  # mean width of the fluid around the head; 0 or less: none
    mother_db: Grid  # on the sample grid
    folds: NDArray[np.float32]  # texture of the brain, head-fixed
    gaps: NDArray[np.float32]  # uneven brightness by angle round the skull, 256 values
    shore: NDArray[np.float32]  # uneven width of the fluid by angle, 256 values


def draw_head(rng: np.random.Generator, rows: int, columns: int, look: Look, hc_mm: float | None) -> HeadModel:
    """Choose a head, a probe and settings at random so that the whole head is in view."""
    target = hc_mm if hc_mm is not None else float(rng.uniform(*HC_RANGE_MM))
    ratio = float(rng.uniform(0.72, 0.88))
    semi_long = target / ellipse_perimeter(1.0, ratio)
    semi_short = semi_long * ratio
    for attempt in range(200):
        placed = _place(rng, rows, columns, look, (semi_long, semi_short), 1 + attempt / 100)
        if placed is not None:
            break
    else:
        raise ValueError(f"a head of {target:.0f} mm finds no place on {columns} x {rows} pixels: use a larger picture")
    probe, screen, pose = placed
    imaging = Imaging(
        axial_sigma=float(rng.uniform(0.45, 0.75)) / probe.range_step_mm,
        lateral_sigma=float(rng.uniform(0.9, 1.7)) * probe.beams / 256,
        focus=float(rng.uniform(0.35, 0.7)),
        gain_db=float(rng.uniform(-5, 7)),
        dynamic_range_db=float(rng.uniform(52, 68)),
        noise_db=float(rng.uniform(-72, -56)),
        looks=int(rng.integers(1, 4)),
    )
    return HeadModel(
        probe=probe,
        screen=screen,
        imaging=imaging,
        pose=pose,
        semi_long_mm=semi_long,
        semi_short_mm=semi_short,
        skull_mm=float(rng.uniform(1.5, 2.1)) + 0.5 * target / 350,
        skull_gain=10 ** (float(rng.uniform(-9, 3)) / 20),
        ossified=min(1.0, max(0.1, target / 300 + float(rng.uniform(-0.25, 0.25)))),
        brain_db=float(rng.uniform(-50, -42)),
        fluid_mm=float(rng.uniform(-6, 14)),
        mother_db=_mother(rng, probe),
        folds=clouds(rng, (_TEXTURE_SIZE, _TEXTURE_SIZE), (44, 48)),
        gaps=ripple(rng, 256, 24),
        shore=ripple(rng, 256, 4),
    )


def _place(
    rng: np.random.Generator, rows: int, columns: int, look: Look, axes: tuple[float, float], roomier: float
) -> tuple[Probe, Screen, Pose] | None:
    semi_long, semi_short = axes
    tilt = float(rng.normal(0, 22)) if rng.random() < 0.85 else float(rng.uniform(-90, 90))
    half_height = hypot(semi_long * sin(radians(tilt)), semi_short * cos(radians(tilt)))
    half_width = hypot(semi_long * cos(radians(tilt)), semi_short * sin(radians(tilt)))
    top = float(rng.uniform(12, 45)) * roomier
    depth = (top + 2 * half_height + float(rng.uniform(6, 45))) * roomier
    radius = float(rng.uniform(40, 65))
    half_span = float(rng.uniform(30, 40))
    tissue = layout(rows, columns, look)
    zoom = float(rng.uniform(1.0, 1.12)) / roomier if rng.random() < 0.5 else 1.0
    mm_per_pixel = depth * 1.05 / (tissue.height * max(zoom, 1.0))
    canvas = Canvas(
        rows=tissue.height,
        columns=columns,
        mm_per_pixel=mm_per_pixel,
        origin_x=(columns - 1) / 2,
        origin_y=tissue.height * (1 - max(zoom, 1.0) * 0.98),
    )
    probe = Probe(
        radius_mm=radius,
        half_span=half_span,
        depth_mm=depth,
        ranges=max(160, min(640, tissue.height)),
        beams=256 if tissue.height > 500 else 160,
    )
    z = top + half_height
    room = min((radius + z) * sin(radians(half_span)) - half_width, (columns / 2 - 4) * mm_per_pixel - half_width) - 2
    if room <= 0:
        return None
    pose = Pose(x_mm=float(rng.uniform(-room, room)) * 0.7, z_mm=z, tilt_deg=tilt)
    return (probe, Screen(area=tissue, canvas=canvas, look=look), pose) if _in_view(pose, axes, probe, canvas) else None


def _in_view(pose: Pose, axes: tuple[float, float], probe: Probe, canvas: Canvas, margin_mm: float = 2.0) -> bool:
    turn = np.linspace(0, 2 * pi, 72)
    tilt = radians(pose.tilt_deg)
    along, across = (axes[0] + margin_mm) * np.cos(turn), (axes[1] + margin_mm) * np.sin(turn)
    x = pose.x_mm + along * cos(tilt) - across * sin(tilt)
    z = pose.z_mm + along * sin(tilt) + across * cos(tilt)
    angle = np.degrees(np.abs(np.arctan2(x, z + probe.radius_mm)))
    reach = np.hypot(x, z + probe.radius_mm) - probe.radius_mm
    column = canvas.origin_x + x / canvas.mm_per_pixel
    row = canvas.origin_y + z / canvas.mm_per_pixel
    return bool(
        (angle < probe.half_span).all()
        and (reach > 0).all()
        and (reach < probe.depth_mm).all()
        and (column > 0).all()
        and (column < canvas.columns - 1).all()
        and (row > 0).all()
        and (row < canvas.rows - 1).all()
    )


def _mother(rng: np.random.Generator, probe: Probe) -> Grid:
    """Echo strength of skin, fat, muscle and womb, without the head."""
    shape = (probe.ranges, probe.beams)
    depth = np.linspace(0, probe.depth_mm, probe.ranges, dtype=np.float32)[:, None]
    echo = np.full(shape, float(rng.uniform(-50, -38)), np.float32)
    bands = clouds(rng, shape, (14, 5)) + clouds(rng, shape, (30, 8))  # layers run across the beams
    echo += 2.5 * clouds(rng, shape, (5, 6)) + 2.5 * bands + 1.5 * clouds(rng, shape, (60, 50))
    wall = float(rng.uniform(12, 30))
    bend = float(rng.uniform(2, 6)) * ripple(rng, probe.beams, 6)[None, :]
    layers = clouds(rng, (probe.ranges, 1), (max(8, int(probe.depth_mm / 1.6)), 1))
    near = depth + bend < wall
    echo = np.where(near, echo + 6 * cv2.resize(layers, (probe.beams, probe.ranges)), echo)
    for line in (0.8, wall, wall + float(rng.uniform(3, 9))):
        echo += 12 * np.exp(-(((depth + bend * min(1.0, line / wall) - line) / 0.7) ** 2))
    for _ in range(int(rng.integers(0, 3))):  # vessels and pockets away from the head
        middle, beam = float(rng.uniform(wall, probe.depth_mm)), float(rng.uniform(0, probe.beams))
        size = float(rng.uniform(2, 7))
        across = (np.arange(probe.beams, dtype=np.float32)[None, :] - beam) / (size * probe.beams / 110)
        echo -= 22 * _blob(np.hypot((depth - middle) / size, across), 4)
    return echo.astype(np.float32)


def head_tissue(model: HeadModel, pose: Pose) -> Tissue:
    """What the beams meet when the head lies at `pose`."""
    x, z, beam_x, beam_z = model.probe.sample_grid()
    tilt = radians(pose.tilt_deg)
    dx, dz = x - np.float32(pose.x_mm), z - np.float32(pose.z_mm)
    along = dx * np.float32(cos(tilt)) + dz * np.float32(sin(tilt))
    across = dz * np.float32(cos(tilt)) - dx * np.float32(sin(tilt))
    a, b = np.float32(model.semi_long_mm), np.float32(model.semi_short_mm)
    reach = np.hypot(along / a, across / b) + np.float32(1e-6)
    slope_u, slope_v = along / (a * a * reach), across / (b * b * reach)
    slope = np.hypot(slope_u, slope_v) + np.float32(1e-6)
    outside_mm = (reach - 1) / slope  # signed distance to the outer edge, exact where it is near 0
    beam_u = beam_x * np.float32(cos(tilt)) + beam_z * np.float32(sin(tilt))
    beam_v = beam_z * np.float32(cos(tilt)) - beam_x * np.float32(sin(tilt))
    facing = np.abs(slope_u * beam_u + slope_v * beam_v) / slope
    angle = (np.arctan2(across / b, along / a) + np.float32(pi)) * np.float32(256 / (2 * pi))
    turn = angle.astype(np.int32) % 256
    wave = model.gaps[turn]

    skull = _soft_box(outside_mm, -model.skull_mm, 0.0, 0.12)
    echo = _surround(model, outside_mm, model.shore[turn])
    brain, lines = _brain(model, along, across, beam_u, beam_v)
    within = _soft_box(outside_mm, -np.inf, -model.skull_mm, 0.25)
    echo = echo * (1 - within) + brain * within
    wall_db = -33 + 14 * facing + 4 * wave
    echo = echo * (1 - skull) + wall_db * skull
    squarely = facing**5 * np.clip(1 + 0.7 * wave, 0.15, 1.7) + 0.015
    mirror = skull * squarely * np.float32(model.skull_gain * 0.75) + lines * within
    bone = np.float32(model.ossified) * (np.float32(1.1) + 5 * (1 - facing) ** 3)
    loss = skull * bone * np.float32(model.probe.range_step_mm)
    return Tissue(echo_db=echo, mirror=mirror.astype(np.float32), loss_db=loss.astype(np.float32))


def _surround(model: HeadModel, outside_mm: Grid, wave: Grid) -> Grid:
    if model.fluid_mm <= 0:
        return model.mother_db
    edge = np.float32(model.fluid_mm) * (1 + wave)
    fluid = _soft_box(outside_mm - edge, -np.inf, 0.0, 0.5)
    mixed: Grid = model.mother_db * (1 - fluid) + np.float32(-66) * fluid
    return mixed


def _brain(model: HeadModel, along: Grid, across: Grid, beam_u: Grid, beam_v: Grid) -> tuple[Grid, Grid]:
    """Echo strength inside the skull, and the amplitude of its smooth interfaces."""
    a, b = np.float32(model.semi_long_mm), np.float32(model.semi_short_mm)
    folds = sample_texture(model.folds, along / _TEXTURE_MM, across / _TEXTURE_MM)
    echo = np.float32(model.brain_db) + np.float32(4.5) * folds
    thalamus = np.hypot((along + 0.05 * a) / (0.22 * a), (np.abs(across) - 0.2 * b) / (0.17 * b))
    echo -= 5 * _blob(thalamus, 6)
    plexus = np.hypot((along + 0.35 * a) / (0.2 * a), (across - 0.38 * b) / (0.13 * b))
    echo += 13 * _blob(plexus, 6)
    half = np.float32(0.45)
    squarely = np.abs(beam_v) * 0.8 + 0.2
    middle = np.exp(-((across / half) ** 2)) * (np.abs(along) < 0.78 * a)
    broken = np.clip(0.6 + 0.8 * sample_texture(model.folds, along / 0.12 + 71, along * 0 + 33), 0.05, 1.4)
    box = np.exp(-(((np.abs(across) - 0.07 * b) / half) ** 2)) * (np.abs(along - 0.42 * a) < 0.12 * a)
    insula = np.abs(np.abs(across) - 0.62 * b + 0.35 * b * (along / (0.8 * a)) ** 2)
    fissure = np.exp(-((insula / half) ** 2)) * (np.abs(along + 0.05 * a) < 0.3 * a) * 0.45
    lines = np.float32(10 ** ((model.brain_db + 21) / 20)) * squarely * (middle * broken + box + fissure * broken)
    return echo.astype(np.float32), lines.astype(np.float32)


def _blob(reach: Grid, steepness: float) -> Grid:
    """1 inside reach 1, 0 outside, with a soft edge."""
    return _soft_box(reach, -np.inf, 1.0, 1 / steepness)


def _soft_box(value: Grid, low: float, high: float, softness: float) -> Grid:
    rise = 1 / (1 + np.exp(np.clip((np.float32(low) - value) / np.float32(softness), -30, 30)))
    fall = 1 / (1 + np.exp(np.clip((value - np.float32(high)) / np.float32(softness), -30, 30)))
    boxed: Grid = rise * fall
    return boxed


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


def _picture(model: HeadModel, pose: Pose, looks: list[NDArray[np.float32]], rng: np.random.Generator) -> Scene:
    samples = image_samples(head_tissue(model, pose), model.imaging, looks, rng)
    tissue = scan_convert(samples, model.probe.screen_map(model.screen.canvas))
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
    return _picture(model, model.pose, looks, rng)


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
    child = [scatterers(rng, (_TEXTURE_SIZE, _TEXTURE_SIZE)) for _ in range(looks)]
    phase, period = float(rng.uniform(0, 2 * pi)), float(rng.uniform(25, 60))
    drift, nod = rng.uniform(-0.06, 0.06, 2), float(rng.uniform(-4, 4))
    pose, axes = model.pose, (model.semi_long_mm, model.semi_short_mm)
    x, z, _, _ = model.probe.sample_grid()
    for number in range(frames):
        swing = sin(phase + 2 * pi * number / period) - sin(phase)
        moved = Pose(
            x_mm=model.pose.x_mm + float(drift[0]) * number + 0.8 * swing,
            z_mm=model.pose.z_mm + float(drift[1]) * number + 1.2 * swing,
            tilt_deg=model.pose.tilt_deg + nod * swing / 2,
        )
        # A head about to leave the view halts: every frame's truth stays whole.
        pose = moved if _in_view(moved, axes, model.probe, model.screen.canvas, 0.5) else pose
        fields = [_fields(pose, pair, axes, (x, z)) for pair in zip(mother, child, strict=True)]
        yield _picture(model, pose, fields, rng)
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
    column = (along / _TEXTURE_MM).astype(np.int32) % _TEXTURE_SIZE
    row = (across / _TEXTURE_MM).astype(np.int32) % _TEXTURE_SIZE
    own = child[:, row, column]
    mixed: NDArray[np.float32] = np.where(inside[None], own, mother)
    return mixed
