"""Points: learned from phantoms, decoded between cells, measured, and kept silent about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Landmarks, Measure, NoFinding, Quantity
from models.geometry import crossings, fit_ellipse
from models.heads.landmarks import LandmarksHead
from models.packages.settings_landmarks import LandmarksSettings
from tests.models.lessons import Pupil, pictures, read_all, same_alone_or_together, structure, told
from trainer.losses_landmarks import LandmarksTarget, landmarks_loss

BPD = {"value": "11820-8", "scheme": "LN", "meaning": "Biparietal Diameter"}
LABELS = ("bpd 1", "bpd 2", "ofd 1", "ofd 2")


def settings(**changes):
    whole = {
        "structure": structure("fetal head"),
        "points": LABELS,
        "swappable": [("bpd 1", "bpd 2"), ("ofd 1", "ofd 2")],
        "quantities": [
            {"name": "biparietal diameter", "code": BPD, "measure": "length", "points": ["bpd 1", "bpd 2"]},
            {"name": "occipitofrontal diameter", "measure": "length", "points": ["ofd 1", "ofd 2"]},
        ],
        "confidence": 0.5,
    }
    return LandmarksSettings.model_validate({**whole, **changes})


def corner(**changes):
    """Three points with an angle and an area; none may stand for another."""
    three = [{"name": n, "measure": n, "points": ["a", "b", "c"]} for n in ("angle", "area")]
    return settings(points=["a", "b", "c"], swappable=[], quantities=three, **changes)


def axes(mask):
    """Ends of the short and of the long axis of a head, px."""
    ellipse = fit_ellipse(crossings(mask.astype(np.float32)))
    return ellipse.at(np.array([0.5, 1.5, 0.0, 1.0]) * np.pi)


@pytest.fixture(scope="module")
def heads():
    squares, masks = pictures(20)
    points = np.stack([axes(mask) for mask in masks[::2]])
    return squares[::2], points


@pytest.fixture(scope="module")
def taught(heads):
    pupil = Pupil(settings())
    squares, points = heads
    shuffled = points.copy()
    shuffled[::2] = points[::2][:, [1, 0, 3, 2]]  # whoever marked them did not mind which end came first
    truth = LandmarksTarget(points=torch.tensor(shuffled), present=torch.ones(shuffled.shape[:2]))
    head = pupil.heads.head
    pupil.learn(squares, lambda answers: landmarks_loss(answers, truth, head.stride, head.pairs), steps=30, rate=4e-3)
    return pupil


def test_landmarks__ten_phantoms_learned__points_and_diameters_found_again(taught, heads):
    for square, truth in zip(*heads, strict=True):
        landmarks, bpd, ofd = taught.read(square[None])
        assert isinstance(landmarks, Landmarks)
        assert landmarks.labels == LABELS
        for pair in (slice(0, 2), slice(2, 4)):
            found, ends = np.array(landmarks.points[pair]), truth[pair]
            apart = min(np.abs(found - ends).max(), np.abs(found - ends[::-1]).max())
            assert apart < 2.0
        for quantity, ends in ((bpd, truth[:2]), (ofd, truth[2:])):
            assert quantity.value == pytest.approx(np.hypot(*(ends[0] - ends[1])), rel=0.05)
            assert (quantity.unit, quantity.measure) == ("px", Measure.LENGTH)
        assert bpd.points == landmarks.points[:2]


def test_landmarks__in_eval_mode__a_picture_does_not_depend_on_its_neighbours(taught, heads):
    same_alone_or_together(taught, heads[0])


def test_spoken__bell_between_cells__the_place_between_them_and_its_mass():
    head = LandmarksHead((8, 16, 32, 64, 128), corner())
    y, x = np.mgrid[0:16, 0:16]
    bell = -((x - 6.3) ** 2 + (y - 9.8) ** 2) / 2
    heat = torch.tensor(np.broadcast_to(bell, (1, 3, 16, 16)).copy())
    said = head.spoken({"heat": heat, "present": torch.tensor([[9.0, 0.0, -9.0]])})
    # Cell 6.3 at stride 4 lies at (6.3 + 0.5) * 4 - 0.5.
    assert said["points"][0, 0].tolist() == [pytest.approx(26.7, abs=0.1), pytest.approx(40.7, abs=0.1)]
    assert said["confidence"][0].tolist() == [pytest.approx(c, abs=0.01) for c in (1.0, 0.5, 0.0)]


def test_spoken__two_places_alike__half_sure():
    head = LandmarksHead((8, 16, 32, 64, 128), corner())
    heat = torch.full((1, 3, 16, 16), -30.0)
    heat[:, :, 2, 2], heat[:, :, 12, 12] = 5.0, 5.0
    assert head.spoken({"heat": heat, "present": torch.full((1, 3), 9.0)})["confidence"][0, 0] == pytest.approx(
        0.5, abs=0.01
    )


def answered(points, confidence):
    return {"points": np.array(points, np.float32), "confidence": np.array(confidence, np.float32)}


def test_reader__angle_and_area__measured_in_the_body_and_in_source_pixels():
    raw = answered([(10, 50), (30, 70), (50, 50)], [0.9, 0.8, 0.7])
    # Twice as many rows as the square, each pixel half as tall as wide: a right angle in the body, none in pixels.
    _, angle, area = read_all(corner(), [told(raw, size=(192, 96), pixel_aspect=0.5)])
    assert (angle.value, angle.unit) == (pytest.approx(90.0), "deg")
    assert angle.points == ()
    assert (area.value, area.unit, area.measure) == (pytest.approx(40 * 40 / 2), "px2", Measure.AREA)
    assert area.confidence == pytest.approx(0.7)


def test_reader__one_point_unsure__its_quantity_is_silent_and_names_it_others_speak():
    raw = answered([(10, 10), (40, 10), (10, 30), (50, 70)], [0.9, 0.31, 0.9, 0.8])
    landmarks, bpd, ofd = read_all(settings(), [told(raw)])
    assert landmarks.labels == ("bpd 1", "ofd 1", "ofd 2")
    assert isinstance(bpd, NoFinding)
    assert "'bpd 2' is unsure (0.31 < 0.50)" in bpd.reason
    assert isinstance(ofd, Quantity)


def test_reader__no_point_sure__one_finding_says_so():
    (finding,) = read_all(settings(), [told(answered([(9, 9)] * 4, [0.1, 0.2, 0.4, 0.3]))])
    assert isinstance(finding, NoFinding)
    assert "'ofd 1', is unsure (0.40 < 0.50)" in finding.reason


def test_reader__point_in_the_black_margin__is_not_said():
    raw = answered([(10, 40), (40, 5), (10, 50), (50, 60)], [0.9] * 4)
    landmarks, bpd, _ = read_all(settings(), [told(raw, size=(96, 192))])
    assert "bpd 2" not in landmarks.labels
    assert "outside the picture" in bpd.reason


def test_reader__swappable_ends_either_way__same_findings():
    points = [(40, 10), (10, 12), (10, 30), (50, 70)]
    one = read_all(settings(), [told(answered(points, [0.9, 0.8, 0.7, 0.6]))])
    other = read_all(settings(), [told(answered([points[i] for i in (1, 0, 3, 2)], [0.8, 0.9, 0.6, 0.7]))])
    assert one == other
    assert one[0].points[0] == (10, 12)


def test_reader__cine_of_two_views__the_surest_frame_of_each():
    pale, sure = (answered([(10, 10), (40, 10), (10, 30), (50, 70)], [c] * 4) for c in (0.6, 0.9))
    left, right = (0, 0, 95, 95), (96, 0, 191, 95)
    seen = [
        told(raw, frame, size=(96, 192), view=view)
        for frame, view, raw in ((1, left, pale), (1, right, sure), (2, left, sure), (2, right, pale))
    ]
    landmarks = [f for f in read_all(settings(), seen) if isinstance(f, Landmarks)]
    assert [(m.group, m.frame) for m in landmarks] == [("fetal head 1", 2), ("fetal head 2", 1)]
    assert landmarks[1].points[0] == (96 + 10, 10)


def test_reader__out_of_scope__silent_with_the_score():
    raw = {**answered([(9, 9)] * 4, [0.9] * 4), "scope": np.float32(0.1)}
    (finding,) = read_all(settings(scope=0.5), [told(raw)])
    assert isinstance(finding, NoFinding)
    assert "0.10 < 0.50" in finding.reason


def _answers(peaks):
    y, x = np.mgrid[0:24, 0:24]
    bells = np.stack([-((x - px) ** 2 + (y - py) ** 2) / 3 for px, py in peaks])
    heat = torch.tensor(bells[None], dtype=torch.float32)
    return {"heat": heat.requires_grad_(), "present": torch.zeros(1, len(peaks), requires_grad=True)}


def test_loss__ends_the_other_way_round__costs_nothing_more_only_if_swappable():
    at = torch.tensor([[[9.5, 9.5], [49.5, 9.5]]])
    truth = LandmarksTarget(points=at, present=torch.ones(1, 2))
    right, wrong = _answers([(2, 2), (12, 2)]), _answers([(12, 2), (2, 2)])
    assert landmarks_loss(wrong, truth, 4, ((0, 1),)).item() == pytest.approx(landmarks_loss(right, truth, 4).item())
    assert landmarks_loss(wrong, truth, 4).item() > 2 * landmarks_loss(right, truth, 4).item()


def test_loss__points_not_known_or_not_there__teach_no_place():
    points = torch.tensor([[[9.5, 9.5], [float("nan")] * 2, [float("nan")] * 2]])
    present = torch.tensor([[1.0, 0.0, float("nan")]])
    answers = _answers([(2, 2), (5, 5), (7, 7)])
    loss = landmarks_loss(answers, LandmarksTarget(points=points, present=present), 4)
    loss.backward()
    assert torch.isfinite(loss)
    assert answers["heat"].grad[0, 0].any()
    assert not answers["heat"].grad[0, 1:].any()
    assert answers["present"].grad[0].tolist() == [pytest.approx(-0.25), pytest.approx(0.25), 0.0]


def test_loss__nothing_known__zero_and_finite_gradients():
    answers = _answers([(2, 2)])
    truth = LandmarksTarget(points=torch.full((1, 1, 2), float("nan")), present=torch.full((1, 1), float("nan")))
    loss = landmarks_loss(answers, truth, 4)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(answers["heat"].grad).all()


def quantity(measure, *points):
    return {"quantities": [{"name": "size", "measure": measure, "points": points}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (quantity("length", "bpd 1", "bpd 9"), "no point is called bpd 9; there are bpd 1"),
        (quantity("length", "bpd 1"), "1 points; its length needs 2 to"),
        (quantity("area", "bpd 1", "bpd 2"), "2 points; its area needs 3 to"),
        (quantity("length", "bpd 1", "ofd 1"), "depends on which of the swappable 'bpd 1', 'bpd 2'"),
        (quantity("angle", "bpd 1", "bpd 2", "ofd 1"), "depends on which of the swappable"),
        (quantity("angle", "bpd 1", "bpd 2", "ofd 1", "ofd 2"), "depends on which of the swappable"),
        ({"points": ["a", "a"], "swappable": [], "quantities": []}, "a is there more than once"),
        ({"swappable": [("bpd 1", "bpd 2"), ("bpd 1", "ofd 1")]}, "bpd 1 is there more than once"),
        ({"swappable": [("bpd 1", "neck")]}, "no point is called neck"),
        ({"confidence": 2}, "less than or equal to 1"),
    ],
)
def test_settings__inconsistent__refused_with_the_fault(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)


def test_settings__area_of_crossing_axes__may_use_swappable_ends():
    assert settings(**quantity("area", "bpd 1", "ofd 1", "bpd 2", "ofd 2")).quantities[0].measure == "area"
