"""Which head, probe and settings a phantom of a fetal head has: drawn at random so that the whole head is in view."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Canvas, Grid, Probe
from integration.phantom.scene import ellipse_perimeter
from integration.phantom.screen import Look, Screen, layout
from integration.phantom.speckle import Imaging
from integration.phantom.texture import blob, clouds, ripple

HC_RANGE_MM = (100.0, 350.0)
TEXTURE_SIZE = 512  # of the textures that move with the head, at TEXTURE_MM a sample
TEXTURE_MM = 0.25


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
        folds=clouds(rng, (TEXTURE_SIZE, TEXTURE_SIZE), (44, 48)),
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
    return (probe, Screen(area=tissue, canvas=canvas, look=look), pose) if in_view(pose, axes, probe, canvas) else None


def in_view(pose: Pose, axes: tuple[float, float], probe: Probe, canvas: Canvas, margin_mm: float = 2.0) -> bool:
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
        echo -= 22 * blob(np.hypot((depth - middle) / size, across), 4)
    return echo.astype(np.float32)
