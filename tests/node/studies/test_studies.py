from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from node.archive import Archive
from node.config import load_settings
from node.db import DatabaseUnavailable, JobState, Signal, StudyState, connect, read, write
from node.db.tables import instance, revision, study
from node.jobs import claim, finish, list_events, list_jobs
from node.studies import (
    Arrived,
    StudyUnknown,
    arrive,
    close_due,
    close_study,
    due_studies,
    index_incoming,
    inputs_digest,
    instances_of,
    next_quiet,
    reindex,
    signal_complete,
    unrouted_revisions,
)
from tests.node.databases import migrated
from tests.node.queued import NOON, POLICY, arrival, closed_revision, enqueue, new_result, plan, seconds
from tests.node.received import receive


def come(engine: sa.Engine, *arrivals: object) -> list[Arrived]:
    with write(engine) as connection:
        return [arrive(connection, each, quiet_s=30, now=max(NOON, each.received_at)) for each in arrivals]


def state(engine: sa.Engine, uid: str = "1.2.826.1") -> sa.Row:
    with read(engine) as connection:
        return connection.execute(sa.select(study).where(study.c.uid == uid)).one()


def told(engine: sa.Engine, kind: str) -> list[str]:
    with read(engine) as connection:
        return [each.what for each in list_events(connection, kind=kind)]


def test_arrive__new_instance__opens_the_study_until_it_is_quiet(engine: sa.Engine) -> None:
    assert come(engine, arrival(1, 1, at=NOON), arrival(1, 2, at=NOON + seconds(10))) == [Arrived.NEW, Arrived.NEW]
    found = state(engine)
    assert (found.state, found.quiet_until) == (StudyState.OPEN, NOON + seconds(40))
    assert (found.first_received_at, found.last_received_at) == (NOON, NOON + seconds(10))


def test_arrive__out_of_order__is_the_same_study(engine: sa.Engine) -> None:
    come(engine, arrival(1, 2, at=NOON + seconds(10)), arrival(1, 1, at=NOON))
    found = state(engine)
    assert (found.quiet_until, found.first_received_at) == (NOON + seconds(40), NOON)


def test_arrive__time_of_receipt_in_the_future__does_not_keep_the_study_open_for_ever(engine: sa.Engine) -> None:
    with write(engine) as connection:
        arrive(connection, arrival(at=NOON + seconds(86400)), quiet_s=30, now=NOON)
    assert state(engine).quiet_until == NOON + seconds(30)


def test_arrive__same_bytes_again__changes_nothing_but_tells(engine: sa.Engine) -> None:
    first = closed_revision(engine)
    assert come(engine, arrival(at=NOON + seconds(500))) == [Arrived.SAME]
    assert state(engine).state is StudyState.CLOSED
    assert close_due(engine, NOON + seconds(1000)) == ()
    assert told(engine, "instance") == ["instance.received", "instance.sent_again"]
    with read(engine) as connection:
        assert len(instances_of(connection, first.id)) == 1


def test_arrive__other_bytes_under_one_uid__keeps_both_and_uses_the_first(engine: sa.Engine) -> None:
    assert come(engine, arrival(content="first"), arrival(content="other")) == [Arrived.NEW, Arrived.CONFLICT]
    (made,) = close_due(engine, NOON + seconds(31))
    assert made.conflict
    with read(engine) as connection:
        assert [each.sha256 for each in instances_of(connection, made.id)] == [arrival(content="first").sha256]
        assert connection.execute(sa.select(sa.func.count()).select_from(instance)).scalar_one() == 2
    assert told(engine, "instance")[-1] == "instance.conflict"


def test_arrive__other_bytes_after_closing__flags_the_revision_and_makes_none(engine: sa.Engine) -> None:
    first = closed_revision(engine)
    assert not first.conflict
    come(engine, arrival(content="other", at=NOON + seconds(100)))
    assert close_due(engine, NOON + seconds(1000)) == ()
    with read(engine) as connection:
        assert connection.execute(sa.select(revision.c.conflict)).scalars().all() == [True]
    assert state(engine).conflict


def test_arrive__uid_known_from_another_study__is_used_and_flagged(engine: sa.Engine) -> None:
    mine = arrival(1, 1)
    stranger = type(mine)(
        **{name: getattr(arrival(2, 1), name) for name in type(mine).__dataclass_fields__}
        | {"sop_instance_uid": mine.sop_instance_uid}
    )
    assert come(engine, mine, stranger) == [Arrived.NEW, Arrived.NEW]
    assert [each.conflict for each in close_due(engine, NOON + seconds(31))] == [False, True]


