"""A modality that sends what no data set should be, among others that are right: from the wire to the index."""

from __future__ import annotations

import struct
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pynetdicom.dsutils import encode

from integration.dimse import read_commitment_report
from node.archive.beginning import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.db import read
from node.db.tables import commitment_request as commitment_request_table
from node.db.tables import instance
from node.jobs import list_events, studies_overview
from node.services.safekeeping import claim_for_association
from tests.node.archive.samples import US_IMAGE, encoded, still
from tests.node.listener.caller import associated, echo_command, message, request_bytes, store_command
from tests.node.received import instance_uid
from tests.node.services.site import COMMITMENT, WELL_KNOWN, commitment_request, reference, site

GB = 10**9
PIXELS = b"\xe0\x7f\x10\x00OB\0\0"
PATIENT = b"\x10\x00\x10\x00PN"


def sent(uid: str) -> bytes:
    return encoded(still(uid, side=100))


def with_pixels_of(uid: str, length: int) -> bytes:
    """Says that its pixels are so long; they are not."""
    head, _, rest = sent(uid).partition(PIXELS)
    return head + PIXELS + struct.pack("<I", length) + rest[4:]


def with_element_of(uid: str, length: int) -> bytes:
    """Has, before its patient, an element that says that it is so long."""
    head, patient, rest = sent(uid).partition(PATIENT)
    return head + b"\x09\x00\x01\x10UN\0\0" + struct.pack("<I", length) + b"\0\0" + patient + rest


def with_study(uid: str, study: str) -> bytes:
    """Of a study of that name, which pydicom would not write without a word."""
    return sent(uid).replace(b"1.2.3\0", study.encode().ljust(6, b"\0"))


FILED = {
    "1.2.3.11": with_pixels_of("1.2.3.11", 3 * GB),
    "1.2.3.12": sent("1.2.3.12")[:-5000],
    "1.2.3.13": sent("1.2.3.13") + b"\xff" * 4096,
    "1.2.3.14": encoded(still("1.2.3.14", PatientName="OTHER^PATIENT", PatientID="OTHER")),
}
QUARANTINED = {
    "1.2.3.21": with_element_of("1.2.3.21", 3 * GB),
    "1.2.3.22": sent("1.2.3.22").partition(PATIENT)[0],
    "1.2.3.23": with_study("1.2.3.23", "../../"),
    "1.2.3.24": with_study("1.2.3.24", "1.2.x"),
    "1.2.3.25": with_study("1.2.3.25", ""),
}


def test_data_sets__cut_off_prolonged_or_of_no_study__are_kept_told_and_never_in_the_way(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    good = {f"1.2.3.{number}": sent(f"1.2.3.{number}") for number in range(31, 33)}
    with site(tmp_path, migrated_sqlite) as node:
        with associated(node.port, request_bytes([(US_IMAGE, [EXPLICIT_LITTLE])])) as caller:
            for uid, body in {**FILED, **QUARANTINED, **good}.items():
                caller.send(message(1, store_command(uid), body))
                assert caller.response().status == 0  # the bytes are safe, whatever they are worth
        node.step()
        with read(node.engine) as connection:
            filed = set(connection.execute(sa.select(instance.c.sop_instance_uid)).scalars())
            told = [each for each in list_events(connection, kind="instance") if each.what == "instance.quarantined"]
            (study,) = studies_overview(connection)
        assert filed == {*FILED, *good}
        assert (study.uid, study.instances) == ("1.2.3", len(filed))
        kept = sorted((node.archive.root / "quarantine").glob("*.dcm"))
        assert [path.read_bytes().endswith(QUARANTINED[uid]) for path, uid in zip(kept, QUARANTINED, strict=True)] == (
            [True] * len(QUARANTINED)
        )
        assert {each.key for each in told} == {path.stem for path in kept}
        assert all(
            "StudyInstanceUID" in str(each.details["reason"]) or "read" in str(each.details["reason"]) for each in told
        )
        assert not any(word in str(each.details) for each in told for word in ("PHANTOM", "../", "1.2.x"))
        assert list(node.archive.incoming()) == []


def n_action(message_id: int = 1) -> bytes:
    """A request for storage commitment."""
    elements = [
        (0x0003, COMMITMENT.encode()), (0x0100, struct.pack("<H", 0x0130)), (0x0110, struct.pack("<H", message_id)),
        (0x0800, struct.pack("<H", 1)), (0x1001, WELL_KNOWN.encode()), (0x1008, struct.pack("<H", 1)),
    ]  # fmt: skip
    body = b"".join(
        struct.pack("<HHI", 0, element, len(value) + len(value) % 2) + value + b"\0" * (len(value) % 2)
        for element, value in elements
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


@pytest.mark.timeout(900)
def test_commitment__of_ten_thousand_instances__each_is_answered_for_and_others_are_served(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    most = 10_000
    asked = commitment_request("1.2.826.99.1", *(reference(1, number) for number in range(1, most + 1)))
    body = encode(asked, True, True)
    with site(tmp_path, migrated_sqlite) as node:
        node.receive(1, 1, 5000, most)
        with associated(node.port, request_bytes([(COMMITMENT, [IMPLICIT_LITTLE])])) as caller:
            caller.connection.settimeout(250)
            caller.send(message(1, n_action(), body))
            with associated(node.port) as other:
                other.send(message(1, echo_command()))
                assert other.response().status == 0
            assert caller.response().status == 0
        node.step()
        with read(node.engine) as connection:
            row = connection.execute(sa.select(commitment_request_table)).one()
        early = row.requested_at - timedelta(seconds=1)
        report = claim_for_association(node.engine, row.id, IMPLICIT_LITTLE, early)
    assert report is not None and report.event_type == 2
    found = read_commitment_report(report.event_information, IMPLICIT_LITTLE)
    assert [each.sop_instance for each in found.committed] == [instance_uid(1, number) for number in (1, 5000, most)]
    assert len(found.failed) == most - 3
    assert {reason for _, reason in found.failed} == {0x0112}
