"""What the beams meet in a fetal head, in the plane where its circumference is measured.

References
----------
The look was matched to the mean profile across the skull of 200 measured heads: the annotated edge lies 0.9 mm
outside the brightest line of the skull, whose echo is about 3 mm wide at half height; lateral walls are fainter by
two thirds, and dark streaks run down from them.
"""

from __future__ import annotations

from math import cos, pi, radians, sin

import numpy as np

from integration.phantom.head_model import TEXTURE_MM, HeadModel, Pose
from integration.phantom.probe import Grid
from integration.phantom.speckle import Tissue
from integration.phantom.texture import blob, sample_texture, soft_box


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

    skull = soft_box(outside_mm, -model.skull_mm, 0.0, 0.12)
    echo = _surround(model, outside_mm, model.shore[turn])
    brain, lines = _brain(model, along, across, beam_u, beam_v)
    within = soft_box(outside_mm, -np.inf, -model.skull_mm, 0.25)
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
    fluid = soft_box(outside_mm - edge, -np.inf, 0.0, 0.5)
    mixed: Grid = model.mother_db * (1 - fluid) + np.float32(-66) * fluid
    return mixed


def _brain(model: HeadModel, along: Grid, across: Grid, beam_u: Grid, beam_v: Grid) -> tuple[Grid, Grid]:
    """Echo strength inside the skull, and the amplitude of its smooth interfaces."""
    a, b = np.float32(model.semi_long_mm), np.float32(model.semi_short_mm)
    folds = sample_texture(model.folds, along / TEXTURE_MM, across / TEXTURE_MM)
    echo = np.float32(model.brain_db) + np.float32(4.5) * folds
    thalamus = np.hypot((along + 0.05 * a) / (0.22 * a), (np.abs(across) - 0.2 * b) / (0.17 * b))
    echo -= 5 * blob(thalamus, 6)
    plexus = np.hypot((along + 0.35 * a) / (0.2 * a), (across - 0.38 * b) / (0.13 * b))
    echo += 13 * blob(plexus, 6)
    half = np.float32(0.45)
    squarely = np.abs(beam_v) * 0.8 + 0.2
    middle = np.exp(-((across / half) ** 2)) * (np.abs(along) < 0.78 * a)
    broken = np.clip(0.6 + 0.8 * sample_texture(model.folds, along / 0.12 + 71, along * 0 + 33), 0.05, 1.4)
    box = np.exp(-(((np.abs(across) - 0.07 * b) / half) ** 2)) * (np.abs(along - 0.42 * a) < 0.12 * a)
    insula = np.abs(np.abs(across) - 0.62 * b + 0.35 * b * (along / (0.8 * a)) ** 2)
    fissure = np.exp(-((insula / half) ** 2)) * (np.abs(along + 0.05 * a) < 0.3 * a) * 0.45
    lines = np.float32(10 ** ((model.brain_db + 21) / 20)) * squarely * (middle * broken + box + fissure * broken)
    return echo.astype(np.float32), lines.astype(np.float32)
