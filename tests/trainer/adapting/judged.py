"""What was said of a made picture, for tests of what is made from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.findings import Box, Category, Finding, Mask
from models.frames import FrameInput, square_of
from models.packages.settings_pictures import ClassificationSettings
from models.readers.coordinates import to_frame
from tests.models.built import HEAD
from tests.trainer.adapting import toy
from trainer.adapting.case import Asked
from trainer.tasks.spec import Example
from trainer.tasks.truths import Truth


def asked(
    truth: Truth,
    findings: tuple[Finding, ...],
    patient: str = "set/a",
    picture: NDArray[np.uint8] | None = None,
    traits: dict[str, str] | None = None,
    **raw: NDArray[np.float64],
) -> Asked:
    """What was said of a picture, gray (80, 96) unless told."""
    shown = np.full((80, 96), 90, np.uint8) if picture is None else picture
    given = FrameInput(pixels=shown, frame=1, view=(0, 0, shown.shape[1] - 1, shown.shape[0] - 1))
    example = Example(name=f"{patient}1", picture=shown, truth=truth, patient=patient, traits=traits or {})
    likely = {name: value.astype(np.float32) for name, value in raw.items()}
    return Asked(example=example, findings=findings, raw=likely, place=square_of(given, toy.SIZE)[1])


def answer(number: int) -> Category:
    """One answer of the toy classification."""
    settings = toy.KINDS["classification"]
    assert isinstance(settings, ClassificationSettings)
    return Category(name="size", group="size", frame=1, value=settings.answers[number].code.to_code(), probability=0.9)


def box(left: float, sure: float) -> Box:
    """From `left` to 30, and 10 to 30 down."""
    return Box(name="blob", group="b", frame=1, left=left, top=10.0, right=30.0, bottom=30.0, confidence=sure)


def raw_boxes(*boxes: Box) -> dict[str, NDArray[np.float64]]:
    """What a head says before thresholds, for boxes of the first class on a picture gray (80, 96)."""
    given = FrameInput(pixels=np.zeros((80, 96), np.uint8), frame=1, view=(0, 0, 95, 79))
    place = square_of(given, toy.SIZE)[1]
    origin, step = to_frame(np.array([[0.0, 0], [1, 1]]), place)
    corners = np.array([[each.left, each.top, each.right, each.bottom] for each in boxes]).reshape(-1, 2)
    return {
        "boxes": ((corners - origin) / (step - origin)).reshape(-1, 4),
        "scores": np.array([each.confidence or 0.0 for each in boxes]),
        "classes": np.zeros(len(boxes)),
    }


def marked(mask: NDArray[np.bool_]) -> Mask:
    """A mask of the toy structure."""
    rows, columns = mask.shape
    return Mask(
        name="blob",
        group="blob 1",
        frame=1,
        category=HEAD.to_code(),
        rows=rows,
        columns=columns,
        deflated=Mask.deflate(mask),
    )
