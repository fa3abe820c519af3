"""Settings of picture kinds as cards have them, and pictures with what is to be said of them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from models.findings import Category, Finding, NoFinding
from models.packages.settings import Settings
from tests.models.lessons import pictures

SMALL = 64  # px, edge of the squares that a test learns


def code(meaning: str) -> dict[str, object]:
    """A code that differs where the meaning does."""
    return {"value": meaning[:16], "scheme": "99TEST", "meaning": meaning}


def settings_of(kind: str, **keys: object) -> Settings:
    """Settings as the card's schema reads them."""
    return TypeAdapter(Settings).validate_python({"kind": kind, **keys})


def small_pictures() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Fetal heads (even numbers) and breast masses (odd): squares and masks, (10, SMALL, SMALL)."""
    squares, masks = pictures()
    shrunk = [cv2.resize(square, (SMALL, SMALL), interpolation=cv2.INTER_AREA) for square in squares]
    marked = [cv2.resize(m.astype(np.float32), (SMALL, SMALL), interpolation=cv2.INTER_AREA) > 0.5 for m in masks]
    return np.stack(shrunk), np.stack(marked)


def looks() -> Tensor:
    """0 where `small_pictures` shows a head, 1 a benign mass, 2 a malignant one."""
    return torch.tensor([0 if i % 2 == 0 else 2 if i % 4 == 3 else 1 for i in range(10)])


def the_category(findings: tuple[Finding, ...]) -> Category:
    """The only finding, an answer."""
    (finding,) = findings
    assert isinstance(finding, Category), finding
    return finding


def the_silence(findings: tuple[Finding, ...]) -> NoFinding:
    """The only finding, that there is none."""
    (finding,) = findings
    assert isinstance(finding, NoFinding), finding
    return finding
