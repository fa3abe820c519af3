"""Figures against numbers worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.findings import NoFinding
from tests.trainer.adapting import toy
from tests.trainer.adapting.judged import answer, asked, box, raw_boxes
from trainer.adapting import judging_answers, judging_boxes
from trainer.adapting.curves import calibration_error, f1, macro_f1, mean_auc, sensitivity, specificity
from trainer.adapting.fitting import platt_of, temperature_of
from trainer.adapting.judging_answers import classification_case
from trainer.adapting.judging_boxes import average_precision, detection_case, overlap
from trainer.adapting.judging_masks import mask_scores, segmentation_case
from trainer.adapting.judging_points import matched
from trainer.adapting.surfaces import dice, edge_distances, hd95
from trainer.tasks.truths import Answer, Boxes, LabelMap


def square(left: int, right: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[10:30, left:right] = True
    return mask


def test_edges__of_the_same_mask__lie_on_each_other():
    assert dice(square(10, 30), square(10, 30)) == 1
    assert edge_distances(square(10, 30), square(10, 30)).max() == 0


def test_edges__of_a_mask_moved_by_four__lie_up_to_four_apart():
    assert hd95(square(10, 30), square(14, 34)) == pytest.approx(4, abs=0.01)
    assert 1 < edge_distances(square(10, 30), square(14, 34)).mean() < 3


def test_edges__of_an_empty_mask__are_refused():
    with pytest.raises(ValueError, match="empty"):
        edge_distances(square(10, 30), square(10, 10))


def test_mask_scores__marked_where_nothing_is__counts_as_that_and_not_as_dice():
    scores = mask_scores("nerve", square(10, 30), square(10, 10), None)
    assert scores == {("nerve marked where it is not", "%"): 100.0}


def test_mask_scores__with_a_spacing__tell_distances_in_mm():
    scores = mask_scores("nerve", square(10, 30), square(14, 34), 0.5)
    assert scores["nerve HD95, where marked", "mm"] == pytest.approx(2, abs=0.01)


def test_segmentation__a_mask_that_gates_kept_back__counts_only_as_said_or_withheld():
    settings = toy.KINDS["segmentation"]
    truth = np.zeros((80, 96), np.uint8)
    truth[20:60, 24:72] = 1
    silent = NoFinding(name="blob", group="blob", frame=1, reason="out of scope")
    likely = cv2.resize(np.pad(truth, ((8, 8), (0, 0))) * np.float64(0.9), (toy.SIZE, toy.SIZE))[None]
    case = segmentation_case(asked(LabelMap(classes=truth), (silent,), mask=likely), settings)
    assert case.scores["blob Dice, silence counted as 0", ""] == 0
    assert case.scores["blob Dice, said or withheld", ""] > 0.95
    unmarked = segmentation_case(asked(LabelMap(classes=truth), (silent,), mask=0 * likely), settings)
    assert unmarked.scores["blob Dice, said or withheld", ""] == 0


def test_average_precision__two_found_one_wrong_between__as_worked_out_by_hand():
    rows = [(1.0, 0.9, 1.0, 0.8, 0.0), (1.0, 0.7, 1.0)]
    assert average_precision(rows)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([(2.0,)])[0] == 0
    assert np.isnan(average_precision([(0.0, 0.4, 0.0)])[0])


def test_average_precision__pictures_drawn_again__as_if_they_were_listed_so_often():
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(12):
        boxes = [(rng.random(), float(rng.random() < 0.5)) for _ in range(rng.integers(0, 4))]
        rows.append((float(sum(hit for _, hit in boxes) + rng.integers(0, 2)), *(v for box in boxes for v in box)))
    counts = rng.integers(0, 3, (5, 12))
    listed = [[row for row, times in zip(rows, drawn, strict=True) for _ in range(times)] for drawn in counts]
    each = [average_precision(drawn)[0] for drawn in listed]
    assert average_precision(rows, counts.astype(float)) == pytest.approx(np.array(each))


def test_detection__a_box_that_fits_roughly__counts_at_a_half_but_not_at_stricter_overlaps():
    settings = toy.KINDS["detection"]
    truth = Boxes(boxes=np.array([[10.0, 10, 30, 30]]), classes=np.zeros(1, np.int64), labelled=np.ones(1, bool))
    said = (box(13, 0.9), box(0, 0.4))
    case = detection_case(asked(truth, said, **raw_boxes(*said)), settings)
    figures = {each.name: each.value for each in judging_boxes.results([case], settings, "")}
    assert figures["mAP at 0.5"] == 1
    assert figures["mAP at 0.5 to 0.95"] == pytest.approx(0.8)
    assert figures["false boxes per picture"] == 1


def test_detection__a_right_box_below_its_threshold__counts_only_where_every_box_is_ranked():
    settings = toy.KINDS["detection"]
    truth = Boxes(boxes=np.array([[10.0, 10, 30, 30]]), classes=np.zeros(1, np.int64), labelled=np.ones(1, bool))
    out_of_scope = {"scope": np.array(0.1), "unlike": np.array(0.0)}
    case = detection_case(asked(truth, (), **raw_boxes(box(10, 0.01)), **out_of_scope), settings)
    figures = {each.name: each.value for each in judging_boxes.results([case], settings, "")}
    assert figures["mAP at 0.5"] == 0
    assert figures["mAP at 0.5, every box ranked"] == 1


def test_answers__of_three__have_sensitivity_specificity_and_auc_each():
    settings = toy.KINDS["classification"]
    cases = []
    for truth, logits, said in ((0, [2, 0], 0), (0, [0, 1], 1), (1, [0, 3], 1), (1, [0, 2], None)):
        findings = () if said is None else (answer(said),)
        cases.append(classification_case(asked(Answer(number=truth), findings, answer=np.array(logits)), settings))
    figures = {each.name: each.value for each in judging_answers.results(cases, settings, "")}
    words = settings.answers[1].code.meaning
    assert figures[f"sensitivity, {words}"] == 0.5
    assert figures[f"specificity, {words}"] == 0.5
    assert figures[f"AUC, {words}"] == 1


def test_overlap__of_half_covered_boxes__is_a_third():
    assert overlap(np.array([0.0, 0, 2, 1]), np.array([[1.0, 0, 3, 1]]))[0] == pytest.approx(1 / 3)


def test_curves__of_four_answers__as_worked_out_by_hand():
    rows = np.array([[0.9, 1, 0.5], [0.4, 1, 0.5], [0.6, 0, 0.5], [0.1, 0, 0.5]])
    assert sensitivity(rows) == 0.5
    assert specificity(rows) == 0.5
    assert f1(rows) == 0.5
    assert calibration_error(rows) == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4)
    assert macro_f1(np.array([[0, 0], [1, 1], [1, 0], [-1, 1]])) == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert mean_auc(np.array([[0, 0.9, 0.1], [1, 0.2, 0.8]])) == 1


def test_landmarks__found_the_other_way_round__are_compared_with_the_nearer_order():
    settings = toy.KINDS["landmarks"]
    found, truth = np.array([[50.0, 10], [10, 10]]), np.array([[11.0, 10], [50, 12]])
    assert matched(found, truth, settings).tolist() == [[50, 12], [11, 10]]


def test_temperature__of_too_sure_answers__is_above_one():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    said = np.where(rng.random(400) < 0.75, truth, 1 - truth)
    logs = np.log(np.where(np.arange(2)[None] == said[:, None], 0.99, 0.01))
    assert temperature_of(logs, truth) > 2
    temperature, shift = platt_of(logs[:, 1] - logs[:, 0], truth.astype(float))
    assert temperature > 2
    assert abs(shift) < 0.5
