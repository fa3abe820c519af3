"""A whole exam between a scanner, the node and an archive, as it goes where it goes badly.

The scanner tells of its step, sends, completes it, and sends one clip late; meanwhile the archive's reports go astray,
and it goes down and comes back. Nothing is computed too early or twice, and all of it is exact and kept in the end.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from integration.phantom import (
    Encoding,
    HeadTruth,
    Identity,
    Look,
    Scene,
    fetal_head,
    fetal_head_cine,
    phantom_uid,
    write_cine,
    write_still,
)
from node.db import DeliveryState, Signal, StudyState, connect, read
from node.jobs import StudyDetail, list_events
from tests.acceptance.modality import Modality, modality
from tests.integration.results.trees import every, texts
from tests.peers.nodes import RunningNode, node
from tests.peers.orthanc import AE_TITLE, Orthanc, orthanc
from tests.peers.processes import free_port, wait_until

LIMIT_S = 600.0
QUIET_S = 1.0
STEP, OTHER_STEP = phantom_uid("exam", "step"), phantom_uid("exam", "another step")
CHARACTERS, NAME = ["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"
SIZE = (480, 640)
FRAMES = 3
HC, BPD, OFD = "11984-2", "11820-8", "11851-3"  # LOINC, of CID 12005
TELLING = """function ReceivedInstanceFilter(dicom, origin)
  print('received ' .. dicom.SOPInstanceUID)
  return true
end
"""
HC_TOLERANCE = 0.03  # of the phantom's true circumference
SEG, SR, SR_OB = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33"
SC, SC_CLIP, KOS = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.4", "1.2.840.10008.5.1.4.1.1.88.59"
OF_STILL = Counter([SEG, SR, SR_OB, SC])
OF_CLIP = Counter([SEG, SR, SR_OB, SC_CLIP, KOS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of the exam and what is true of it."""

    path: Path
    uid: str
    truths: tuple[HeadTruth, ...]  # one for each frame
    objects: Counter[str]  # SOP classes of its results


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """A patient's fetal head: a still and a clip, and a clip that comes late."""

    study: str
    images: tuple[Image, ...]

    @property
    def files(self) -> list[Path]:
        return [image.path for image in self.images]

    @property
    def in_time(self) -> list[Path]:
        return self.files[:-1]

    @property
    def late(self) -> Path:
        return self.files[-1]


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    """With a name in three scripts, in a character set with escapes."""
    folder = tmp_path_factory.mktemp("scanner")
    still = [fetal_head(7, *SIZE, look=Look())]
    clips = [list(fetal_head_cine(seed, FRAMES, *SIZE, look=Look())) for seed in (7, 11)]
    images = [_image(folder / "still.dcm", 1, still, OF_STILL)]
    images += [_image(folder / f"clip-{number}.dcm", number, clip, OF_CLIP) for number, clip in enumerate(clips, 2)]
    return Exam(study=Identity(study="exam").study_instance_uid, images=tuple(images))


