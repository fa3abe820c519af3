"""Modality Performed Procedure Step and Instance Availability Notification, from the wire to the revision."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from tests.node.listener.caller import ABORT, associated, command, message, request_bytes
from tests.node.services.site import (
    AVAILABILITY,
    PERFORMED_STEP,
    QUIET_S,
    Site,
    availability,
    calling,
    new_step,
    site,
    step_change,
)

IMPLICIT = "1.2.840.10008.1.2"
STEP = "1.2.826.77.1"


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Site]:
    with site(tmp_path, migrated_sqlite) as made:
        yield made


def begin(assoc: Any, study: int = 1, uid: str = STEP) -> int:
    status, _ = assoc.send_n_create(new_step(study), PERFORMED_STEP, uid)
    return int(status.Status)


def change(assoc: Any, ds: Dataset, uid: str = STEP) -> int:
    status, _ = assoc.send_n_set(ds, PERFORMED_STEP, uid)
    return int(status.Status)


def test_completed__all_named_images_here__study_complete_at_once(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        assert begin(assoc) == 0
        node.receive(1, 1, 2)
        node.step()
        assert change(assoc, step_change(None, numbers=[1])) == 0
        assert change(assoc, step_change("COMPLETED", numbers=[1, 2])) == 0
    node.step()
    assert node.revisions(1) == [("mpps", 2)]
    assert {"study.step_begun", "study.step_completed", "study.announced"} <= set(node.events(1))


def test_completed__before_the_images__study_complete_with_the_last_of_them(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        assert begin(assoc) == 0
        assert change(assoc, step_change("COMPLETED", numbers=[1, 2])) == 0
    node.step()
    assert node.detail(1) is None  # nothing of the study has come
    node.receive(1, 1)
    node.step()
    assert node.revisions(1) == []
    node.receive(1, 2)
    node.step()
    assert node.revisions(1) == [("mpps", 2)]


def test_completed__after_a_long_pause_and_before_the_last_image__study_waits_for_it(node: Site) -> None:
    node.later(-3 * QUIET_S)
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        node.receive(1, 1)
        node.step()
        node.later(3 * QUIET_S)
        assert change(assoc, step_change("COMPLETED", numbers=[1, 2])) == 0
    node.step()
    assert node.revisions(1) == []
    node.receive(1, 2)
    node.step()
    assert node.revisions(1) == [("mpps", 2)]


def test_completed__an_image_never_comes__quiet_timer_closes_and_the_image_makes_a_revision(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        node.receive(1, 1)
        change(assoc, step_change("COMPLETED", numbers=[1, 2]))
    node.step()
    node.later(QUIET_S)
    node.step()
    assert node.revisions(1) == [("quiet", 1)]
    node.receive(1, 2)
    node.step()
    assert node.revisions(1) == [("quiet", 1), ("mpps", 2)]


def test_completed__late_clip__makes_the_next_revision_by_the_quiet_timer(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        node.receive(1, 1)
        change(assoc, step_change("COMPLETED", numbers=[1]))
    node.step()
    node.receive(1, 2)
    node.step()
    assert node.revisions(1) == [("mpps", 1)]
    node.later(QUIET_S)
    node.step()
    assert node.revisions(1) == [("mpps", 1), ("quiet", 2)]


def test_completed__naming_nothing__quiet_timer_as_usual(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        node.receive(1, 1)
        node.step()
        assert change(assoc, step_change("COMPLETED")) == 0
    node.step()
    assert node.revisions(1) == []
    node.later(QUIET_S)
    node.step()
    assert node.revisions(1) == [("quiet", 1)]


def test_in_progress__long_pause__study_stays_open_until_the_hold_is_over(node: Site) -> None:
    node.receive(1, 1)
    node.step()
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
    node.receive(1, 2)
    node.step()
    node.later(node.settings.node.step_hold_s - 5)
    node.step()
    assert node.revisions(1) == []
    node.later(10)
    node.step()
    assert node.revisions(1) == [("quiet", 2)]


def test_discontinued__what_came_stays_and_closes_by_the_quiet_timer(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        node.receive(1, 1)
        node.step()
        assert change(assoc, step_change("DISCONTINUED", numbers=[1])) == 0
    node.step()
    assert node.revisions(1) == []
    node.later(QUIET_S)
    node.step()
    assert node.revisions(1) == [("quiet", 1)]
    assert "study.step_discontinued" in node.events(1)


def test_two_steps__one_completed__study_waits_for_the_other(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc, uid=f"{STEP}.1")
        begin(assoc, uid=f"{STEP}.2")
        node.receive(1, 1, 2)
        change(assoc, step_change("COMPLETED", numbers=[1]), f"{STEP}.1")
        node.step()
        assert node.revisions(1) == []
        change(assoc, step_change("COMPLETED", numbers=[2]), f"{STEP}.2")
    node.step()
    assert node.revisions(1) == [("mpps", 2)]


def test_n_set__unknown_step__no_such_object_instance(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        assert change(assoc, step_change("COMPLETED", numbers=[1])) == 0x0112
        assert begin(assoc) == 0


@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
def test_n_set__step_has_ended__may_no_longer_be_updated(node: Site, final: str) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        assert change(assoc, step_change(final, numbers=[1])) == 0
        status, _ = assoc.send_n_set(step_change("COMPLETED", numbers=[1, 2]), PERFORMED_STEP, STEP)
        assert (status.Status, status.ErrorID) == (0x0110, 0xA710)
        assert "may no longer be updated" in status.ErrorComment


def test_n_create__same_step_twice__duplicate(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        assert (begin(assoc), begin(assoc)) == (0, 0x0111)


def test_n_create__no_uid__gets_one_that_can_be_set(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        status, _ = assoc.send_n_create(new_step(1), PERFORMED_STEP)
        assert status.Status == 0
        # pynetdicom keeps the response's UID to itself: the node's events tell that there is one step.
        assert node.events(1) == ["study.step_begun"]


def without(keyword: str) -> Dataset:
    ds = new_step(1)
    delattr(ds, keyword)
    return ds


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        (new_step(1, "COMPLETED"), 0x0106),
        (new_step(1, "PAUSED"), 0x0106),
        (new_step(1, ""), 0x0121),
        (without("PerformedProcedureStepStatus"), 0x0120),
        (without("ScheduledStepAttributesSequence"), 0x0120),
    ],
)
def test_n_create__attribute_wrong_or_missing__is_refused_and_nothing_kept(
    node: Site, attributes: Dataset, status: int
) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        answer, _ = assoc.send_n_create(attributes, PERFORMED_STEP, STEP)
        assert answer.Status == status
        assert begin(assoc) == 0


ENDLESS = bytes.fromhex("40007002 ffffffff feff00e0 ffffffff 20000d00")  # a sequence without its end


@pytest.mark.parametrize(("data", "status"), [(ENDLESS, 0x0110), (b"garbage", 0x0120), (None, 0x0120)])
def test_n_create__garbage_or_nothing__is_refused_and_the_association_goes_on(
    node: Site, data: bytes | None, status: int
) -> None:
    request = request_bytes([(PERFORMED_STEP, [IMPLICIT])])
    with associated(node.port, request) as caller:
        for message_id in (1, 2):
            asked = command(
                0x0140, sop_class=PERFORMED_STEP, instance=STEP, data_set=data is not None, message_id=message_id
            )
            caller.send(message(1, asked, data))
            answer = caller.response()
            assert (answer.status, answer.field, answer.message_id) == (status, 0x8140, message_id)


def test_n_create__database_away__says_so_and_works_when_it_is_back(node: Site) -> None:
    database = node.settings.data_dir / "node.db"
    aside = database.with_name("aside.db")
    with calling(node, PERFORMED_STEP) as assoc:
        database.rename(aside)
        database.mkdir()
        assert begin(assoc) == 0x0213
        database.rmdir()
        aside.rename(database)
        assert begin(assoc) == 0


def test_peer__associates_and_says_nothing__is_aborted_and_others_are_served(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    with site(tmp_path, migrated_sqlite, idle_timeout_s=0.5) as node:
        with associated(node.port, request_bytes([(PERFORMED_STEP, [IMPLICIT])])) as silent:
            with calling(node, PERFORMED_STEP) as assoc:
                assert begin(assoc) == 0
            pdu = silent.receive()
            assert pdu is not None
            assert pdu.kind == ABORT


def test_peer__breaks_off_within_a_data_set__nothing_is_kept(node: Site) -> None:
    with associated(node.port, request_bytes([(PERFORMED_STEP, [IMPLICIT])])) as caller:
        asked = command(0x0140, sop_class=PERFORMED_STEP, instance=STEP, data_set=True)
        caller.send(message(1, asked))
        caller.connection.shutdown(socket.SHUT_RDWR)
    with calling(node, PERFORMED_STEP) as assoc:
        assert begin(assoc) == 0


def test_availability__all_named_here__study_complete_at_once(node: Site) -> None:
    node.receive(1, 1, 2)
    with calling(node, AVAILABILITY) as assoc:
        status, _ = assoc.send_n_create(availability(1, {1: "ONLINE", 2: "NEARLINE"}), AVAILABILITY, "1.2.826.78.1")
        assert status.Status == 0
    node.step()
    assert node.revisions(1) == [("ian", 2)]


def test_availability__some_not_here__waits_for_them_but_not_for_the_unavailable(node: Site) -> None:
    node.receive(1, 1)
    with calling(node, AVAILABILITY) as assoc:
        said = availability(1, {1: "ONLINE", 2: "ONLINE", 3: "UNAVAILABLE"})
        assert assoc.send_n_create(said, AVAILABILITY, "1.2.826.78.1")[0].Status == 0
    node.step()
    assert node.revisions(1) == []
    node.receive(1, 2)
    node.step()
    assert node.revisions(1) == [("ian", 2)]


def test_availability__nothing_available__is_taken_and_changes_nothing(node: Site) -> None:
    node.receive(1, 1)
    with calling(node, AVAILABILITY) as assoc:
        assert assoc.send_n_create(availability(1, {1: "UNAVAILABLE"}), AVAILABILITY, "1.2.826.78.1")[0].Status == 0
    node.step()
    assert node.revisions(1) == []


@pytest.mark.parametrize(
    ("said", "status"), [(availability(1, {1: "SOMEWHERE"}), 0x0106), (availability(1, {}), 0x0120)]
)
def test_availability__wrong_or_empty__is_refused(node: Site, said: Dataset, status: int) -> None:
    with calling(node, AVAILABILITY) as assoc:
        assert assoc.send_n_create(said, AVAILABILITY, "1.2.826.78.1")[0].Status == status


def test_availability__same_notification_twice__duplicate(node: Site) -> None:
    with calling(node, AVAILABILITY) as assoc:
        statuses = [
            assoc.send_n_create(availability(1, {1: "ONLINE"}), AVAILABILITY, "1.2.826.78.1")[0].Status
            for _ in range(2)
        ]
    assert statuses == [0, 0x0111]


def test_announced__nothing_comes_for_long__is_forgotten(node: Site) -> None:
    with calling(node, PERFORMED_STEP) as assoc:
        begin(assoc)
        change(assoc, step_change("COMPLETED", numbers=[1]))
    node.later(node.settings.node.announced_keep_s + 1)
    node.receive(1, 1)
    node.step()
    assert node.revisions(1) == []
    assert node.detail(1) is not None
