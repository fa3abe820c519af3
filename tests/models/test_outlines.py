"""Several structures of one view: each outlined, measured and numbered on its own."""

from __future__ import annotations

import numpy as np
import pytest

from models.findings import Category, Mask, NoFinding, Quantity
from models.packages.settings import OutlineSettings
from models.readers import reader_of
from tests.models.lessons import EDGE, nothing_to_conclude, told
from trainer.tasks import SPECS

SIZE = EDGE
LEFT, RIGHT, CRUMB = (20, 30, 24), (66, 40, 16), (50, 80, 4)  # centre x, centre y, edge


def answers(*squares: tuple[int, int, int], sure: float = 0.95) -> dict[str, np.ndarray]:
    likely = np.full((SIZE, SIZE), 0.02, np.float32)
    for x, y, edge in squares:
        likely[y - edge // 2 : y + edge // 2, x - edge // 2 : x + edge // 2] = sure
    return {"mask": likely, "kind": np.float32(0.4), "scope": np.float32(0.99)}


def mirrored(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return raw | {"mask": np.ascontiguousarray(raw["mask"][:, ::-1])}


def findings(*frames: dict[str, np.ndarray], again: dict[str, np.ndarray] | None = None, most: int = 3):
    settings = SPECS["thyroid-nodule"].settings.model_copy(update={"most": most})
    reader = reader_of(settings, nothing_to_conclude)
    for number, raw in enumerate(frames, 1):
        reader.see(told(raw, number))
    looks = frames[0] if again is None else again
    return reader.findings([looks, mirrored(looks)] if reader.again() else [])


def masks(found) -> dict[tuple[str, int], np.ndarray]:
    return {(f.group, f.frame): f.to_array() for f in found if isinstance(f, Mask)}


def test_still__two_nodules__each_has_its_outline_and_its_diameters():
    found = findings(answers(LEFT, RIGHT))
    outlined = masks(found)
    assert set(outlined) == {("thyroid nodule 1", 1), ("thyroid nodule 2", 1)}
    assert outlined["thyroid nodule 1", 1].sum() == pytest.approx(24 * 24, rel=0.02)
    assert outlined["thyroid nodule 2", 1].sum() == pytest.approx(16 * 16, rel=0.02)
    longest = {f.group: f.value for f in found if isinstance(f, Quantity) and f.name == "longest diameter"}
    assert longest["thyroid nodule 1"] == pytest.approx(24 * 2**0.5, rel=0.05)
    assert longest["thyroid nodule 2"] == pytest.approx(16 * 2**0.5, rel=0.07)
    assert [f.group for f in found if isinstance(f, Category)] == ["thyroid nodule 1"]


def test_still__crumb_beside_a_nodule__is_none_of_its_own():
    assert set(masks(findings(answers(LEFT, CRUMB)))) == {("thyroid nodule 1", 1)}


def test_still__task_with_one_structure__the_largest_alone():
    assert set(masks(findings(answers(LEFT, RIGHT), most=1))) == {("thyroid nodule 1", 1)}


def test_still__more_than_are_told__the_largest_ones():
    found = masks(findings(answers(LEFT, RIGHT, (30, 76, 20)), most=2))
    assert sorted(mask.sum() for mask in found.values()) == pytest.approx([20 * 20, 24 * 24], rel=0.02)


def test_cine__the_other_one_is_larger_in_a_later_frame__each_keeps_its_number():
    found = masks(findings(answers(LEFT, RIGHT), answers((22, 30, 14), (66, 40, 20)), answers((66, 40, 18))))
    assert set(found) == {(f"thyroid nodule {n}", f) for n, f in ((1, 1), (2, 1), (1, 2), (2, 2), (2, 3))}
    assert found["thyroid nodule 1", 2][:, : SIZE // 2].any()
    assert not found["thyroid nodule 1", 2][:, SIZE // 2 :].any()


def test_second_look__one_nodule_less__is_outlined_no_more_and_the_other_keeps_its_number():
    found = findings(answers(LEFT, RIGHT), again=answers(RIGHT))
    assert set(masks(found)) == {("thyroid nodule 2", 1)}
    assert {f.group for f in found if isinstance(f, Quantity)} == {"thyroid nodule 2"}


def test_still__unsure_second_nodule__is_left_out():
    raw = answers(LEFT)
    raw["mask"][32:48, 58:74] = 0.6
    settings = SPECS["thyroid-nodule"].settings
    assert isinstance(settings, OutlineSettings)
    strict = settings.model_copy(update={"gates": settings.gates.model_copy(update={"confidence": 0.8})})
    reader = reader_of(strict, nothing_to_conclude)
    reader.see(told(raw))
    found = reader.findings([raw, mirrored(raw)])
    assert set(masks(found)) == {("thyroid nodule 1", 1)}
    assert not any(isinstance(f, NoFinding) for f in found)


def test_masks__asked_for_probabilities__each_has_those_of_its_own_part():
    raw = answers(LEFT, RIGHT)
    reader = reader_of(
        SPECS["thyroid-nodule"].settings.model_copy(update={"most": 3}), nothing_to_conclude, likely=True
    )
    reader.see(told(raw))
    reader.again()
    found = [f for f in reader.findings([raw, mirrored(raw)]) if isinstance(f, Mask)]
    assert len(found) == 2
    for mask in found:
        assert np.array_equal(mask.probabilities() > 127, mask.to_array())
        assert mask.probabilities().max() == round(255 * 0.95)