def test_close__late_instance__makes_the_next_revision(engine: sa.Engine) -> None:
    closed_revision(engine)
    come(engine, arrival(1, 2, at=NOON + seconds(60)))
    assert close_due(engine, NOON + seconds(89)) == ()
    (second,) = close_due(engine, NOON + seconds(90))
    assert (second.number, second.closed_by) == (2, Signal.QUIET)
    with read(engine) as connection:
        assert len(instances_of(connection, second.id)) == 2
        assert [each.number for each in unrouted_revisions(connection)] == [1, 2]
    assert told(engine, "study") == ["study.opened", "study.closed", "study.reopened", "study.closed"]


def test_close__same_instances_as_before__makes_no_revision(engine: sa.Engine) -> None:
    closed_revision(engine)
    with write(engine) as connection:
        connection.execute(study.update().values(state=StudyState.OPEN))
        assert close_study(connection, "1.2.826.1", Signal.API, NOON) is None
    assert state(engine).state is StudyState.CLOSED


def test_close__study_that_is_not_open__makes_nothing(engine: sa.Engine) -> None:
    closed_revision(engine)
    with write(engine) as connection:
        assert close_study(connection, "1.2.826.1", Signal.API, NOON) is None
        assert close_study(connection, "1.2.826.99", Signal.API, NOON) is None


def test_close__only_one_study_due__leaves_the_other(engine: sa.Engine) -> None:
    come(engine, arrival(1), arrival(2, at=NOON + seconds(20)))
    with read(engine) as connection:
        assert next_quiet(connection) == NOON + seconds(30)
    assert [each.study_uid for each in close_due(engine, NOON + seconds(30))] == ["1.2.826.1"]


def test_signal__before_the_quiet_time__closes_at_once_and_is_recorded(engine: sa.Engine) -> None:
    come(engine, arrival())
    with write(engine) as connection:
        assert signal_complete(connection, "1.2.826.1", Signal.API, NOON + seconds(1))
    (made,) = close_due(engine, NOON + seconds(1))
    assert made.closed_by is Signal.API


def test_signal__weaker_after_stronger__does_not_take_its_place(engine: sa.Engine) -> None:
    come(engine, arrival())
    with write(engine) as connection:
        for signal in (Signal.API, Signal.MPPS, Signal.IAN):
            signal_complete(connection, "1.2.826.1", signal, NOON)
        (due,) = due_studies(connection, NOON)
    assert due.signal is Signal.MPPS


def test_signal__refuted_by_a_later_instance__waits_for_quiet_again(engine: sa.Engine) -> None:
    come(engine, arrival(1, 1))
    with write(engine) as connection:
        signal_complete(connection, "1.2.826.1", Signal.API, NOON + seconds(5))
    come(engine, arrival(1, 2, at=NOON + seconds(6)))
    assert close_due(engine, NOON + seconds(10)) == ()


def test_signal__instance_received_before_but_indexed_after__still_stands(engine: sa.Engine) -> None:
    come(engine, arrival(1, 1))
    with write(engine) as connection:
        signal_complete(connection, "1.2.826.1", Signal.API, NOON + seconds(5))
    come(engine, arrival(1, 2, at=NOON + seconds(4)))
    (made,) = close_due(engine, NOON + seconds(10))
    assert made.closed_by is Signal.API


def test_signal__unknown_study__says_so(engine: sa.Engine) -> None:
    with pytest.raises(StudyUnknown, match="nothing of that study"), write(engine) as connection:
        signal_complete(connection, "1.2.3", Signal.API, NOON)


def test_signal__closed_study__is_told_but_changes_nothing(engine: sa.Engine) -> None:
    closed_revision(engine)
    with write(engine) as connection:
        assert not signal_complete(connection, "1.2.826.1", Signal.MPPS, NOON)
    assert close_due(engine, NOON + seconds(999)) == ()


def test_inputs_digest__order__does_not_matter_and_content_does() -> None:
    assert inputs_digest([("1", "a"), ("2", "b")]) == inputs_digest([("2", "b"), ("1", "a")])
    assert inputs_digest([("1", "a"), ("2", "b")]) != inputs_digest([("1", "b"), ("2", "a")])


