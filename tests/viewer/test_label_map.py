"""A clip whose frames are no whole bytes as one bit a pixel: as a label map it is seen all the same.

As a binary segmentation it is valid, but OHIF 3.13 does not take its frames apart, and Orthanc does not give them out
one by one where the columns are no multiple of 8.
"""

from __future__ import annotations

from pathlib import Path

from integration.results import ResultOptions, SegmentationType
from tests.integration.results.sources import head_findings, write_source
from tests.peers.ohif import Ohif
from tests.peers.orthanc import Orthanc
from tests.viewer import seeing
from tests.viewer.cases import BEST, EMPTY, FRAMES, USED, identified, put, study_uid

NAME = "label map"
ROWS, COLUMNS = 121, 161


def test_label_map__of_an_odd_size__is_seen_right(viewer: Ohif, pacs: Orthanc, tmp_path: Path) -> None:
    path = tmp_path / "source.dcm"
    source = write_source(path, frames=FRAMES, rows=ROWS, columns=COLUMNS, text=identified(NAME, "clip", 1))
    findings = head_findings(source, frames=USED, best=BEST)
    options = ResultOptions(segmentation=SegmentationType.LABELMAP)
    case = put(NAME, path, source, findings, pacs, options=options)
    with viewer.exam(study_uid(NAME)) as exam:
        exam.open(case.series("SEG"))
        seeing.segmentation_in_data(exam, case)
        for frame in (EMPTY, BEST):
            exam.turn_to(frame)
            seeing.segmentation_on_screen(exam.shown(), case)
        assert exam.errors == []
