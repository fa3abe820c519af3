"""What HC18's masks and its head circumferences have to do with each other."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest

from models.geometry import Ellipse, crossings, fit_ellipse
from models.packages.settings import OutlineSettings
from models.preprocess import letterbox
from tests.data import real_data
from trainer.tasks import SPECS
from trainer.tasks.truths import Outlined

SPEC = SPECS["fetal-head"]


def around(ellipse: Ellipse) -> float:
    a, b = ellipse.semi_long, ellipse.semi_short
    h = ((a - b) / (a + b)) ** 2
    return pi * (a + b) * (1 + 3 * h / (10 + sqrt(4 - 3 * h)))


def test_inset__training_masks_measured_so__give_the_head_circumferences_of_the_set():
    assert isinstance(SPEC.settings, OutlineSettings)
    off = []
    for example in SPEC.examples(real_data("hc18").parent, "train")[::5]:
        truth = example.truth
        assert isinstance(truth, Outlined)
        assert example.mm_per_pixel is not None
        outer = fit_ellipse(crossings(np.pad(truth.mask / np.float32(255), 4)))
        assert outer is not None
        scale = letterbox(example.picture, SPEC.size)[1].scale_x
        measured = outer.inset(SPEC.settings.inset / scale)
        off.append(around(measured) * example.mm_per_pixel - truth.lengths_mm["head circumference"])
    assert np.mean(off) == pytest.approx(0.0, abs=0.05)  # mm; without the inset 1.1
    assert np.abs(off).max() < 0.4
