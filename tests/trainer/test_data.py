"""What pictures are made of before a network sees them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.data import real_data
from trainer.bootstrap import auc, interval
from trainer.data.augment import vary
from trainer.data.cohort import CACHE_SIZE, rows
from trainer.data.graphics import draw_graphics, paint_over
from trainer.data.synthetic import nonsense, phantoms, without_head
from trainer.errors import MissingData


def tissue() -> np.ndarray:
    rng = np.random.default_rng(1)
    speckle = cv2.GaussianBlur(rng.rayleigh(40, (300, 300)).astype(np.float32), (0, 0), 1.5)
    return speckle.clip(0, 255).astype(np.uint8)


def test_paint_over__caliper_and_text__gone_and_tissue_untouched():
    plain = tissue()
    marked = plain.copy()
    cv2.drawMarker(marked, (100, 120), 255, cv2.MARKER_CROSS, 9, 1)
    cv2.putText(marked, "12.5mm", (150, 200), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 240, 1)
    painted = paint_over(marked)
    strokes = marked.astype(int) - plain > 60
    assert strokes.sum() > 50
    assert (painted[strokes].astype(int) - plain[strokes]).mean() < 20
    far = cv2.dilate(strokes.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    assert np.array_equal(painted[far], plain[far])


def test_paint_over__no_graphics__same_picture():
    plain = tissue()
    assert paint_over(plain) is plain


def test_paint_over__twice_the_same_picture__same_bytes():
    marked = draw_graphics(tissue(), np.random.default_rng(4))
    assert np.array_equal(paint_over(marked), paint_over(marked.copy()))


def test_draw_graphics__leaves_the_original_alone():
    plain = tissue()
    kept = plain.copy()
    assert not np.array_equal(draw_graphics(plain, np.random.default_rng(0)), plain)
    assert np.array_equal(plain, kept)


def test_vary__same_generator_state__same_view_of_the_asked_size():
    square = cv2.resize(tissue(), (CACHE_SIZE, CACHE_SIZE))
    first, second = (vary(square, 96, np.random.default_rng(2)) for _ in range(2))
    assert first.shape == (96, 96)
    assert 0 <= first.min() <= first.max() <= 255
    assert np.array_equal(first, second)


def test_without_head__the_skull_is_gone():
    head = next(sample for sample in phantoms(2) if sample.task == "fetal-head")
    emptied = without_head(head, np.full((CACHE_SIZE, CACHE_SIZE), 60, np.uint8), np.random.default_rng(0))
    rim = cv2.morphologyEx((head.mask > 127).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    assert emptied.task is None
    assert emptied.mask is None
    assert emptied.image[rim].std() < 0.5 * head.image[rim].std()


def test_nonsense__same_generator_state__same_picture():
    first, second = (nonsense(np.random.default_rng(7)).image for _ in range(2))
    assert np.array_equal(first, second)


def test_auc__known_order__share_of_right_pairs():
    pairs = np.array([[0.1, 0], [0.4, 0], [0.35, 1], [0.8, 1]], dtype=float)
    assert auc(pairs) == pytest.approx(0.75)
    assert np.isnan(auc(pairs[:2]))


def test_interval__pictures_of_one_patient__drawn_together():
    values, patients = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50
    found = interval(values, patients, lambda v: float(v.mean()))
    assert (found.low, found.high) == (0.0, 1.0)
    alone = interval(values, [str(i) for i in range(100)], lambda v: float(v.mean()))
    assert alone.high - alone.low < 0.25
    assert interval(values, patients, lambda v: float(v.mean())) == found


def test_rows__no_index__says_what_is_missing(tmp_path):
    with pytest.raises(MissingData, match=r"index\.csv"):
        rows(tmp_path, "train")


@pytest.mark.data
def test_cohorts__splits__share_no_patient():
    for name in ("hc18", "bus_bra"):
        folder = real_data(name)
        patients = {split: {row["patient_id"] for row in rows(folder, split)} for split in ("train", "val", "test")}
        assert not patients["train"] & patients["test"]
        assert not patients["train"] & patients["val"]
        assert not patients["val"] & patients["test"]
