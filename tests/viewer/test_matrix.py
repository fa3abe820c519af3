"""Stills and cines of every photometric interpretation and kind of regions, with all that was written about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.peers.ohif import Exam, Ohif, Shown
from tests.peers.orthanc import Orthanc
from tests.viewer import seeing
from tests.viewer.cases import EMPTY, PHANTOMS, REGIONS, STUDIES, Case, phantoms, study, study_uid

Keep = Callable[[Shown, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A study in the viewer and what is known of it."""

    exam: Exam
    cases: dict[str, Case]


@pytest.fixture(scope="module", params=STUDIES)
def opened(
    request: pytest.FixtureRequest, viewer: Ohif, pacs: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opened]:
    cases = study(request.param, tmp_path_factory.mktemp("sources"), pacs)
    with viewer.exam(study_uid(request.param)) as exam:
        yield Opened(exam=exam, cases=cases)


@pytest.mark.parametrize("regions", REGIONS)
def test_segmentation__lies_on_its_pixels_on_its_frames(opened: Opened, regions: str, keep: Keep) -> None:
    exam, case = opened.exam, opened.cases[regions]
    exam.open(case.series("SEG"))
    assert exam.frame() == case.frames[0]  # the first with something on it
    seeing.segmentation_in_data(exam, case)
    gray = [
        pixels.reshape(*pixels.shape[:2], -1).mean(-1) for pixels in (exam.pixels(), case.source.frame(exam.frame()))
    ]
    assert np.abs(gray[0] - gray[1]).mean() < 2  # JPEG decoders differ a little
    for frame in _looked_at(case):
        exam.turn_to(frame)
        shown = exam.shown()
        seeing.segmentation_on_screen(shown, case)
        keep(shown, f"{case.name}-seg-{frame}")
    assert exam.errors == []


@pytest.mark.parametrize("regions", REGIONS)
def test_measurements__are_drawn_with_values_and_units_on_their_frame(opened: Opened, regions: str, keep: Keep) -> None:
    exam, case = opened.exam, opened.cases[regions]
    exam.open(case.series("SR"))
    assert exam.frame() == case.frame
    seeing.measurements_in_data(exam, case)
    for frame in _looked_at(case):
        exam.turn_to(frame)
        shown = exam.shown()
        seeing.measurements_on_screen(shown, case)
        keep(shown, f"{case.name}-sr-{frame}")
    assert exam.errors == []


@pytest.mark.parametrize("regions", REGIONS)
def test_capture__shows_the_marks_on_their_frames(opened: Opened, regions: str, keep: Keep) -> None:
    exam, case = opened.exam, opened.cases[regions]
    exam.open(case.series("SC"))
    for frame in _looked_at(case):
        exam.turn_to(frame)
        seeing.capture_in_data(exam, case)
        shown = exam.shown()
        seeing.capture_on_screen(shown, case)
        keep(shown, f"{case.name}-sc-{frame}")
    assert exam.errors == []


@pytest.mark.parametrize("regions", REGIONS)
def test_report__is_read_in_words(opened: Opened, regions: str) -> None:
    exam, case = opened.exam, opened.cases[regions]
    exam.open(case.series("SR-TEXT"))
    read = exam.text()
    assert "not for diagnosis" in read
    assert "breast mass 1: assessment: Malignant (probability 71.4 %)" in read
    long = {"none": "80.0 pixels", "one": "40.0 mm", "two": "32.0 mm"}[regions]
    assert f"fetal head 1: occipitofrontal diameter {long}" in read
    assert exam.errors == []


def test_every_object__is_in_the_list_of_series(opened: Opened) -> None:
    listed = opened.exam.listed()
    for case in opened.cases.values():
        roles = {result.role: result.series_instance_uid for result in case.results}
        assert set(roles) >= {"SEG", "SR", "SR-TEXT", "SC", "PR", "PDF", "KOS"}
        assert set(roles.values()) <= set(listed)
        # OHIF 3.13 lists presentation states and key objects, and says that it does not show them.
        assert {role for role, uid in roles.items() if not listed[uid]} == {"PR", "KOS"}
    assert opened.exam.errors == []


def _looked_at(case: Case) -> tuple[int, ...]:
    return (case.frame,) if case.source.number_of_frames == 1 else (EMPTY, case.frame)


def test_phantoms__a_still_and_a_clip__are_seen_right(viewer: Ohif, pacs: Orthanc, tmp_path: Path, keep: Keep) -> None:
    cases = phantoms(tmp_path, pacs)
    with viewer.exam(study_uid(PHANTOMS)) as exam:
        for motion, case in cases.items():
            exam.open(case.series("SEG"))
            seeing.segmentation_in_data(exam, case)
            exam.turn_to(case.frame)
            seeing.segmentation_on_screen(shown := exam.shown(), case)
            keep(shown, f"phantom-{motion}-seg")
            exam.open(case.series("SR"))
            seeing.measurements_in_data(exam, case)
            seeing.measurements_on_screen(shown := exam.shown(), case)
            keep(shown, f"phantom-{motion}-sr")
            exam.open(case.series("SC"))
            exam.turn_to(case.frame)
            seeing.capture_on_screen(shown := exam.shown(), case)
            keep(shown, f"phantom-{motion}-sc")
        assert exam.errors == []