def _image(path: Path, number: int, scenes: Sequence[Scene], objects: Counter[str]) -> Image:
    identity = Identity(study="exam", instance_number=number)
    if len(scenes) == 1:
        write_still(scenes[0], path, identity)
    else:
        write_cine(scenes, path, identity, encoding=Encoding.JPEG)
    ds = dcmread(path)
    ds.SpecificCharacterSet, ds.PatientName = CHARACTERS, NAME
    ds.save_as(path)
    truths = tuple(scene.truth for scene in scenes if isinstance(scene.truth, HeadTruth))
    return Image(path=path, uid=identity.sop_instance_uid, truths=truths, objects=objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hospital:
    """Scanner and node; the archive has a place, and is there or not."""

    scanner: Modality
    node: RunningNode
    folder: Path  # of the archive
    ports: tuple[int, int]  # of the archive: DICOM, HTTP

    def archive(self, *, reports_to: int) -> AbstractContextManager[Orthanc]:
        """The archive up, with the port to which it reports."""
        self.folder.mkdir(exist_ok=True)
        script = self.folder / "telling.lua"
        script.write_text(TELLING)
        return orthanc(
            self.folder,
            modalities={"echocare": ("127.0.0.1", reports_to)},
            dicom_port=self.ports[0],
            http_port=self.ports[1],
            extra={"LuaScripts": [str(script)]},
        )

    def received(self) -> Counter[str]:
        """How often the archive was sent each instance, the same once more included."""
        log = (self.folder / "orthanc.log").read_text(encoding="utf-8", errors="replace")
        return Counter(re.findall(r"received ([0-9.]+)", log))


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    node_port, reports_port, ports = free_port(), free_port(), (free_port(), free_port())
    pacs = {
        "kind": "dimse", "ae_title": AE_TITLE, "host": "127.0.0.1", "port": ports[0], "commitment": True,
        "commitment_wait_s": 2, "commitment_linger_s": 0, "connect_timeout_s": 60, "response_timeout_s": 300,
    }  # fmt: skip
    with modality(node_port, reports_port) as scanner:
        configuration = {
            "node": {"study_quiet_s": QUIET_S},
            "listener": {"dicom_port": node_port, "processes": 2},
            "peers": {"pacs": pacs, "scanner": {**scanner.peer, "connect_timeout_s": 60}},
            "routes": [
                {"name": "heads", "when": 'instance.Modality == "US"', "task": "fetal-head", "send_to": ["pacs"]}
            ],
        }
        with node(tmp_path / "node", configuration) as running:
            yield Hospital(scanner=scanner, node=running, folder=tmp_path / "archive", ports=ports)


def test_exam__from_its_first_step_to_a_late_clip__each_revision_once_exact_and_committed(
    hospital: Hospital, exam: Exam
) -> None:
    scanner, running = hospital.scanner, hospital.node
    with hospital.archive(reports_to=free_port()) as archive:
        _nothing_runs_before_the_step_is_completed(hospital, exam)
        completed_at = datetime.now(UTC)
        scanner.complete(STEP, exam.in_time)
        _sent_is_not_committed_without_a_report(archive, running, exam)
        archive.client.put("/modalities/echocare", json=["ECHOCARE", "127.0.0.1", running.port]).raise_for_status()
        first = _all_committed(running, exam.study, revisions=1)
        assert [revision.closed_by for revision in first.revisions] == [Signal.MPPS]
        assert [job.claimed_first_at >= completed_at for job in first.jobs if job.claimed_first_at] == [True, True]
        assert archive.uids(exam.study) == {result.sop_instance_uid for result in first.results}

    scanner.store([exam.late])
    waiting = _results_wait_for_the_archive(running, exam.study)
    with hospital.archive(reports_to=running.port) as archive:
        second = _all_committed(running, exam.study, revisions=2)
        assert [revision.closed_by for revision in second.revisions] == [Signal.MPPS, Signal.QUIET]
        assert {result.sop_instance_uid for result in second.results} == {
            result.sop_instance_uid for result in (*first.results, *waiting.results)
        }
        _contents_are_exact(archive, running, exam, second)

        scanner.store(exam.files)
        assert scanner.kept(exam.files) == {image.uid for image in exam.images}
        assert _what_there_is(running, exam.study) == _of(second)
        assert archive.total() == len(second.results)
        assert hospital.received() == {result.sop_instance_uid: 1 for result in second.results}
    assert running.terminate() == 0
    said = running.logged()
    assert [word for word in ("Yamada", "山田", "やまだ", "Traceback", exam.study) if word in said] == []


def test_step__of_a_study_that_never_comes__is_an_event_and_holds_up_no_other(
    tmp_path: Path, hospital: Hospital, exam: Exam
) -> None:
    never = tmp_path / "never.dcm"
    ds = dcmread(exam.files[0])
    ds.StudyInstanceUID, ds.SOPInstanceUID = phantom_uid("never"), phantom_uid("never", 1)
    ds.save_as(never)
    hospital.scanner.begin(OTHER_STEP, never)
    hospital.scanner.begin(STEP, exam.files[0])
    hospital.scanner.complete(OTHER_STEP, [never])
    hospital.scanner.store(exam.files[:1])
    hospital.scanner.complete(STEP, exam.files[:1])
    detail = hospital.node.wait_results(exam.study, but_to=("pacs",))
    assert [revision.closed_by for revision in detail.revisions] == [Signal.MPPS]
    assert {job.state.value for job in detail.jobs} == {"done"}
    assert hospital.node.detail(phantom_uid("never")) is None
    assert _events(hospital.node, phantom_uid("never")) == [
        "study.step_begun",
        "study.step_completed",
        "study.announced",
    ]


def _nothing_runs_before_the_step_is_completed(hospital: Hospital, exam: Exam) -> None:
    """Images come, are kept, and the quiet time passes: the study stays open, for the scanner is at work on it."""
    scanner, running = hospital.scanner, hospital.node
    scanner.begin(STEP, exam.files[0])
    for path in exam.in_time:
        scanner.store([path])
        assert scanner.kept([path]) == {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)}
    detail = running.detail(exam.study)
    assert detail is not None
    quiet_over = detail.overview.last_received_at + timedelta(seconds=QUIET_S)
    wait_until(lambda: datetime.now(UTC) > quiet_over, LIMIT_S, "the quiet time is over")
    scanner.kept(exam.in_time)  # the scheduler has looked again
    detail = running.detail(exam.study)
    assert detail is not None
    assert (detail.overview.state, detail.overview.instances) == (StudyState.OPEN, 2)
    assert (detail.revisions, detail.jobs) == ((), ())


