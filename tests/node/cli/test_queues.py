"""`status`, `studies`, `jobs` and `deliveries` on a database with work in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from pydicom.uid import EnhancedSRStorage
from typer.testing import Result

from node.archive import Archive
from node.config import Settings, load_settings
from node.db import connect, migrate, read, write
from node.db.tables import study
from node.jobs import AsSent, NewResult, Planned, claim, create_jobs, fail, fail_delivery, finish
from node.jobs.deliveries import claim_deliveries
from node.logs import hashed
from node.studies import close_due, index_incoming, instances_of, signal_complete
from node.studies.revisions import Signal
from tests.node.queued import accept_one
from tests.node.received import receive, study_uid

Invoke = Callable[..., Result]
UID = study_uid(1)


@pytest.fixture
def settings(config: Path) -> Settings:
    return load_settings(config, {})


@pytest.fixture
def engine(settings: Settings) -> sa.Engine:
    """One closed study with one job that is done and delivered nowhere yet, and one that failed."""
    now = datetime.now(UTC)
    engine = connect(settings.database)
    migrate(engine)
    archive = Archive(settings.archive_dir)
    receive(archive, 1, 1, "first", now)
    index_incoming(archive, engine, quiet_s=30, now=now)
    archive.close()
    with write(engine) as connection:
        signal_complete(connection, UID, Signal.API, now)
    (revision,) = close_due(engine, now)
    with write(engine) as connection:
        ids = tuple(one.id for one in instances_of(connection, revision.id))
        plans = [
            Planned(
                route=task, task=task, package_digest="0" * 64, route_digest=task.encode().hex(), instance_ids=ids,
                send_to=("out",),
            )
            for task in ("fetal-head", "breast-lesion")
        ]  # fmt: skip
        create_jobs(connection, revision, plans, now=now, policy=settings.jobs)
    done, failed = claim(engine, "worker@test:1:x", now, policy=settings.jobs, limit=2)
    result = NewResult(
        sop_instance_uid="2.25.5",
        sop_class="1.2",
        study_uid=UID,
        series_uid="2.25.6",
        role="SR",
        path="x.dcm",
        sha256="0",
    )
    finish(engine, done, [result], ["out"], now)
    fail(engine, failed, ("pixels.zero-frames", "there is no frame"), retryable=False, now=now, policy=settings.jobs)
    return engine


def test_status__of_all__counts_jobs_and_deliveries(invoke: Invoke, config: Path, engine: sa.Engine) -> None:
    answer = invoke("status", "--json", "--config", config)
    document = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert document["jobs"] == {"done": 1, "failed": 1}
    assert document["deliveries"] == {"out": {"ready": 1}}
    assert [each["study_instance_uid"] for each in document["newest_studies"]] == [UID]


@pytest.mark.parametrize("given", [UID, hashed(UID)])
def test_status__of_a_study_by_uid_or_log_hash__says_why_a_job_failed(
    invoke: Invoke, config: Path, engine: sa.Engine, given: str
) -> None:
    document = json.loads(invoke("status", given, "--json", "--config", config).stdout)
    assert {job["task"]: job["error"] for job in document["job_list"]} == {
        "fetal-head": None,
        "breast-lesion": "there is no frame",
    }
    assert "there is no" in invoke("status", given, "--config", config).stdout


def test_status__of_an_unknown_study__fails(invoke: Invoke, config: Path, engine: sa.Engine) -> None:
    answer = invoke("status", "1.2.3", "--config", config)
    assert answer.exit_code == 1
    assert "nothing of that study was received" in answer.stderr
    assert answer.stdout == ""


def test_status__before_any_node_ran__says_so_and_makes_no_database(invoke: Invoke, config: Path) -> None:
    answer = invoke("status", "--config", config)
    assert answer.exit_code == 1
    assert "no node has run" in answer.stderr
    assert not (config.parent / "var" / "node.db").exists()


def test_jobs__failed_one_retried_and_cancelled__changes_state(invoke: Invoke, config: Path, engine: sa.Engine) -> None:
    def states() -> dict[int, str]:
        listed = json.loads(invoke("jobs", "list", "--json", "--config", config).stdout)["jobs"]
        return {job["id"]: job["state"] for job in listed}

    failed = next(key for key, state in states().items() if state == "failed")
    assert invoke("jobs", "retry", failed, "--config", config).exit_code == 0
    assert states()[failed] == "ready"
    assert invoke("jobs", "cancel", failed, "--config", config).exit_code == 0
    assert states()[failed] == "cancelled"
    again = invoke("jobs", "cancel", failed, "--config", config)
    assert again.exit_code == 1
    assert "cancelled" in again.stderr


def test_jobs_show__of_a_done_job__has_results_and_history(invoke: Invoke, config: Path, engine: sa.Engine) -> None:
    listed = json.loads(invoke("jobs", "list", "--state", "done", "--json", "--config", config).stdout)["jobs"]
    document = json.loads(invoke("jobs", "show", listed[0]["id"], "--json", "--config", config).stdout)
    assert [result["role"] for result in document["results"]] == ["SR"]
    assert "job.finished" in [event["what"] for event in document["events"]]
    assert invoke("jobs", "show", 99, "--config", config).exit_code == 1


def test_deliveries__failed_one_retried__waits_again(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings
) -> None:
    now = datetime.now(UTC)
    (held,) = claim_deliveries(engine, "out", "outbox@test:1:x", now, policy=settings.outbox)
    fail_delivery(engine, held, ("x.refused", "it was refused"), retryable=False, now=now, policy=settings.outbox)
    listed = json.loads(invoke("deliveries", "list", "--state", "failed", "--json", "--config", config).stdout)
    assert [each["error"] for each in listed["deliveries"]] == ["it was refused"]
    assert invoke("deliveries", "retry", held.id, "--config", config).exit_code == 0
    listed = json.loads(invoke("deliveries", "list", "--to", "out", "--json", "--config", config).stdout)
    assert [each["state"] for each in listed["deliveries"]] == ["ready"]


def test_studies_complete__of_an_open_study__leaves_the_signal(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings
) -> None:
    archive = Archive(settings.archive_dir)
    receive(archive, 2, 1, "second", datetime.now(UTC))
    index_incoming(archive, engine, quiet_s=30, now=datetime.now(UTC))
    assert invoke("studies", "complete", study_uid(2), "--config", config).exit_code == 0
    with read(engine) as connection:
        signal = connection.execute(sa.select(study.c.signal).where(study.c.uid == study_uid(2))).scalar_one()
    assert signal == Signal.API
    assert invoke("studies", "complete", "1.2.3", "--config", config).exit_code == 1


def test_reindex__after_the_database_is_gone__finds_the_instance_again(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings
) -> None:
    engine.dispose()
    for path in settings.data_dir.glob("node.db*"):
        path.unlink()
    answer = invoke("reindex", "--json", "--config", config)
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {"files": 1, "added": 1, "unreadable": 0, "missing": 0}


def test_any_command__wrong_configuration__ends_with_two_and_every_fault(invoke: Invoke, config: Path) -> None:
    config.write_text("node: {ae_titel: X}\nlistener: {dicom_port: 70000}\n")
    answer = invoke("status", "--config", config)
    assert answer.exit_code == 2
    assert "ae_titel" in answer.stderr
    assert "dicom_port" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("words", [["jobs", "list", "--state", "lost"], ["no-such-command"], ["send", "nowhere", "."]])
def test_any_command__used_wrongly__ends_with_two(
    invoke: Invoke, config: Path, engine: sa.Engine, words: list[str]
) -> None:
    more = ["--config", config] if words[0] == "jobs" else []
    assert invoke(*words, *more).exit_code == 2


def test_deliveries__accepted_and_not_committed__is_not_shown_as_done(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings
) -> None:
    now = datetime.now(UTC)
    (held,) = claim_deliveries(engine, "out", "outbox@test:1:x", now, policy=settings.outbox)
    accept_one(engine, held, now, commits=True)
    assert "sent, not committed" in invoke("deliveries", "list", "--config", config).stdout
    document = json.loads(invoke("deliveries", "list", "--json", "--config", config).stdout)
    assert [(each["state"], each["awaits_commitment"]) for each in document["deliveries"]] == [("accepted", True)]


def test_deliveries__peer_remarked_and_was_sent_something_else__both_are_shown(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    now = datetime.now(UTC)
    (held,) = claim_deliveries(engine, "out", "outbox@test:1:x", now, policy=settings.outbox)
    sent = AsSent(note="0xB006 elements discarded", sop_class=EnhancedSRStorage, sop_instance_uid="2.25.7")
    accept_one(engine, held, now, sent=sent)
    (document,) = json.loads(invoke("deliveries", "list", "--json", "--config", config).stdout)["deliveries"]
    assert document["note"] == "0xB006 elements discarded"
    assert document["sent_sop_class_uid"] == EnhancedSRStorage
    assert document["sent_sop_instance_uid"] == "2.25.7"
    table = invoke("deliveries", "list", "--config", config).stdout
    assert "sent as Enhanced SR Storage; 0xB006 elements discarded" in " ".join(table.split())


def test_deliveries__destination_is_not_open_yet__says_when_it_goes(
    invoke: Invoke, config: Path, engine: sa.Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    soon = datetime.now().astimezone() + timedelta(hours=12)
    hours = f"{soon:%H:%M}-{soon + timedelta(hours=1):%H:%M}"
    given = yaml.safe_load(config.read_text()) or {}
    peers = {"out": {"kind": "folder", "path": str(config.parent / "var" / "out"), "hours": [hours]}}
    config.write_text(yaml.safe_dump({**given, "peers": peers}))
    table = invoke("deliveries", "list", "--config", config).stdout
    assert re.search(r"in 1[12] h", table)
