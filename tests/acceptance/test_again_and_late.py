"""What comes again, late, or changed: nothing runs twice, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from integration.phantom import SampleStudy
from node.jobs import StudyDetail
from tests.acceptance.conftest import BOTH_TASKS
from tests.peers.dcmtk import StoreScp, storescp, storescu
from tests.peers.nodes import RunningNode, node
from tests.peers.processes import wait_until

ONE_ROUTE = [{**BOTH_TASKS[0], "send_to": ["pacs"]}]


def send(running: RunningNode, *files: Path) -> None:
    done = storescu(running.port, files)
    assert done.returncode == 0, done.stdout + done.stderr


def closed_again(running: RunningNode, study: str) -> StudyDetail:
    """Wait until all that was received is indexed, say that the exam is complete, and wait for the results."""
    wait_until(lambda: not running.incoming(), 300, "what was received is indexed")
    running.command("studies", "complete", study)
    return running.wait_results(study)


@pytest.fixture
def head_files(sample: SampleStudy) -> tuple[Path, Path]:
    """The still and the cine of the fetal head."""
    by_subject = {instance.subject: instance.path for instance in sample.instances}
    return by_subject["fetal head still"], by_subject["fetal head cine"]


def _configuration(pacs: StoreScp) -> dict[str, object]:
    return {"peers": {"pacs": pacs.peer}, "routes": ONE_ROUTE}


def test_study__sent_again__nothing_new_anywhere(
    tmp_path: Path, sample: SampleStudy, head_files: tuple[Path, Path]
) -> None:
    with storescp(tmp_path / "pacs") as pacs, node(tmp_path / "node", _configuration(pacs)) as running:
        send(running, head_files[0])
        before = running.wait_results(sample.study_instance_uid)
        there = {path.name: path.stat().st_mtime_ns for path in pacs.files}
        send(running, head_files[0])
        after = closed_again(running, sample.study_instance_uid)
    assert there
    assert {path.name: path.stat().st_mtime_ns for path in pacs.files} == there
    assert len(after.revisions) == 1
    assert [job.id for job in after.jobs] == [job.id for job in before.jobs]
    assert [result.sha256 for result in after.results] == [result.sha256 for result in before.results]
    assert [each.attempt for each in after.deliveries] == [each.attempt for each in before.deliveries]


def test_study__a_clip_comes_late__a_second_revision_runs_that_clip_alone(
    tmp_path: Path, sample: SampleStudy, head_files: tuple[Path, Path]
) -> None:
    with storescp(tmp_path / "pacs") as pacs, node(tmp_path / "node", _configuration(pacs)) as running:
        send(running, head_files[0])
        first = running.wait_results(sample.study_instance_uid)
        send(running, head_files[1])
        second = running.wait_results(sample.study_instance_uid, instances=2)
    assert [revision.number for revision in second.revisions] == [1, 2]
    assert len(first.jobs) == 1
    assert sorted(job.revision_number for job in second.jobs) == [1, 2]
    kept = {result.sop_instance_uid for result in first.results}
    assert kept < {result.sop_instance_uid for result in second.results}


def test_instance__same_uid_with_other_bytes__is_kept_unused_and_flagged(
    tmp_path: Path, own_files: Path, sample: SampleStudy, head_files: tuple[Path, Path]
) -> None:
    changed = own_files / "changed.dcm"
    ds = dcmread(head_files[0])
    ds.ImageComments = "changed"
    ds.save_as(changed)
    with storescp(tmp_path / "pacs") as pacs, node(tmp_path / "node", _configuration(pacs)) as running:
        send(running, head_files[0])
        before = running.wait_results(sample.study_instance_uid)
        send(running, changed)
        after = closed_again(running, sample.study_instance_uid)
        told = running.command("status", sample.study_instance_uid)
        stored = list(running.settings.archive_dir.glob("instances/*/*/*.dcm"))
    assert (after.overview.instances, after.overview.conflicts) == (1, 1)
    assert len(stored) == 2
    assert [job.id for job in after.jobs] == [job.id for job in before.jobs]
    assert "conflict" in told.stdout


def test_node__stopped_and_started_again__goes_on_where_it_was(
    tmp_path: Path, sample: SampleStudy, head_files: tuple[Path, Path]
) -> None:
    with storescp(tmp_path / "pacs") as pacs, node(tmp_path / "node", _configuration(pacs)) as running:
        send(running, head_files[0])
        assert running.terminate() == 0
        assert not running.processes()
        running.start()
        detail = running.wait_results(sample.study_instance_uid)
        assert {job.state.value for job in detail.jobs} == {"done"}
        assert len(pacs.files) == len(detail.results)