def test_index__received_files__are_filed_indexed_and_gone_from_incoming(engine: sa.Engine, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for number in (1, 2, 2):
        receive(archive, 1, number, "first", NOON)
    found = index_incoming(archive, engine, quiet_s=30, now=NOON)
    assert (found.new, found.same, found.seen) == (2, 1, 3)
    assert list(archive.incoming()) == []
    with read(engine) as connection:
        rows = connection.execute(sa.select(instance)).all()
    assert {(row.calling_ae, row.called_ae, row.sop_class) for row in rows} == {
        ("US1", "ECHOCARE", "1.2.840.10008.5.1.4.1.1.6.1")
    }
    assert all((archive.root / row.path).is_file() for row in rows)


def test_index__one_file_is_garbage__the_others_go_on(engine: sa.Engine, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    receive(archive, 1, 1, "first", NOON)
    (archive.root / "incoming" / "0-garbage.dcm").write_bytes(b"no DICOM at all")
    found = index_incoming(archive, engine, quiet_s=30, now=NOON)
    assert (found.new, found.refused) == (1, 1)


def test_index__more_files_than_a_batch__all_go_in(engine: sa.Engine, tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    for number in range(70):
        receive(archive, 1, number, "first", NOON)
    assert index_incoming(archive, engine, quiet_s=30, now=NOON).new == 70


def test_index__database_locked__keeps_the_files_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.db.dialect.BUSY_TIMEOUT_S", 0.01)
    engine = migrated(f"sqlite:///{tmp_path}/node.db")
    archive = Archive(tmp_path / "archive")
    receive(archive, 1, 1, "first", NOON)
    other = connect(f"sqlite:///{tmp_path}/node.db")
    with write(other), pytest.raises(DatabaseUnavailable):
        index_incoming(archive, engine, quiet_s=30, now=NOON)
    assert len(list(archive.incoming())) == 1
    assert index_incoming(archive, engine, quiet_s=30, now=NOON).new == 1


@pytest.fixture
def node_folder(tmp_path: Path) -> Path:
    """A node's folder with two studies received and indexed, one job of each done."""
    settings = load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(tmp_path)})
    engine = migrated(settings.database)
    archive = Archive(settings.archive_dir)
    for number, content in [(1, "first"), (2, "first"), (2, "other")]:
        receive(archive, 1, number, content, NOON + seconds(0 if content == "first" else 5))
    receive(archive, 2, 1, "first", NOON)
    index_incoming(archive, engine, quiet_s=30, now=NOON + seconds(6))
    for made in close_due(engine, NOON + seconds(60)):
        enqueue(engine, plan(engine, made), of=made)
        (held,) = claim(engine, "worker", NOON + seconds(60), policy=POLICY)
        finish(engine, held, [new_result(held)], ["out"], NOON + seconds(61))
    engine.dispose()
    return tmp_path


def used_instances(url: str) -> set[tuple[str, str, bool]]:
    engine = connect(url)
    with read(engine) as connection:
        rows = connection.execute(sa.select(instance)).all()
    engine.dispose()
    return {(row.sop_instance_uid, row.sha256, row.conflict) for row in rows}


def test_reindex__database_lost__has_the_same_instances_and_revisions_again(node_folder: Path) -> None:
    settings = load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(node_folder)})
    before = used_instances(settings.database)
    engine = connect(settings.database)
    with read(engine) as connection:
        digests = set(connection.execute(sa.select(revision.c.inputs_digest)).scalars())
    engine.dispose()
    for path in node_folder.glob("node.db*"):
        path.unlink()
    found = reindex(settings, now=NOON + seconds(3600))
    assert (found.files, found.added, found.unreadable, found.missing) == (4, 4, 0, 0)
    assert used_instances(settings.database) == before
    engine = connect(settings.database)
    assert {each.inputs_digest for each in close_due(engine, NOON + seconds(3600))} == digests
    engine.dispose()


def test_reindex__living_database__keeps_jobs_and_makes_no_revision(node_folder: Path) -> None:
    settings = load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(node_folder)})
    found = reindex(settings, now=NOON + seconds(3600))
    assert (found.files, found.added) == (4, 0)
    engine = connect(settings.database)
    assert close_due(engine, NOON + seconds(7200)) == ()
    with read(engine) as connection:
        assert [each.state for each in list_jobs(connection)] == [JobState.DONE, JobState.DONE]
    engine.dispose()


def test_reindex__files_that_the_index_lacks__are_added_and_their_study_opened(node_folder: Path) -> None:
    settings = load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(node_folder)})
    archive = Archive(settings.archive_dir)
    archive.file_away(receive(archive, 2, 2, "first", NOON + seconds(100)))
    receive(archive, 3, 1, "first", NOON + seconds(100))
    found = reindex(settings, now=NOON + seconds(3600))
    assert (found.files, found.added) == (6, 2)
    engine = connect(settings.database)
    assert [(each.study_uid, each.number) for each in close_due(engine, NOON + seconds(3600))] == [
        ("1.2.826.2", 2),
        ("1.2.826.3", 1),
    ]
    engine.dispose()


def test_reindex__file_gone_or_garbled__is_counted(node_folder: Path) -> None:
    settings = load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(node_folder)})
    first, second, *_ = sorted((settings.archive_dir / "instances").glob("*/*/*.dcm"))
    first.unlink()
    second.write_bytes(b"garbled")
    found = reindex(settings, now=NOON + seconds(3600))
    assert (found.files, found.added, found.unreadable, found.missing) == (2, 0, 1, 1)