def _sent_is_not_committed_without_a_report(archive: Orthanc, running: RunningNode, exam: Exam) -> None:
    """The archive has all, and its report goes to a port where nobody is: that is not taken for a commitment."""
    sent = running.wait_results(exam.study)
    assert archive.uids(exam.study) == {result.sop_instance_uid for result in sent.results}
    wait_until(lambda: "Failure" in _commitment_jobs(archive), LIMIT_S, "the archive could not report")
    detail = running.detail(exam.study)
    assert detail is not None
    assert detail.deliveries
    assert {each.state_words for each in detail.deliveries} == {"sent, not committed"}


def _results_wait_for_the_archive(running: RunningNode, study: str) -> StudyDetail:
    """The late clip is computed while the archive is down; its results wait, and those before stay as they are."""
    detail = running.wait_for(
        study,
        lambda found: (
            len(found.revisions) == 2
            and len(found.jobs) == 3
            and all(job.state == "done" for job in found.jobs)
            and any(each.error for each in found.deliveries)
        ),
        "the late clip is computed, and its delivery was tried",
    )
    (late,) = [job for job in detail.jobs if job.revision_number == 2]
    waiting = [each for each in detail.deliveries if each.job_id == late.id]
    assert {each.state for each in waiting} <= {DeliveryState.READY, DeliveryState.LEASED}
    assert {each.sop_instance_uid for each in waiting} == {
        result.sop_instance_uid for result in detail.results if result.job_id == late.id
    }
    assert any("no connection" in (each.error or "") for each in waiting)
    assert {each.state for each in detail.deliveries if each.job_id != late.id} == {DeliveryState.COMMITTED}
    return detail


def _all_committed(running: RunningNode, study: str, *, revisions: int) -> StudyDetail:
    def committed(found: StudyDetail) -> bool:
        sent = {each.sop_instance_uid for each in found.deliveries if each.state is DeliveryState.COMMITTED}
        return len(found.revisions) == revisions and sent == {result.sop_instance_uid for result in found.results}

    detail = running.wait_for(study, committed, f"all results of {revisions} revisions are committed")
    assert all(each.committed_at is not None for each in detail.deliveries)
    return detail


