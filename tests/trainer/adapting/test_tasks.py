"""The tasks as such: codes, settings, truths that move with their pictures."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.sr._concepts_dict import concepts

from models.heads.task import build_heads
from trainer.adapting.bindings import lesson_of
from trainer.adapting.measuring import judge_of
from trainer.adapting.pool import OUTSIDERS
from trainer.adapting.variation import motion
from trainer.tasks import SPECS, UnknownTask, coded, spec_of
from trainer.tasks.muscle_architecture import architecture
from trainer.tasks.sets import SETS
from trainer.tasks.spec import Variation
from trainer.tasks.truths import Boxes, LabelMap, Points
from trainer.tasks.view import PLACES, REGIONS

MIRROR = np.array([[-1.0, 0.0, 63.0], [0.0, 1.0, 0.0]])
NOT_IN_DICOM = {"74281007"}  # myocardium, from SNOMED CT itself


@pytest.mark.parametrize("name", SPECS)
def test_task__each__has_heads_a_lesson_and_a_judge_and_names_its_data(name):
    spec = spec_of(name)
    build_heads((24, 48, 96, 192, 384), spec.settings)
    lesson_of(spec.settings)
    judge_of(spec.settings)
    assert set(spec.data) <= set(SETS)
    assert spec.limits


def test_task__unknown__is_refused_with_those_there_are():
    with pytest.raises(UnknownTask, match="carotid"):
        spec_of("spleen-rupture")


def test_codes__each_of_a_public_scheme__are_in_the_dictionary_of_dicom():
    known = {(scheme, value) for scheme, names in concepts.items() for each in names.values() for value in each}
    ours = [code for code in vars(coded).values() if hasattr(code, "scheme") and code.scheme != coded.PRIVATE]
    unknown = [c for c in ours if (c.scheme, c.value) not in known and c.value not in NOT_IN_DICOM]
    assert not unknown


@pytest.mark.parametrize("name", ["heart-chambers", "muscle-architecture"])
def test_task__where_sides_mean_something__is_never_mirrored(name):
    how, rng = SPECS[name].variation, np.random.default_rng(0)
    assert all(motion(how, 64, rng)[0, 0] > 0 for _ in range(50))


def test_motion__where_mirrors_are_allowed__mirrors_about_half():
    rng = np.random.default_rng(0)
    flipped = sum(motion(Variation(turn_deg=5.0), 64, rng)[0, 0] < 0 for _ in range(200))
    assert 70 < flipped < 130


def test_outsiders__of_all_tasks__are_of_permissive_licences():
    assert {SETS[name].use for name in OUTSIDERS} == {"permissive"}


def test_label_map__mirrored__marks_the_mirrored_pixels():
    classes = np.zeros((64, 64), np.uint8)
    classes[10:20, 5:15] = 2
    moved = LabelMap(classes=classes).moved(MIRROR, 64)
    assert (moved.classes == classes[:, ::-1]).all()


def test_points__moved_out_of_the_square__are_no_longer_marked():
    moved = Points(points=np.array([[10.0, 20.0], [60.0, 20.0]])).moved(np.array([[1.0, 0, 8], [0, 1.0, 0]]), 64)
    assert moved.points[0].tolist() == [18.0, 20.0]
    assert np.isnan(moved.points[1]).all()


def test_boxes__mostly_outside_after_a_move__are_dropped_and_others_cut():
    boxes = Boxes(
        boxes=np.array([[0.0, 0.0, 20.0, 20.0], [40.0, 0.0, 63.0, 20.0]]),
        classes=np.array([0, 1]),
        labelled=np.ones(2, bool),
    )
    moved = boxes.moved(np.array([[1.0, 0, -15], [0, 1.0, 0]]), 64)
    assert moved.classes.tolist() == [1]
    assert moved.boxes.tolist() == [[25.0, 0.0, 48.0, 20.0]]


def test_muscle__points_of_a_row__give_back_the_observers_numbers(tmp_path):
    row = {
        "left_border_x_px": "20",
        "width": "321",
        "mean_superficial_apo_y_px": "40",
        "mean_deep_apo_y_px": "240",
        "mean_superficial_apo_angle_deg": "-5",
        "mean_fascicle_angle_deg": "15",
    }
    top, right, deep, first, last = architecture(tmp_path, "timtrack_muscle", row).points
    assert deep[1] - top[1] == 200
    falls = np.degrees(np.arctan2(top[1] - right[1], right[0] - top[0]))
    rises = np.degrees(np.arctan2(first[1] - last[1], last[0] - first[0]))
    assert falls == pytest.approx(-5)
    assert rises == pytest.approx(15)


def test_view__places__count_organs_as_the_head_does():
    organs = [organ.name for region in REGIONS for organ in region.organs]
    assert [PLACES[name][1] for name in organs] == list(range(len(organs)))
    assert all(name in [o.name for o in REGIONS[PLACES[name][0]].organs] for name in organs)
