"""Frames in, findings out, with the bundled packages on phantoms of known size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from integration.phantom import breast_mass, fetal_head, fetal_head_cine
from models.engine import BadFrame, FrameInput, JobCancelled, UnknownTask
from models.findings import Category, Mask, Measure, NoFinding, Quantity
from tests.models.looking import given, millimetres, named, picture, said


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_fetal_head__phantom_still__head_circumference_within_three_per_cent(engine, seed):
    scene = fetal_head(seed)
    findings = said(engine, "fetal-head", given(scene))
    found = named(findings, "head circumference")
    assert millimetres(found, scene) == pytest.approx(scene.truth.hc_mm, rel=0.03)
    assert millimetres(named(findings, "biparietal diameter"), scene) == pytest.approx(scene.truth.bpd_mm, rel=0.05)
    assert millimetres(named(findings, "occipitofrontal diameter"), scene) == pytest.approx(
        scene.truth.ofd_mm, rel=0.05
    )


def test_fetal_head__phantom_still__mask_lies_on_the_head(engine):
    scene = fetal_head(5)
    (mask,) = [f for f in said(engine, "fetal-head", given(scene)) if isinstance(f, Mask)]
    assert (mask.rows, mask.columns) == scene.pixels.shape[:2]
    assert dice(mask.to_array(), scene.mask) > 0.95


def test_breast_lesion__phantom__mass_is_outlined_measured_and_judged(engine):
    scene = breast_mass(0, malignant=False)
    findings = said(engine, "breast-lesion", given(scene))
    (mask,) = [f for f in findings if isinstance(f, Mask)]
    assert dice(mask.to_array(), scene.mask) > 0.85
    longest = named(findings, "longest diameter")
    assert millimetres(longest, scene) == pytest.approx(scene.truth.longest_mm, rel=0.1)
    assert named(findings, "area").measure is Measure.AREA
    probability = named(findings, "probability of cancer")
    (answer,) = [f for f in findings if isinstance(f, Category)]
    assert probability.unit == "%"
    assert 0 <= probability.value <= 100
    assert answer.value.meaning in ("Benign", "Malignant")
    assert {f.group for f in findings} == {"breast lesion 1"}


def test_breast_lesion__short_axis__is_perpendicular_to_the_long_one(engine):
    findings = said(engine, "breast-lesion", given(breast_mass(2, malignant=False)))
    axes = [np.subtract(*named(findings, f"{name} diameter").points[::-1]) for name in ("longest", "perpendicular")]
    cosine = np.dot(*axes) / np.prod([np.hypot(*axis) for axis in axes])
    assert abs(cosine) < 0.02


def test_fetal_head__pixels_twice_as_tall__measured_in_the_body(engine):
    scene = fetal_head(1)
    region = scene.regions[0]
    squeezed = scene.pixels[region.top : region.bottom + 1 : 2, region.left : region.right + 1]
    frame = dataclasses.replace(picture(np.ascontiguousarray(squeezed)), pixel_aspect=2.0)
    found = named(said(engine, "fetal-head", frame), "head circumference")
    points = np.array(found.points) * np.array([1.0, 2.0]) * scene.mm_per_pixel[0]
    around = np.hypot(*np.diff(np.vstack([points, points[:1]]), axis=0).T).sum()
    assert around == pytest.approx(scene.truth.hc_mm, rel=0.04)


def test_cine__each_frame_masked__one_key_frame_measured(engine):
    scenes = list(fetal_head_cine(3, frames=4))
    told = []
    result = engine.run("fetal-head", (given(s, n) for n, s in enumerate(scenes, 1)), progress=told.append)
    masks = [f for f in result.findings if isinstance(f, Mask)]
    quantities = [f for f in result.findings if isinstance(f, Quantity)]
    assert [mask.frame for mask in masks] == [1, 2, 3, 4]
    assert len({q.frame for q in quantities}) == 1
    key = scenes[quantities[0].frame - 1]
    assert millimetres(named(result.findings, "head circumference"), key) == pytest.approx(key.truth.hc_mm, rel=0.03)
    assert told[-1] == 4


def test_frames__same_frame_alone_or_among_others__same_mask(engine):
    scenes = list(fetal_head_cine(4, frames=3))
    together = said(engine, "fetal-head", *(given(s, n) for n, s in enumerate(scenes, 1)))
    for number, scene in enumerate(scenes, 1):
        alone = [f for f in said(engine, "fetal-head", given(scene, number)) if isinstance(f, Mask)]
        (same,) = [f for f in together if isinstance(f, Mask) and f.frame == number]
        measured = {f.frame for f in together if isinstance(f, Quantity)}
        if number in measured:
            assert np.array_equal(alone[0].packed, same.packed)


def test_run__twice__same_findings(engine):
    scene = breast_mass(5, malignant=True)
    first, second = (said(engine, "breast-lesion", given(scene)) for _ in range(2))
    assert [repr(f) for f in first] == [repr(f) for f in second]


def test_views__two_heads_side_by_side__a_group_each(engine):
    left, right = (fetal_head(seed) for seed in (1, 2))
    region = left.regions[0]
    parts = [s.pixels[region.top : region.bottom + 1, region.left : region.right + 1] for s in (left, right)]
    whole = np.ascontiguousarray(np.hstack(parts))
    width = parts[0].shape[1]
    views = [(0, 0, width - 1, whole.shape[0] - 1), (width, 0, whole.shape[1] - 1, whole.shape[0] - 1)]
    findings = said(engine, "fetal-head", *(FrameInput(pixels=whole, frame=1, view=view) for view in views))
    assert {f.group for f in findings} == {"fetal head 1", "fetal head 2"}
    masks = {f.group: f.to_array() for f in findings if isinstance(f, Mask)}
    assert not masks["fetal head 1"][:, width:].any()
    assert not masks["fetal head 2"][:, :width].any()


@pytest.mark.parametrize("task", ["fetal-head", "breast-lesion"])
@pytest.mark.parametrize("kind", ["black", "white", "noise", "ramp", "tiny", "colour"])
def test_out_of_scope__no_ultrasound__silent_with_the_reason(engine, task, kind):
    rng = np.random.default_rng(3)
    pixels = {
        "black": np.zeros((300, 400), np.uint8),
        "white": np.full((300, 400), 255, np.uint8),
        "noise": rng.integers(0, 256, (300, 400), np.uint8),
        "ramp": np.tile(np.linspace(0, 255, 400).astype(np.uint8), (300, 1)),
        "tiny": np.full((16, 16), 90, np.uint8),
        "colour": np.broadcast_to(np.array([200, 30, 30], np.uint8), (300, 400, 3)).copy(),
    }[kind]
    (finding,) = said(engine, task, picture(pixels))
    assert isinstance(finding, NoFinding)
    assert any(letter.isdigit() for letter in finding.reason)


def test_out_of_scope__the_other_organ__silent(engine):
    (head,) = said(engine, "breast-lesion", given(fetal_head(0)))
    (mass,) = said(engine, "fetal-head", given(breast_mass(0, malignant=False)))
    assert isinstance(head, NoFinding)
    assert isinstance(mass, NoFinding)


def test_unknown_task__names_those_there_are(engine):
    with pytest.raises(UnknownTask, match="fetal-head"):
        engine.run("kidney", [])


@pytest.mark.parametrize(
    "frame",
    [
        FrameInput(pixels=np.zeros((100, 100), np.uint16), frame=1, view=(0, 0, 99, 99)),
        FrameInput(pixels=np.zeros((100, 100, 4), np.uint8), frame=1, view=(0, 0, 99, 99)),
        FrameInput(pixels=np.zeros((100, 100), np.uint8), frame=1, view=(0, 0, 100, 99)),
        FrameInput(pixels=np.zeros((1, 1), np.uint8), frame=1, view=(0, 0, 0, 0)),
        FrameInput(pixels=np.zeros((100, 100), np.uint8), frame=1, view=(0, 0, 99, 99), pixel_aspect=0.0),
    ],
)
def test_bad_frame__refused_with_the_reason(engine, frame):
    with pytest.raises(BadFrame, match="frame 1"):
        engine.run("fetal-head", [frame])


def test_cancelled__stops_before_the_next_frame(engine):
    scene = given(fetal_head(0))
    taken = []

    def frames():
        for number in range(1, 50):
            taken.append(number)
            yield dataclasses.replace(scene, frame=number)

    with pytest.raises(JobCancelled):
        engine.run("fetal-head", frames(), cancelled=lambda: len(taken) >= 2)
    assert len(taken) == 2
