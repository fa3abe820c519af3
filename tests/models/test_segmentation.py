"""Masks of several structures: learned, read, cut, withheld."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Mask, Measure, NoFinding, Quantity
from models.geometry.extents import extent
from models.readers import reader_of
from tests.models.asking import SMALL, settings_of, small_pictures
from tests.models.lessons import (
    EDGE,
    Pupil,
    nothing_to_conclude,
    read_all,
    same_alone_or_together,
    structure,
    told,
)
from trainer.losses_pictures import ClassMap, Masks, segmentation_loss


def card(*structures: dict[str, object], exclusive: bool = True, **keys: object):
    return settings_of("segmentation", name="wall", exclusive=exclusive, structures=list(structures), **keys)


def asked(name: str, **keys: object) -> dict[str, object]:
    return {"structure": structure(name), **keys}


def square(left: int, top: int, right: int, bottom: int, likely: float = 0.9) -> np.ndarray:
    """A map (EDGE, EDGE) of one rectangle, edges inclusive."""
    out = np.zeros((EDGE, EDGE), np.float32)
    out[top : bottom + 1, left : right + 1] = likely
    return out


def seen(*maps: np.ndarray, scope: float | None = None, **place: object):
    raw = {"mask": np.stack(maps)}
    if scope is not None:
        raw["scope"] = np.float32(scope)
    return told(raw, **place)


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


HEAD_AND_MASS = (asked("fetal head", area=True), asked("breast mass", area=True))


@pytest.fixture(scope="module")
def exclusive() -> Pupil:
    squares, masks = small_pictures()
    classes = torch.zeros(10, SMALL, SMALL, dtype=torch.long)
    for i, mask in enumerate(masks):
        classes[i][torch.from_numpy(mask)] = 1 + i % 2
    pupil = Pupil(card(*HEAD_AND_MASS))
    pupil.learn(squares, lambda answers: segmentation_loss(answers, ClassMap(classes=classes)), steps=30, rate=5e-3)
    return pupil


def test_exclusive__ten_phantoms_learned__each_shows_its_own_structure_where_it_lies(exclusive):
    squares, masks = small_pictures()
    for i, truth in enumerate(masks):
        findings = exclusive.read(squares[i : i + 1])
        (mask,) = [f for f in findings if isinstance(f, Mask)]
        assert mask.name == ("fetal head" if i % 2 == 0 else "breast mass")
        assert dice(mask.to_array(), truth) > 0.85
        (area,) = [f for f in findings if isinstance(f, Quantity)]
        assert area.value == pytest.approx(truth.sum(), rel=0.25)


def test_exclusive__picture_alone_or_among_others__same_mask(exclusive):
    same_alone_or_together(exclusive, small_pictures()[0])


def test_exclusive__spoken__probabilities_that_leave_a_share_for_none(exclusive):
    for raw in exclusive.raws(small_pictures()[0]):
        assert raw["mask"].shape == (2, SMALL, SMALL)
        assert raw["mask"].min() >= 0
        assert raw["mask"].sum(0).max() <= 1.0001


def test_overlapping__structure_inside_another_learned_from_partial_labels__both_said():
    squares, masks = small_pictures()
    squares, masks = squares[::2], masks[::2]
    truth = np.stack([masks, masks & (np.arange(SMALL) < SMALL // 2)], axis=1).astype(np.float32)
    truth[0, 1] = np.nan  # the half head of the first picture was not drawn
    pupil = Pupil(card(asked("head"), asked("left half"), exclusive=False))
    target = Masks(masks=torch.from_numpy(truth))
    pupil.learn(squares, lambda answers: segmentation_loss(answers, target), steps=30, rate=5e-3)
    whole, half = pupil.read(squares[1:2])
    assert (whole.name, half.name) == ("head", "left half")
    assert dice(whole.to_array(), masks[1]) > 0.85
    assert dice(half.to_array(), truth[1, 1] > 0) > 0.8
    assert (whole.to_array() & half.to_array()).sum() > 0.8 * half.to_array().sum()


def test_three_structures_meet__none_reaches_half__each_pixel_goes_to_the_likeliest():
    first, second = square(10, 10, 49, 29, 0.45), square(10, 10, 49, 29, 0.35)
    second[:, 30:] = square(10, 10, 49, 29, 0.48)[:, 30:]
    masks = read_all(card(asked("a"), asked("b"), exclusive=True), [seen(first, second)])
    gated = [f for f in masks if isinstance(f, NoFinding)]
    assert [f.name for f in gated] == ["a", "b"]  # mean probability below the gate's default
    open_gate = {"gates": {"confidence": 0.3}}
    a, b = read_all(card(asked("a", **open_gate), asked("b", **open_gate)), [seen(first, second)])
    assert np.flatnonzero(a.to_array()[20]).tolist() == list(range(10, 30))
    assert np.flatnonzero(b.to_array()[20]).tolist() == list(range(30, 50))


@pytest.mark.parametrize(("parts", "expected"), [("largest", 400), ("all", 500)])
def test_parts__three_pieces__largest_or_all_but_the_specks(parts, expected):
    likely = square(10, 10, 29, 29) + square(50, 50, 59, 59) + square(80, 80, 81, 81)
    (mask,) = read_all(card(asked("a", parts=parts, least_part=0.001), exclusive=False), [seen(likely)])
    assert mask.to_array().sum() == expected


def test_place__view_of_a_larger_frame__mask_and_area_lie_in_the_frame():
    frame = seen(square(24, 36, 71, 59), size=(300, 400), view=(100, 50, 100 + 191, 50 + 191))
    mask, area = read_all(card(asked("a", area=True)), [frame])
    rows, columns = np.nonzero(mask.to_array())
    assert (mask.rows, mask.columns) == (300, 400)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (148, 243, 122, 169)
    assert area.unit == "px2"
    assert area.measure is Measure.AREA
    assert area.value == pytest.approx(96 * 48, rel=0.03)
    assert area.value == pytest.approx(extent(np.array(area.points), Measure.AREA))


def test_place__structure_runs_out_of_the_view__its_mask_ends_with_the_view():
    frame = seen(square(0, 0, 47, 95, 0.6), size=(300, 400), view=(100, 50, 100 + 191, 50 + 191))
    (mask,) = read_all(card(asked("a"), exclusive=False), [frame])
    rows, columns = np.nonzero(mask.to_array())
    assert (columns.min(), rows.min(), rows.max()) == (100, 50, 241)


def test_cine__mask_in_each_frame__area_of_the_surest_one():
    frames = [seen(square(10, 10, 29, 29, p), frame=n) for n, p in enumerate((0.7, 0.95, 0.8), 1)]
    findings = read_all(card(asked("a", area=True), exclusive=False), frames)
    assert [f.frame for f in findings if isinstance(f, Mask)] == [1, 2, 3]
    assert [f.frame for f in findings if isinstance(f, Quantity)] == [2]
    assert {f.group for f in findings} == {"a 1"}


def test_gates__one_structure_unsure__withheld_with_the_reason_beside_the_other():
    settings = card(asked("a"), asked("b", gates={"confidence": 0.8}), exclusive=False)
    mask, silence = read_all(settings, [seen(square(10, 10, 29, 29), square(50, 50, 69, 69, 0.6))])
    assert isinstance(mask, Mask)
    assert isinstance(silence, NoFinding)
    assert silence.name == "b"
    assert silence.reason == "the b is unsure (mean probability 0.60 < 0.80)"


def test_gates__withheld_in_one_frame_said_in_another__no_complaint():
    settings = card(asked("a", gates={"area": [0.02, 1]}), exclusive=False)
    frames = [seen(square(10, 10, 14, 14), frame=1), seen(square(10, 10, 29, 29), frame=2)]
    (mask,) = read_all(settings, frames)
    assert mask.frame == 2
    (silence,) = read_all(settings, frames[:1])
    assert silence.reason == "the a takes 0.3% of the picture, outside 2.0% to 100.0%"


def test_absent_structure__another_is_there__not_mentioned():
    empty = np.zeros((EDGE, EDGE), np.float32)
    (mask,) = read_all(card(asked("a"), asked("b"), exclusive=False), [seen(square(10, 10, 29, 29), empty)])
    assert mask.name == "a"
    (silence,) = read_all(card(asked("a"), asked("b"), exclusive=False), [seen(empty, empty)])
    assert silence.reason == "no a or b was marked"


def test_out_of_scope__every_frame__one_silence_with_the_best_score():
    frames = [seen(square(10, 10, 29, 29), scope=scope, frame=n) for n, scope in enumerate((0.1, 0.3), 1)]
    (silence,) = read_all(card(asked("a"), scope=0.5, exclusive=False), frames)
    assert isinstance(silence, NoFinding)
    assert silence.frame == 2
    assert "0.30 < 0.50" in silence.reason


def test_no_frames__says_that_there_were_none():
    (silence,) = read_all(card(asked("a")), [])
    assert silence.reason == "no picture was looked at"


@pytest.mark.parametrize(
    ("structures", "words"),
    [
        ([asked("a"), asked("A")], "each structure needs a name of its own: 'a' comes twice"),
        ([], "at least 1 item"),
        ([asked("a", gates={"area": [0.5, 0.1]})], "a least and a most share"),
        ([asked("a", parts="all", area=True)], "the area of 'a' needs parts: largest"),
    ],
)
def test_settings__inconsistent__refused_in_words(structures, words):
    with pytest.raises(ValidationError, match=words):
        card(*structures)


def test_mask__asked_for_probabilities__has_those_of_its_own_part_as_the_head_says_them():
    part, other = square(10, 10, 29, 29, 0.8), square(50, 50, 57, 57, 0.9)
    faint = square(10, 30, 29, 39, 0.3)
    reader = reader_of(card(asked("a"), exclusive=False), nothing_to_conclude, likely=True)
    reader.see(seen(part + other + faint))
    (mask,) = reader.findings([])
    assert np.array_equal(mask.probabilities(), np.rint(255 * (part + faint)).astype(np.uint8))
    assert np.array_equal(mask.to_array(), part > 0)


def test_mask__nobody_asked_for_probabilities__has_none():
    (mask,) = read_all(card(asked("a"), exclusive=False), [seen(square(10, 10, 29, 29, 0.8))])
    assert mask.likely is None and mask.probabilities() is None