def _contents_are_exact(archive: Orthanc, running: RunningNode, exam: Exam, detail: StudyDetail) -> None:
    """What the archive gives back is what the node wrote, of the right patient, and says what the task found."""
    results = {result.sop_instance_uid: result for result in detail.results}
    assert archive.uids(exam.study) == set(results)
    assert archive.total() == len(results)
    found = {uid: archive.retrieve(exam.study, result.series_uid, uid) for uid, result in results.items()}
    for uid, ds in found.items():
        assert Dataset(ds) == Dataset(dcmread(running.settings.results_dir / results[uid].path)), results[uid].role
    assert len({result.series_uid for result in results.values()}) == len(results)
    sources = [dcmread(path) for path in running.settings.archive_dir.glob("instances/*/*/*.dcm")]
    assert {str(ds.PatientName) for ds in (*sources, *found.values())} == {NAME}

    answers = json.loads(running.command("predict", "fetal-head", *map(str, exam.files), "--json").stdout)["inputs"]
    numbers = {job.id: job.revision_number for job in detail.jobs}
    for number, (image, answer) in enumerate(zip(exam.images, answers, strict=True), 1):
        assert answer["sop_instance_uid"] == image.uid
        revision = 2 if number == len(exam.images) else 1
        mine = {uid: ds for uid, ds in found.items() if _source(ds) == image.uid}
        assert Counter(str(ds.SOPClassUID) for ds in mine.values()) == image.objects
        assert {numbers[results[uid].job_id] for uid in mine} == {revision}
        assert {_revision(ds) for ds in mine.values()} == {revision}
        for ds in mine.values():
            _says_what_was_found(ds, image, answer["findings"], late=revision == 2)


def _says_what_was_found(ds: Dataset, image: Image, findings: list[dict[str, Any]], *, late: bool) -> None:
    if ds.SOPClassUID == SEG:
        assert int(ds.pixel_array.sum()) == sum(sum(each["mask_rle"][1::2]) for each in findings if "mask_rle" in each)
    if ds.SOPClassUID in (SR, SR_OB):
        quantities = [each for each in findings if each["kind"] == "quantity"]
        said = _figures(ds)
        assert said == {each["code"]["value"]: pytest.approx(each["value"], abs=0.0501) for each in quantities}
        assert {HC, BPD, OFD} <= set(said)
        (frame,) = {each["frame"] for each in quantities}
        assert said[HC] == pytest.approx(image.truths[frame - 1].hc_mm, rel=HC_TOLERANCE)
        # A report that came with a late clip says so, and names none as outdated: no other says anything of this clip.
        assert any("added by revision 2 of the examination" in text for text in texts(ds)) == late
        assert "PredecessorDocumentsSequence" not in ds


def _figures(ds: Dataset) -> dict[str, float]:
    """Lengths in mm by LOINC code, however often they are said."""
    said: dict[str, float] = {}
    for item in every(ds):
        name = item.ConceptNameCodeSequence[0] if "ConceptNameCodeSequence" in item else None
        if item.ValueType == "NUM" and name is not None and name.CodeValue in (HC, BPD, OFD):
            (measured,) = item.MeasuredValueSequence
            assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "mm"
            value = float(measured.NumericValue)
            assert said.setdefault(name.CodeValue, value) == value
    return said


def _source(ds: Dataset) -> str:
    """The image that a result refers to."""
    uids = {
        str(element.value)
        for element in ds.iterall()
        if element.keyword == "ReferencedSOPInstanceUID" and str(element.value) in _SOURCES
    }
    (uid,) = uids
    return uid


_SOURCES = frozenset(Identity(study="exam", instance_number=number).sop_instance_uid for number in (1, 2, 3))


def _revision(ds: Dataset) -> int:
    said = [str(item.get("ContributionDescription", "")) for item in ds.ContributingEquipmentSequence]
    (number,) = [int(match[1]) for each in said if (match := re.search(r"revision (\d+)", each))]
    return number


def _of(detail: StudyDetail) -> tuple[object, ...]:
    """What must not change when the same images come again."""
    return (
        detail.overview.state,
        detail.overview.instances,
        detail.overview.conflicts,
        detail.revisions,
        detail.jobs,
        detail.results,
        detail.deliveries,
    )


def _what_there_is(running: RunningNode, study: str) -> tuple[object, ...]:
    assert not running.incoming()
    detail = running.detail(study)
    assert detail is not None
    return _of(detail)


def _commitment_jobs(archive: Orthanc) -> list[str]:
    """The states of the archive's jobs that report on commitment."""
    jobs: Iterable[dict[str, Any]] = archive.client.get("/jobs", params={"expand": ""}).json()
    return [str(job["State"]) for job in jobs if job["Type"] == "StorageCommitmentScp"]


def _events(running: RunningNode, study: str) -> list[str]:
    engine = connect(running.settings.database)
    try:
        with read(engine) as connection:
            return [each.what for each in list_events(connection, kind="study", key=study)]
    finally:
        engine.dispose()
