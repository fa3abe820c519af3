"""A breast with one mass, as a linear array shows it.

Benign-looking masses are oval, smooth, wider than tall, with brighter tissue behind them; malignant-looking ones are
irregular or spiculated, taller than wide, with a bright halo and a shadow behind. The words are those of the
BI-RADS ultrasound lexicon; the pictures prove nothing about tissue.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, pi, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from integration.phantom.probe import Canvas, Grid, Probe, scan_convert
from integration.phantom.scene import MassTruth, Scene, diameters
from integration.phantom.screen import Look, Screen, layout
from integration.phantom.speckle import Imaging, Tissue, image_samples, scatterers
from integration.phantom.texture import clouds, ripple

_STREAM = 0xB4EA
_TURNS = 720


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mass:
    """Outline in polar form round a centre, and how the mass echoes."""

    x_mm: float
    z_mm: float
    wide_mm: float  # semi-axis along the tilted horizontal
    tall_mm: float
    tilt_deg: float
    edge: NDArray[np.float32]  # factor on the radius by angle, `_TURNS` values
    echo_db: float
    behind_db_per_mm: float  # gain (negative loss) or shadow along the path through the mass
    rim_db: float
    blur_mm: float  # how soft the margin is

    def reach(self, x: Grid, z: Grid) -> Grid:
        """1 on the outline, less inside, for positions in mm."""
        tilt = radians(self.tilt_deg)
        dx, dz = x - np.float32(self.x_mm), z - np.float32(self.z_mm)
        along = (dx * np.float32(cos(tilt)) + dz * np.float32(sin(tilt))) / np.float32(self.wide_mm)
        across = (dz * np.float32(cos(tilt)) - dx * np.float32(sin(tilt))) / np.float32(self.tall_mm)
        turn = (np.arctan2(across, along) + np.float32(pi)) * np.float32(_TURNS / (2 * pi))
        reached = np.hypot(along, across) / self.edge[turn.astype(np.int32) % _TURNS]
        return reached.astype(np.float32, copy=False)


def _draw_mass(rng: np.random.Generator, malignant: bool, longest_mm: float, room: tuple[float, float]) -> Mass:
    """`room` is half the width and the depth of the view, mm."""
    if malignant:
        wide = longest_mm / 2 * float(rng.uniform(0.6, 0.9))
        tall = longest_mm / 2
        knots = int(rng.integers(7, 13))
        edge = 1 + float(rng.uniform(0.18, 0.32)) * ripple(rng, _TURNS, knots)
        if rng.random() < 0.7:
            edge = edge + _spikes(rng)
    else:
        wide = longest_mm / 2
        tall = wide * float(rng.uniform(0.45, 0.75))
        edge = 1 + float(rng.uniform(0.0, 0.05)) * ripple(rng, _TURNS, int(rng.integers(2, 4)))
    largest = max(wide, tall) * float(edge.max())
    half_width, depth = room
    return Mass(
        x_mm=float(rng.uniform(-1, 1)) * max(0.0, half_width - largest - 2),
        z_mm=float(rng.uniform(largest + 4, max(largest + 4.1, min(depth - largest - 2, 0.65 * depth)))),
        wide_mm=wide,
        tall_mm=tall,
        tilt_deg=float(rng.normal(0, 10)),
        edge=edge.astype(np.float32),
        echo_db=float(rng.uniform(-60, -49)),
        behind_db_per_mm=float(rng.uniform(0.2, 0.7)) if malignant else -float(rng.uniform(0.1, 0.45)),
        rim_db=float(rng.uniform(3, 9)) if malignant else float(rng.uniform(-2, 4)),
        blur_mm=float(rng.uniform(0.3, 0.8)) if malignant else float(rng.uniform(0.12, 0.3)),
    )


def _spikes(rng: np.random.Generator) -> NDArray[np.float32]:
    """Spicules: narrow rays at random angles, as a part of the radius."""
    turn = np.arange(_TURNS, dtype=np.float32)
    rays = np.zeros(_TURNS, np.float32)
    for _ in range(int(rng.integers(6, 15))):
        apart = np.abs(turn - np.float32(rng.uniform(0, _TURNS)))
        apart = np.minimum(apart, _TURNS - apart)
        rays += np.float32(rng.uniform(0.12, 0.4)) * np.exp(-((apart / np.float32(rng.uniform(6, 12))) ** 2))
    return rays


def _breast(rng: np.random.Generator, probe: Probe, x: Grid, z: Grid) -> tuple[Grid, Grid]:
    """Echo strength of the layers and the amplitude of their boundaries."""
    shape = x.shape
    depth = probe.depth_mm
    lean = np.float32(rng.uniform(-0.06, 0.06)) * x
    fat_to = depth * float(rng.uniform(0.15, 0.32)) + 2.2 * ripple(rng, probe.beams, 5)[None, :] + lean
    muscle_from = depth * float(rng.uniform(0.68, 0.92)) + 1.5 * ripple(rng, probe.beams, 3)[None, :] + lean
    fine = clouds(rng, shape, (70, 26))
    gland = float(rng.uniform(-42, -34)) + 3.0 * clouds(rng, shape, (9, 8)) + 3.5 * clouds(rng, shape, (44, 9)) + fine
    fat = float(rng.uniform(-52, -46)) + 1.5 * clouds(rng, shape, (12, 8)) + fine
    muscle = float(rng.uniform(-52, -44)) + 4 * clouds(rng, shape, (60, 4))
    lobes = clouds(rng, shape, (9, 5)) + 0.3 * clouds(rng, shape, (22, 9))
    fatty = 1 / (1 + np.exp(np.clip(-(lobes - float(rng.uniform(0.2, 1.4))) * 5, -30, 30)))
    body = gland * (1 - fatty) + fat * fatty
    below = 1 / (1 + np.exp(np.clip((fat_to - z) / np.float32(0.4), -30, 30)))
    deep = 1 / (1 + np.exp(np.clip((muscle_from - z) / np.float32(0.3), -30, 30)))
    echo = (fat * (1 - below) + body * below) * (1 - deep) + muscle * deep
    septa = np.exp(-(((np.abs(lobes - 0.6)) / 0.09) ** 2)) * (1 - deep)
    broken = np.clip(0.5 + 0.6 * clouds(rng, shape, (24, 12)), 0, 1.5)
    lines = (np.exp(-(((z - muscle_from) / 0.25) ** 2)) * 0.05 + 0.018 * septa) * broken
    lines += 0.015 * broken * np.exp(-(((z - fat_to) / 0.35) ** 2))
    skin = np.exp(-((z / 0.35) ** 2)) + np.exp(-(((z - 1.9) / 0.3) ** 2))
    return echo.astype(np.float32), (lines + 0.09 * skin).astype(np.float32)


def breast_mass(
    seed: int,
    malignant: bool,
    rows: int = 512,
    columns: int = 512,
    *,
    look: Look | None = None,
    longest_mm: float | None = None,
) -> Scene:
    """One picture of a breast with one mass.

    Parameters
    ----------
    seed
        Same seed and size, same picture.
    malignant
        Which of the two looks the mass has.
    rows, columns
        Size of the picture in pixels, at least 128 x 128.
    look
        Text, colour, second region; None: burned-in text, gray, no second region.
    longest_mm
        About how long the mass is (the truth says it exactly); None: drawn between 7 and 26 mm.

    Raises
    ------
    ValueError
        The picture is too small.
    """
    rng = np.random.default_rng([_STREAM, int(malignant), seed])
    look = look or Look()
    area = layout(rows, columns, look)
    wanted = longest_mm if longest_mm is not None else float(rng.uniform(7, 26))
    depth = max(float(rng.uniform(28, 48)), wanted * 1.6 + 8)
    step = depth / (area.height * 0.97)
    half_span = min(float(rng.uniform(19, 25)), (columns - 1) / 2 * step)
    half_span = max(half_span, min(wanted * 0.75 + 4, (columns - 1) / 2 * step))
    canvas = Canvas(
        rows=area.height,
        columns=columns,
        mm_per_pixel=step,
        origin_x=(columns - 1) / 2,
        origin_y=area.height * 0.015,
    )
    probe = Probe(
        radius_mm=0,
        half_span=half_span,
        depth_mm=depth,
        ranges=max(160, min(640, area.height)),
        beams=256 if area.height > 500 else 192,
    )
    imaging = Imaging(
        axial_sigma=float(rng.uniform(0.12, 0.25)) / probe.range_step_mm,
        lateral_sigma=float(rng.uniform(0.9, 1.8)) * probe.beams / 256,
        focus=float(rng.uniform(0.3, 0.6)),
        gain_db=float(rng.uniform(-6, 8)),
        dynamic_range_db=float(rng.uniform(52, 66)),
        noise_db=float(rng.uniform(-70, -58)),
        looks=int(rng.integers(1, 4)),
    )
    mass = _draw_mass(rng, malignant, wanted, (half_span, depth))
    tissue = _with_mass(rng, mass, probe)
    looks = [scatterers(rng, (probe.ranges, probe.beams)) for _ in range(imaging.looks)]
    shown = scan_convert(image_samples(tissue, imaging, looks, rng), probe.screen_map(canvas))
    pixels, regions = Screen(area=area, canvas=canvas, look=look).compose(shown, "Breast  L12", depth)
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[: canvas.rows] = _largest_piece(mass.reach(*canvas.grid_mm()) <= 1)
    return Scene(
        pixels=pixels, mask=mask, truth=_truth(mask, malignant, step), mm_per_pixel=(step, step), regions=regions
    )


def _with_mass(rng: np.random.Generator, mass: Mass, probe: Probe) -> Tissue:
    x, z, _, _ = probe.sample_grid()
    echo, lines = _breast(rng, probe, x, z)
    reach = mass.reach(x, z)
    apart = (reach - 1) * np.float32(min(mass.wide_mm, mass.tall_mm))  # about mm from the outline
    inside = 1 / (1 + np.exp(np.clip(apart / np.float32(mass.blur_mm / 2), -30, 30)))
    rim = np.exp(-(((apart - np.float32(mass.blur_mm + 0.5)) / np.float32(0.7)) ** 2))
    within = np.float32(mass.echo_db) + 2.5 * clouds(rng, x.shape, (24, 20))
    echo = (echo + np.float32(mass.rim_db) * rim) * (1 - inside) + within * inside
    # The capsule of a smooth mass shines where the beam meets it squarely: its top and its bottom.
    squarely = np.abs(z - np.float32(mass.z_mm)) / np.float32(mass.tall_mm)
    capsule = np.exp(-((apart / np.float32(0.25)) ** 2)) * np.clip(squarely, 0, 1) ** 4
    shine = 0.05 if mass.behind_db_per_mm < 0 else 0.0
    loss = inside * np.float32(mass.behind_db_per_mm * probe.range_step_mm)
    mirror = lines * (1 - inside) + np.float32(shine) * capsule
    return Tissue(echo_db=echo.astype(np.float32), mirror=mirror.astype(np.float32), loss_db=loss.astype(np.float32))


def _truth(mask: NDArray[np.bool_], malignant: bool, mm_per_pixel: float) -> MassTruth:
    longest, perpendicular = diameters(mask)
    return MassTruth(
        malignant=malignant,
        longest_mm=hypot(longest[1][0] - longest[0][0], longest[1][1] - longest[0][1]) * mm_per_pixel,
        perpendicular_mm=hypot(perpendicular[1][0] - perpendicular[0][0], perpendicular[1][1] - perpendicular[0][1])
        * mm_per_pixel,
        longest=longest,
        perpendicular=perpendicular,
    )


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    piece: NDArray[np.bool_] = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return piece
