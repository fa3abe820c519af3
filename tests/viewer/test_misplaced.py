"""The checks of the viewer are worth something: what lies in a wrong place is caught by each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.results.sources import head_findings, lesion_findings, write_source
from tests.peers.ohif import Exam, Ohif
from tests.peers.orthanc import Orthanc
from tests.viewer import seeing
from tests.viewer.cases import BEST, FRAMES, USED, Case, identified, moved, put, study_uid

NAME = "misplaced"
MISPLACED = {"nothing": {}, "right": {"right": 2}, "down": {"down": 2}, "next frame": {"frames": 1}}


@pytest.fixture(scope="module")
def exam(viewer: Ohif, cases: dict[str, Case]) -> Iterator[Exam]:
    with viewer.exam(study_uid(NAME)) as opened:
        yield opened


@pytest.fixture(scope="module")
def cases(viewer: Ohif, pacs: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """By what was done to the results; the findings of each are the true ones."""
    folder = tmp_path_factory.mktemp("misplaced")
    made = {}
    for number, (what, by) in enumerate(MISPLACED.items(), 1):
        path = folder / f"{number}.dcm"
        source = write_source(path, frames=FRAMES + 1, text=identified(NAME, what, number))
        truth = (*head_findings(source, frames=USED, best=BEST), *lesion_findings(source, frame=BEST))
        case = put(f"{NAME}-{number}", path, source, moved(truth, **by), pacs)
        made[what] = replace(case, findings=truth)
    return made


@pytest.mark.parametrize("what", MISPLACED)
def test_misplaced__is_caught_in_the_data_and_on_the_screen(exam: Exam, cases: dict[str, Case], what: str) -> None:
    case = cases[what]
    caught = []
    for role, frame, in_data, on_screen in (
        ("SEG", case.frames[0], seeing.segmentation_in_data, seeing.segmentation_on_screen),
        ("SR", case.frame, seeing.measurements_in_data, seeing.measurements_on_screen),
        ("SC", case.frame, seeing.capture_in_data, seeing.capture_on_screen),
    ):
        exam.open(case.series(role))
        exam.turn_to(frame)
        caught += [_fails(in_data, exam, case), _fails(on_screen, exam.shown(), case)]
    assert caught == [what != "nothing"] * 6


def _fails(check: Callable[[Any, Case], None], where: object, case: Case) -> bool:
    try:
        check(where, case)
    except AssertionError:
        return True
    return False
