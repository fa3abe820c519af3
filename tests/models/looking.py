"""Phantom scenes as the engine takes them."""

from __future__ import annotations

import numpy as np

from integration.phantom import Scene
from models.engine import Engine, FrameInput
from models.findings import Finding, Quantity


def given(scene: Scene, frame: int = 1) -> FrameInput:
    """The tissue region of a scene."""
    region = scene.regions[0]
    return FrameInput(
        pixels=scene.pixels,
        frame=frame,
        view=(region.left, region.top, region.right, region.bottom),
        pixel_aspect=scene.mm_per_pixel[0] / scene.mm_per_pixel[1],
    )


def picture(pixels: np.ndarray, frame: int = 1) -> FrameInput:
    """A whole picture."""
    return FrameInput(pixels=pixels, frame=frame, view=(0, 0, pixels.shape[1] - 1, pixels.shape[0] - 1))


def said(engine: Engine, task: str, *frames: FrameInput) -> tuple[Finding, ...]:
    """The findings of some frames."""
    return engine.run(task, frames).findings


def millimetres(quantity: Quantity, scene: Scene) -> float:
    """Length of a quantity's points; closed for a perimeter."""
    points = np.array(quantity.points) * np.array([scene.mm_per_pixel[1], scene.mm_per_pixel[0]])
    if quantity.measure == "perimeter":
        points = np.vstack([points, points[:1]])
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def named(findings: tuple[Finding, ...], name: str) -> Quantity:
    """The one quantity of this name."""
    (found,) = [f for f in findings if isinstance(f, Quantity) and f.name == name]
    return found
