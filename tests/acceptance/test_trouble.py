"""Trouble of the disk, the database and the destinations, and what the node does meanwhile and afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

from integration.phantom import SampleStudy
from tests.acceptance.conftest import BOTH_TASKS
from tests.peers.dcmtk import storescp, storescu
from tests.peers.nodes import node
from tests.peers.processes import free_port, wait_until

A700 = 0xA7  # storescu ends with the high byte of the status
MARGIN = 400 * 2**20  # other programs use the same disk
TO_BOTH = [{**BOTH_TASKS[0], "send_to": ["pacs", "out"]}]
OUT = {"kind": "folder", "path": "out"}


def still(sample: SampleStudy) -> Path:
    return next(each.path for each in sample.instances if each.subject == "fetal head still")


def test_disk__fills_up_and_empties__answers_a700_and_recovers_alone(tmp_path: Path, sample: SampleStudy) -> None:
    state = os.statvfs(tmp_path)
    reserve = state.f_bavail * state.f_frsize - MARGIN
    ballast = tmp_path / "ballast"
    with node(
        tmp_path / "node", {"node": {"data_dir": "var", "study_quiet_s": 1, "min_free_bytes": reserve}}
    ) as running:
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 2 * MARGIN)
        refused = storescu(running.port, [still(sample)])
        kept = list(running.settings.archive_dir.rglob("*.dcm"))
        ballast.unlink()
        wait_until(lambda: storescu(running.port, [still(sample)]).returncode == 0, 120, "intake recovers")
        detail = running.wait_results(sample.study_instance_uid)
    assert refused.returncode == A700
    assert "OutOfResources" in refused.stdout + refused.stderr
    assert kept == []
    assert {job.state.value for job in detail.jobs} == {"done"}


def test_archive__folder_gone_and_back__refuses_and_recovers_alone(tmp_path: Path, sample: SampleStudy) -> None:
    with node(tmp_path / "node") as running:
        incoming = running.settings.archive_dir / "incoming"
        shutil.rmtree(incoming)
        incoming.write_text("in the way")
        refused = storescu(running.port, [still(sample)])
        incoming.unlink()
        incoming.mkdir()
        wait_until(lambda: storescu(running.port, [still(sample)]).returncode == 0, 120, "intake recovers")
        detail = running.wait_results(sample.study_instance_uid)
    assert refused.returncode == A700
    assert "OutOfResources" in refused.stdout + refused.stderr
    assert detail.overview.instances == 1


def test_database__locked_for_a_while__acknowledged_instances_are_worked_on_later(
    tmp_path: Path, sample: SampleStudy
) -> None:
    with node(tmp_path / "node", {"routes": [{**BOTH_TASKS[0], "send_to": ["out"]}], "peers": {"out": OUT}}) as running:
        path = running.settings.database.removeprefix("sqlite:///")
        wait_until(lambda: Path(path).exists(), 30, "the database is there")
        locked = sqlite3.connect(path, isolation_level=None, timeout=30)
        locked.execute("BEGIN EXCLUSIVE")
        sent = storescu(running.port, [still(sample)])
        waiting = len(running.incoming())
        locked.execute("ROLLBACK")
        locked.close()
        detail = running.wait_results(sample.study_instance_uid)
    assert sent.returncode == 0
    assert waiting == 1
    assert {each.state.value for each in detail.deliveries} == {"accepted"}


def test_destination__down__others_get_results_and_it_gets_them_when_it_is_back(
    tmp_path: Path, sample: SampleStudy
) -> None:
    port = free_port()
    pacs = {"kind": "dimse", "ae_title": "STORESCP", "host": "127.0.0.1", "port": port, "connect_timeout_s": 1}
    with node(tmp_path / "node", {"peers": {"pacs": pacs, "out": OUT}, "routes": TO_BOTH}) as running:
        assert storescu(running.port, [still(sample)]).returncode == 0
        running.wait_results(sample.study_instance_uid, but_to=("pacs",))
        running.wait_for(
            sample.study_instance_uid,
            lambda detail: any(each.error for each in detail.deliveries if each.destination == "pacs"),
            "the reason is written down",
        )
        told = json.loads(running.command("status", sample.study_instance_uid, "--json").stdout)
        overall = json.loads(running.command("status", "--json").stdout)
        with storescp(tmp_path / "pacs", port=port) as peer:
            detail = running.wait_results(sample.study_instance_uid)
            received = len(peer.files)
    waiting = [each for each in told["delivery_list"] if each["destination"] == "pacs"]
    assert waiting
    assert all(each["state"] in ("ready", "leased") for each in waiting)
    assert any("no connection" in (each["error"] or "") for each in waiting)
    assert overall["deliveries"]["out"] == {"accepted": len(detail.results)}
    assert {each.state.value for each in detail.deliveries} == {"accepted"}
    assert received == len(detail.results)


def test_destination__aborts_during_each_store__is_tried_again_and_others_are_served(
    tmp_path: Path, sample: SampleStudy
) -> None:
    with storescp(tmp_path / "bad", "--abort-during") as bad:
        peers = {"pacs": bad.peer, "out": OUT}
        with node(tmp_path / "node", {"peers": peers, "routes": TO_BOTH}) as running:
            assert storescu(running.port, [still(sample)]).returncode == 0
            detail = running.wait_results(sample.study_instance_uid, but_to=("pacs",))
            again = running.wait_for(
                sample.study_instance_uid,
                lambda found: any(each.attempt > 1 for each in found.deliveries if each.destination == "pacs"),
                "it is tried again",
            )
    assert {each.state.value for each in detail.deliveries if each.destination == "out"} == {"accepted"}
    assert any("dimse.aborted" == each.error_code for each in again.deliveries if each.destination == "pacs")
