"""Boxes: learned from phantoms, decoded, thinned out, followed through a cine, and kept silent about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Box, NoFinding
from models.heads.detection import DetectionHead
from models.packages.settings_detection import DetectionSettings
from tests.models.lessons import Pupil, box_of, pictures, read_all, same_alone_or_together, structure, told
from trainer.losses_detection import DetectionTarget, detection_loss

HEAD, MASS = 0, 1


def settings(**changes):
    classes = [{"structure": structure(name), "threshold": 0.3} for name in ("fetal head", "breast mass")]
    return DetectionSettings.model_validate({"subject": "heads or masses", "classes": classes, **changes})


def target(masks, labelled=None):
    return DetectionTarget(
        boxes=torch.tensor(np.array([box_of(mask) for mask in masks]), dtype=torch.float32),
        classes=torch.arange(len(masks)) % 2,
        picture=torch.arange(len(masks)),
        labelled=torch.ones(len(masks), 2, dtype=torch.bool) if labelled is None else labelled,
    )


def answered(*boxes):
    """Raw answers of (class, score, (left, top, right, bottom)), strongest first."""
    kinds, scores, edges = zip(*boxes, strict=True) if boxes else ((), (), ())
    return {
        "classes": np.array(kinds, np.int64),
        "scores": np.array(scores, np.float32),
        "boxes": np.array(edges, np.float32).reshape(-1, 4),
    }


def share(box, truth):
    low, high = np.maximum(box[:2], truth[:2]), np.minimum(box[2:], truth[2:])
    inter = np.prod(np.clip(high - low, 0, None))
    return inter / (np.prod(box[2:] - box[:2]) + np.prod(truth[2:] - truth[:2]) - inter)


@pytest.fixture(scope="module")
def taught():
    pupil = Pupil(settings(frames="each"))
    squares, masks = pictures()
    truth = target(masks)
    pupil.learn(squares, lambda answers: detection_loss(answers, truth, pupil.heads.head.stride), steps=60, rate=3e-3)
    return pupil


def test_detection__ten_phantoms_learned__a_box_of_the_right_kind_round_each(taught):
    squares, masks = pictures()
    findings = taught.read(squares)
    for number, mask in enumerate(masks):
        (box,) = [f for f in findings if f.frame == number + 1]
        assert isinstance(box, Box)
        assert box.name == ("fetal head", "breast mass")[number % 2]
        assert box.confidence > 0.3
        edges = np.array([box.left, box.top, box.right, box.bottom])
        assert share(edges, np.array(box_of(mask))) > 0.7


def test_detection__in_eval_mode__a_picture_does_not_depend_on_its_neighbours(taught):
    same_alone_or_together(taught, pictures()[0])


def test_detection__black_picture__nothing_is_boxed_and_the_score_is_told(taught):
    (finding,) = taught.read(np.zeros((1, 96, 96), np.uint8))
    assert isinstance(finding, NoFinding)
    assert "< 0.30" in finding.reason


def test_spoken__two_peaks__boxes_of_their_sides_in_pixels_of_the_square():
    head = DetectionHead((8, 16, 32, 64, 128), settings(most=3))
    centre = torch.full((1, 2, 8, 8), -9.0)
    centre[0, MASS, 2, 5], centre[0, MASS, 2, 6], centre[0, HEAD, 7, 0] = 3.0, 2.0, 1.0
    sides = torch.ones(1, 2, 4, 8, 8)
    sides[0, MASS, :, 2, 5] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    said = head.spoken({"centre": centre, "sides": sides})
    assert said["classes"][0, :2].tolist() == [MASS, HEAD]
    assert said["scores"][0, :2].tolist() == pytest.approx([0.9526, 0.7311], abs=1e-3)
    x, y = 5 * 4 + 1.5, 2 * 4 + 1.5  # the cell's centre, stride 4
    assert said["boxes"][0, 0].tolist() == [x - 4, y - 3, x + 2, y + 1]


def test_reader__overlapping_boxes__the_weaker_of_one_class_falls_others_stay():
    raw = answered(
        (MASS, 0.9, (10, 10, 50, 50)),
        (MASS, 0.8, (12, 12, 52, 52)),
        (HEAD, 0.7, (10, 10, 50, 50)),
        (MASS, 0.6, (60, 60, 80, 80)),
    )
    boxes = read_all(settings(), [told(raw)])
    assert [(b.group, b.confidence) for b in boxes] == [
        ("breast mass 1", pytest.approx(0.9)),
        ("fetal head 1", pytest.approx(0.7)),
        ("breast mass 2", pytest.approx(0.6)),
    ]


def test_reader__threshold_of_each_class__is_its_own():
    classes = [
        {"structure": structure("fetal head"), "threshold": 0.8},
        {"structure": structure("breast mass"), "threshold": 0.2},
    ]
    raw = answered((HEAD, 0.6, (10, 10, 50, 50)), (MASS, 0.3, (10, 10, 50, 50)))
    (box,) = read_all(settings(classes=classes), [told(raw)])
    assert box.name == "breast mass"


def test_reader__view_within_a_frame_of_tall_pixels__box_in_source_pixels_held_in_the_view():
    raw = answered((MASS, 0.9, (24.0 - 0.5, 24.0 - 0.5, 72.0 - 0.5, 120.0)))
    seen = told(raw, size=(300, 400), view=(100, 50, 291, 145), pixel_aspect=2.0)
    (box,) = read_all(settings(), [seen])
    # 192 x 96 source pixels, each twice as tall as wide, fill the 96 px square: halved across, as they are down.
    assert (box.left, box.top) == (pytest.approx(100 + 47.5), pytest.approx(50 + 23.5))
    assert (box.right, box.bottom) == (pytest.approx(100 + 143.5), 145)


def test_reader__box_in_the_black_margin__is_none():
    raw = answered((MASS, 0.9, (30, 2, 60, 12)))
    (finding,) = read_all(settings(), [told(raw, size=(100, 200))])
    assert isinstance(finding, NoFinding)


def test_reader__cine_surest__one_frame_speaks_for_its_view():
    frames = [
        answered((MASS, 0.5, (10, 10, 50, 50))),
        answered((MASS, 0.6, (10, 10, 50, 50)), (MASS, 0.5, (60, 60, 80, 80))),
        answered((MASS, 0.9, (10, 10, 50, 50))),
    ]
    boxes = read_all(settings(), [told(raw, frame) for frame, raw in enumerate(frames, 1)])
    assert [(b.frame, b.group) for b in boxes] == [(2, "breast mass 1"), (2, "breast mass 2")]


def test_reader__cine_each__a_thing_keeps_its_name_while_it_moves():
    frames = [
        answered((MASS, 0.9, (10, 10, 30, 30)), (MASS, 0.8, (60, 60, 80, 80))),
        answered((MASS, 0.9, (62, 61, 82, 81)), (MASS, 0.8, (12, 10, 32, 30))),
        answered(),
        answered((MASS, 0.7, (14, 11, 34, 31))),
    ]
    boxes = read_all(settings(frames="each"), [told(raw, frame) for frame, raw in enumerate(frames, 1)])
    first = [(b.frame, b.left) for b in boxes if b.group == "breast mass 1"]
    assert first == [(1, 10), (2, 12), (4, 14)]
    assert [b.frame for b in boxes if b.group == "breast mass 2"] == [1, 2]


def test_reader__out_of_scope__silent_with_the_score():
    raw = {**answered((MASS, 0.9, (10, 10, 50, 50))), "scope": np.float32(0.2)}
    (finding,) = read_all(settings(scope=0.5), [told(raw)])
    assert isinstance(finding, NoFinding)
    assert "0.20 < 0.50" in finding.reason


def test_loss__class_not_labelled__its_boxes_and_its_empty_cells_teach_nothing():
    _, masks = pictures(2)
    labelled = torch.tensor([[False, True], [False, True]])
    centre = torch.zeros(2, 2, 24, 24, requires_grad=True)
    sides = torch.full((2, 2, 4, 24, 24), 10.0, requires_grad=True)
    detection_loss({"centre": centre, "sides": sides}, target(masks, labelled), stride=4).backward()
    assert not centre.grad[:, HEAD].any()
    assert not sides.grad[:, HEAD].any()
    assert centre.grad[:, MASS].any()
    assert sides.grad[1, MASS].any()


@pytest.mark.parametrize("size", [0.0, 1e-3, 400.0])
def test_loss__no_boxes_or_odd_ones__finite(size):
    centre = torch.full((1, 2, 24, 24), 80.0, requires_grad=True)
    sides = torch.full((1, 2, 4, 24, 24), 1e-3, requires_grad=True)
    boxes = torch.tensor([[90.0, 90.0, 90.0 + size, 90.0 + size]])
    truth = DetectionTarget(
        boxes=boxes if size else boxes[:0],
        classes=torch.zeros(1 if size else 0, dtype=torch.int64),
        picture=torch.zeros(1 if size else 0, dtype=torch.int64),
        labelled=torch.ones(1, 2, dtype=torch.bool),
    )
    value = detection_loss({"centre": centre, "sides": sides}, truth, stride=4)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(centre.grad).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": [{"structure": structure("mass"), "threshold": 0.5}] * 2}, "more than one is called mass"),
        ({"classes": []}, "at least 1"),
        ({"classes": [{"structure": structure("mass"), "threshold": 1.5}]}, "less than 1"),
        ({"frames": "some"}, "'each' or 'surest'"),
        ({"anchors": 9}, "Extra inputs"),
    ],
)
def test_settings__inconsistent__refused_with_the_fault(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)
