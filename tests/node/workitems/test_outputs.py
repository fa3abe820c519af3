"""What a work item says of its results: where each can be had from, and what a peer got instead."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from integration.dicomweb.performed import (
    BADLY_FORMATTED,
    EQUIPMENT_FAILURE,
    NOT_SUPPORTED,
    REJECTED,
    SET_INCOMPLETE,
    UNSPECIFIED,
    Performed,
    set_performed,
)
from integration.dicomweb.workitems import COMPLETED, missing_for, read_new
from node.config import Settings, Workitems
from node.db import write
from node.db.tables import delivery, workitem_job
from node.jobs import finish
from node.workitems import create
from node.workitems.outputs import made_for, reason_of
from tests.node.queued import NOON, claimed, job, new_result
from tests.node.workitems.items import encoded, item

UID = "1.2.826.9.1"
PEERS = Settings.model_validate(
    {
        "peers": {
            "pacs": {"kind": "dimse", "ae_title": "PACS", "host": "pacs.example", "port": 104},
            "web": {"kind": "dicomweb", "url": "https://web.example/dicom-web/"},
            "out": {"kind": "folder", "path": "out"},
        }
    }
).peers


def delivered(engine: sa.Engine, **states: str) -> Dataset:
    """The one item of outputs of a work item with a result whose deliveries stand so."""
    key = job(engine)
    held = claimed(engine)
    create(engine, read_new(encoded(item()), UID), NOON, policy=Workitems(), label="AI")
    finish(engine, held, [new_result(held)], list(states), NOON)
    with write(engine) as connection:
        connection.execute(workitem_job.insert().values(workitem_uid=UID, job_id=key, made=True))
        for destination, state in states.items():
            connection.execute(delivery.update().where(delivery.c.destination == destination).values(state=state))
        made = made_for(connection, UID, PEERS)
    done = Performed(
        station="ECHOCARE", task="fetal-head", package_digest="", began_at=NOON, ended_at=NOON, outputs=made.outputs
    )
    content = Dataset()
    set_performed(content, done)
    assert missing_for(COMPLETED, content) == ()
    (said,) = content.UnifiedProcedureStepPerformedProcedureSequence[0].OutputInformationSequence
    found: Dataset = said
    return found


def test_output__accepted_by_peers__says_how_to_get_it_from_each(engine: sa.Engine) -> None:
    said = delivered(engine, pacs="committed", web="accepted", out="accepted")
    assert [each.RetrieveAETitle for each in said.DICOMRetrievalSequence] == ["PACS"]
    (url,) = [each.RetrieveURL for each in said.WADORSRetrievalSequence]
    assert url == f"https://web.example/dicom-web/studies/{said.StudyInstanceUID}/series/{said.SeriesInstanceUID}"


def test_output__that_no_peer_has_yet__is_referenced_without_a_place(engine: sa.Engine) -> None:
    said = delivered(engine, pacs="ready", web="failed")
    assert len(said.ReferencedSOPSequence) == 1
    assert "DICOMRetrievalSequence" not in said
    assert "WADORSRetrievalSequence" not in said


def test_output__sent_as_something_simpler__is_referenced_as_it_was_sent(engine: sa.Engine) -> None:
    delivered(engine, pacs="accepted")
    with write(engine) as connection:
        connection.execute(delivery.update().values(sent_sop_class="1.2.3", sent_sop_instance_uid="1.2.826.5.5"))
        (output,) = made_for(connection, UID, PEERS).outputs
    assert (output.sop_class, output.sop_instance, output.retrieve_from) == ("1.2.3", "1.2.826.5.5", ("PACS",))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pixels.not-an-image", "110522"),
        ("pixels.truncated", "110521"),
        ("worker.input_missing", "110523"),
        ("lease_expired", "110501"),
        ("worker.patient_disagreement", "110513"),
        (None, "110513"),
    ],
)
def test_reason__of_a_job_that_failed__is_the_nearest_code(code: str | None, reason: str) -> None:
    assert reason_of(code).value == reason


def test_reasons__all__are_in_the_context_group() -> None:
    named = [getattr(codes.cid9300, name) for name in dir(codes.cid9300)]
    group = {(each.value, each.meaning) for each in named if isinstance(each, Code)}
    reasons = (UNSPECIFIED, REJECTED, SET_INCOMPLETE, NOT_SUPPORTED, BADLY_FORMATTED, EQUIPMENT_FAILURE)
    assert {(each.value, each.meaning) for each in reasons} <= group
