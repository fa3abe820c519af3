"""What a site's pictures teach: outlines that came back to the archive, as labels of a task."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from tests.trainer.adapting import toy
from tests.trainer.data.made import dicom_file, image_folder, noise, one_region, segmentation
from trainer.data.dicom_folder import Taking
from trainer.data.gathering import gather
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.promote.errors import NoLabels
from trainer.promote.site_task import cohort_digest, groups_of, site_pool, site_spec
from trainer.tasks.truths import LabelMap, Outlined

KEY = Pseudonyms(b"a key that only the tests have")
DISC = (np.mgrid[:192, :256][1] - 120) ** 2 + (np.mgrid[:192, :256][0] - 90) ** 2 <= 25**2


def task(kind: str, meaning: str = "nodule"):
    """The toy task, for what the segmentations of these tests outline."""
    spec = toy.spec(kind)
    code = {"value": "27925004", "scheme": "SCT", "meaning": meaning}
    structure = {**toy.STRUCTURE, "type": code}
    told = spec.settings.model_dump(mode="json")
    if kind == "segmentation":
        told["structures"][0]["structure"] = structure
    else:
        told["structure"] = structure
    return dataclasses.replace(spec, settings=type(spec.settings).model_validate(told))


@pytest.fixture
def cohort(tmp_path):
    """One patient of the test split, outlined by somebody on one frame of three."""
    image = dicom_file(tmp_path / "in" / "cine.dcm", frames=3)
    one_region(image, 20, 30, 219, 179)
    segmentation(tmp_path / "in" / "seg.dcm", image, {2: DISC})
    gather(tmp_path / "in", Query(corrected=True), tmp_path / "site", KEY, Taking(frames=3))
    return tmp_path / "site"


def outlined(tmp_path, answers: dict[str, str]):
    """Six pictures with an outline each, two of a split, and what people answered in reports."""
    splits = {"t0": "train", "t1": "train", "v0": "val", "v1": "val", "e0": "test", "e1": "test"}
    folder = image_folder(
        tmp_path / "site",
        {name: noise(number) for number, name in enumerate(splits)},
        split=splits,
        mask={name: f"masks/{name}.png" for name in splits},
        structures=dict.fromkeys(splits, '{"1": "Nodule"}'),
        answers=answers,
    )
    (folder / "masks").mkdir()
    for name in splits:
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), np.eye(96, dtype=np.uint8))
    return site_spec(task("outline"), folder)


BIG, SMALL = '{"99TEST:impression": "99TEST:big"}', '{"99TEST:impression": "99TEST:small"}'


def test_site_task__answers_in_reports__are_the_truth_of_the_question(tmp_path):
    spec = outlined(tmp_path, {"e0": BIG, "e1": SMALL})
    assert [example.truth.yes for example in spec.examples(tmp_path, "test")] == [1.0, 0.0]
    assert all(np.isnan(example.truth.yes) for example in spec.examples(tmp_path, "train"))


@pytest.mark.parametrize("answers", [{}, {"t0": BIG, "t1": SMALL, "v0": BIG}, {"t0": BIG, "v0": BIG, "v1": SMALL}])
def test_site_pool__a_question_that_nobody_answered_both_ways__is_told_before_anything_is_learned(answers, tmp_path):
    with pytest.raises(NoLabels, match=r"verified or by a person, .* adapt\.data"):
        site_pool(outlined(tmp_path, answers), tmp_path / "public")


def test_site_pool__a_question_answered_both_ways_in_train_and_val__is_learned_from(tmp_path):
    pool = site_pool(outlined(tmp_path, {"t0": BIG, "t1": SMALL, "v0": SMALL, "v1": BIG}), tmp_path / "public")
    assert (len(pool.train), len(pool.val)) == (2, 2)


def split_of(cohort) -> str:
    return (cohort / "index.csv").read_text().splitlines()[1].split(",")[2]


@pytest.mark.parametrize("kind", ["segmentation", "outline"])
def test_site_task__outlines_of_the_archive__are_its_truth_whatever_the_case_of_the_name(kind, cohort, tmp_path):
    (example,) = site_spec(task(kind), cohort).examples(tmp_path, split_of(cohort))
    truth = example.truth
    assert isinstance(truth, LabelMap | Outlined)
    mask = truth.classes == 1 if isinstance(truth, LabelMap) else truth.mask > 127
    assert np.array_equal(mask, DISC[30:180, 20:220])
    assert example.patient.startswith("site/")


def test_site_task__nobody_outlined_what_it_looks_for__says_so(cohort, tmp_path):
    with pytest.raises(NoLabels, match="outline more"):
        site_spec(task("segmentation", "kidney"), cohort).examples(tmp_path, split_of(cohort))


def test_site_task__outlines_for_a_task_that_outlines_nothing__are_refused(cohort):
    with pytest.raises(NoLabels, match=r"cohort\.folder"):
        site_spec(toy.spec("classification"), cohort)


def test_site_task__public_sets_beside__teach_and_never_judge(tmp_path):
    toy.make(tmp_path / "public")
    toy.make(tmp_path, "pictures", {"train": 2, "val": 2, "test": 2})
    spec = site_spec(toy.spec("classification"), tmp_path / "pictures")
    assert len(spec.examples(tmp_path / "public", "train")) == 2 + toy.COUNTS["train"]
    assert {each.name.split("/")[0] for each in spec.examples(tmp_path / "public", "test")} == {"pictures"}


def test_groups__by_device__hold_the_places_of_their_pictures(tmp_path):
    names = [f"a{number}" for number in range(4)]
    folder = image_folder(
        tmp_path / "site",
        {name: noise(number) for number, name in enumerate(names)},
        split=dict.fromkeys(names, "test"),
        mask={name: f"images/{name}.png" for name in names},
        big=dict.fromkeys(names, "1"),
        x=dict.fromkeys(names, "1"),
        y=dict.fromkeys(names, "1"),
        radius=dict.fromkeys(names, "1"),
        device=dict(zip(names, ["A", "B", "A", ""], strict=True)),
        probe=dict.fromkeys(names, "the only one"),
    )
    spec = site_spec(toy.spec("classification"), folder)
    assert groups_of(spec, spec.examples(tmp_path, "test")) == {"device: A": [0, 2], "device: B": [1]}


def test_cohort_digest__one_pixel_of_a_mask_changed__is_another(tmp_path):
    folder = toy.make(tmp_path) / toy.SET
    before = cohort_digest(folder)
    assert cohort_digest(folder) == before
    mask = folder / "masks" / "test0.png"
    mask.write_bytes(mask.read_bytes() + b"\0")
    assert cohort_digest(folder) != before
    mask.unlink()
    with pytest.raises(NoLabels, match="not whole"):
        cohort_digest(folder)
