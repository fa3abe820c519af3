"""The main job: sent by DCMTK, stored, computed, delivered to Orthanc, given back by DICOMweb, valid, and right."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from integration.phantom import HeadTruth
from node.cli.demo_table import answers_of
from tests.acceptance.conftest import Clinic
from tests.peers import dciodvfy
from tests.peers.dcmtk import echoscu

pytestmark = pytest.mark.xdist_group("clinic")

HC_TOLERANCE = 0.03  # of the phantom's true circumference: the figure of the issue


def test_sample_study__sent_by_storescu__every_job_is_done_and_every_delivery_accepted(clinic: Clinic) -> None:
    assert {job.state.value for job in clinic.detail.jobs} == {"done"}, [job.error for job in clinic.detail.jobs]
    assert len(clinic.detail.jobs) == 2 * len(clinic.sample.files)
    assert {each.state.value for each in clinic.detail.deliveries} == {"accepted"}
    assert {"SEG", "SR", "SR-TEXT", "SC"} <= {result.role for result in clinic.detail.results}


def test_sample_study__stored__is_the_bytes_that_were_sent(clinic: Clinic) -> None:
    sent = sorted(_data_set(path) for path in clinic.sample.files)
    kept = sorted(_data_set(path) for path in clinic.node.settings.archive_dir.glob("instances/*/*/*.dcm"))
    assert kept == sent


def test_results__asked_back_by_dicomweb__are_what_the_node_wrote(clinic: Clinic) -> None:
    written = {result.sop_instance_uid: result for result in clinic.detail.results}
    assert clinic.pacs.uids(clinic.study) == set(written)
    for uid, result in written.items():
        given = clinic.pacs.retrieve(clinic.study, result.series_uid, uid)
        own = dcmread(clinic.node.settings.results_dir / result.path)
        assert Dataset(given) == Dataset(own), result.role


def test_results__judged_by_dciodvfy__have_no_error(clinic: Clinic) -> None:
    faults = {
        f"{role} {path.name}": errors
        for role, paths in clinic.node.results(clinic.detail).items()
        for path in paths
        if (errors := dciodvfy.errors(path))
    }
    assert faults == {}


def test_results__in_the_folder__lie_by_study_series_and_instance(clinic: Clinic) -> None:
    for result in clinic.detail.results:
        name = Path(clinic.study, result.series_uid, f"{result.sop_instance_uid}.dcm")
        copy = clinic.node.folder / "out" / name
        assert copy.read_bytes() == (clinic.node.settings.results_dir / result.path).read_bytes()


@pytest.mark.parametrize("subject", ["fetal head still", "fetal head cine"])
def test_head_circumference__of_the_phantom__is_within_three_percent(clinic: Clinic, subject: str) -> None:
    truth = next(each for each in clinic.sample.instances if each.subject == subject).truths[0]
    assert isinstance(truth, HeadTruth)
    said = [
        answer.line
        for answer in answers_of(clinic.node.settings, clinic.sample, clinic.detail)
        if answer.subject == subject and answer.measure == "hc_mm"
    ]
    assert [line.unit for line in said] == ["mm"]
    assert said[0].value == pytest.approx(truth.hc_mm, rel=HC_TOLERANCE)


def test_breast_mass__of_the_phantom__has_diameters_in_mm(clinic: Clinic) -> None:
    answers = answers_of(clinic.node.settings, clinic.sample, clinic.detail)
    said = {(each.measure, each.line.unit) for each in answers if each.subject == "breast still" and each.measure}
    assert said == {("longest_mm", "mm"), ("perpendicular_mm", "mm")}


def test_wrong_organ__of_the_phantom__gives_no_finding_with_a_reason(clinic: Clinic) -> None:
    answers = answers_of(clinic.node.settings, clinic.sample, clinic.detail)
    wrong = [
        each
        for each in answers
        if each.task == ("fetal-head" if each.subject == "breast still" else "breast-lesion")
        and each.line.name != "Certainty of Finding"
    ]
    assert {each.subject for each in wrong} == {instance.subject for instance in clinic.sample.instances}
    assert all("no finding, because" in each.line.words for each in wrong)


def test_echo__by_echoscu__is_answered(clinic: Clinic) -> None:
    assert echoscu(clinic.node.port)


def _data_set(path: Path) -> bytes:
    """Everything after the File Meta Information, whose length stands in its first element (PS3.10 7.1)."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]
