"""What belongs to the patient: copied into results exactly, and found nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from integration.phantom import SampleOptions, SampleStudy, sample_study
from tests.acceptance.conftest import BOTH_TASKS
from tests.peers import dciodvfy
from tests.peers.dcmtk import storescu
from tests.peers.nodes import node

OUT = {"kind": "folder", "path": "out"}
FETAL_TO_OUT = {"routes": [{**BOTH_TASKS[0], "send_to": ["out"]}], "peers": {"out": OUT}}
NAMES = {
    "latin": (["ISO_IR 100"], "Müller^Jörg"),
    "gb18030": (["GB18030"], "Wang^XiaoDong=王^小东"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "utf8": (["ISO_IR 192"], "Dvořák^Jiří"),
    "empty": (["ISO_IR 100"], ""),
}
COPIED = ("PatientName", "PatientID", "StudyDescription", "PatientBirthDate", "PatientSex", "AccessionNumber")


def _text(ds: Dataset, keyword: str) -> str:
    """An attribute as a reader sees it, decoded by its own data set's character set; absent is empty."""
    return str(ds.get(keyword, "") or "")


def test_names__in_any_character_set__are_copied_character_for_character(
    tmp_path: Path, own_files: Path, sample: SampleStudy
) -> None:
    still = next(each.path for each in sample.instances if each.subject == "fetal head still")
    sent: dict[str, Path] = {}
    for number, (label, (characters, name)) in enumerate(NAMES.items(), 1):
        ds = dcmread(still)
        ds.SpecificCharacterSet, ds.PatientName = characters, name
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.{number}1", f"2.25.{number}2"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}3"
        sent[label] = own_files / f"{label}.dcm"
        ds.save_as(sent[label])
    with node(tmp_path / "node", FETAL_TO_OUT) as running:
        assert storescu(running.port, list(sent.values())).returncode == 0
        for path in sent.values():
            source = dcmread(path)
            assert _text(source, "PatientName") == NAMES[path.stem][1]
            detail = running.wait_results(str(source.StudyInstanceUID))
            assert {job.state.value for job in detail.jobs} == {"done"}, [job.error for job in detail.jobs]
            for result in detail.results:
                written = running.settings.results_dir / result.path
                ds = dcmread(written)
                for keyword in COPIED:
                    assert _text(ds, keyword) == _text(source, keyword), f"{path.stem}: {keyword} of the {result.role}"
                assert dciodvfy.errors(written) == [], f"{path.stem}: {result.role}"


@pytest.mark.parametrize("logs", ["plain", "json"])
def test_marked_values__through_the_whole_path__are_in_no_log_and_no_answer(
    tmp_path: Path, own_files: Path, logs: str
) -> None:
    options = SampleOptions(salt="marked", frames=3, patient_name="MARKEDNAME^GIVEN", patient_id="MARKEDID-77")
    marked = sample_study(own_files, options=options)
    secrets = {"MARKEDNAME", "MARKEDID", "MARKEDACC", "19331122", "MARKEDDESC"}
    for number, path in enumerate(marked.files):
        ds = dcmread(path)
        ds.AccessionNumber, ds.PatientBirthDate, ds.StudyDescription = "MARKEDACC", "19331122", "MARKEDDESC"
        ds.save_as(path)
        secrets |= {str(ds.SOPInstanceUID), str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID)}
        if number == 0:
            broken = own_files / "broken.dcm"
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.991"
            ds.PixelData = ds.PixelData[:1000]
            ds.save_as(broken)
            secrets.add("2.25.991")
    other = own_files / "other-patient.dcm"
    ds = dcmread(marked.files[0])
    ds.PatientID, ds.StudyInstanceUID = "MARKEDOTHER", "2.25.992"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.993"
    ds.save_as(other)
    twin = own_files / "twin.dcm"
    ds.PatientID, ds.SOPInstanceUID = "MARKEDTWIN", "2.25.994"
    ds.file_meta.MediaStorageSOPInstanceUID = "2.25.994"
    ds.save_as(twin)
    secrets |= {"MARKEDOTHER", "MARKEDTWIN", "2.25.993", "2.25.994"}
    with node(tmp_path / "node", {**FETAL_TO_OUT, "logs": {"format": logs, "level": "DEBUG"}}) as running:
        assert storescu(running.port, [*marked.files, broken, other, twin]).returncode == 0
        detail = running.wait_results(marked.study_instance_uid, instances=4)
        mixed = running.wait_results("2.25.992", instances=2)
        answers = running.command("jobs", "list").stdout + running.command("doctor").stdout
        running.terminate()
        said = running.logged()
    assert sorted(job.state.value for job in detail.jobs) == ["done", "done", "done", "failed"]
    assert {job.state.value for job in mixed.jobs} == {"failed"}
    reasons = " ".join(job.error or "" for job in (*detail.jobs, *mixed.jobs))
    assert reasons.strip()
    assert [secret for secret in sorted(secrets) if secret in said] == []
    patient = {secret for secret in secrets if not secret.startswith("2.25")}
    assert [secret for secret in sorted(patient) if secret in reasons + answers] == []
