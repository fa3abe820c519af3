"""C-STORE: statuses, and the bytes that are kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.archive import Archive
from node.archive.beginning import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.wake import Wake
from tests.node.archive.samples import US_IMAGE, US_MULTIFRAME, data_set_bytes, encoded, still
from tests.node.listener.caller import (
    associated,
    command,
    data_pdu,
    echo_command,
    message,
    pdv,
    request_bytes,
    store_command,
)
from tests.node.listener.running import Running, listening


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    with listening(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with listening(tmp_path_factory.mktemp("node")) as running:
        yield running


def test_store__acknowledged__file_is_there_byte_for_byte(node: Running) -> None:
    with associated(node.port) as caller:
        bodies = []
        for number in range(5):
            body = encoded(still(f"1.2.3.{number}", side=100 + number))
            bodies.append(body)
            caller.send(message(3, store_command(f"1.2.3.{number}", message_id=number + 1), body))
            response = caller.response()
            assert (response.status, response.field, response.message_id) == (0, 0x8001, number + 1)
            assert [data_set_bytes(path) for path in node.received()] == bodies


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    side=st.integers(4, 300),
    cuts=st.lists(st.integers(0, 90000), max_size=8),
    steps=st.lists(st.integers(1, 30000), min_size=1, max_size=5),
)
def test_store__any_fragmentation_on_the_wire__same_bytes(
    lasting_node: Running, side: int, cuts: list[int], steps: list[int]
) -> None:
    for path in lasting_node.received():
        path.unlink()
    body = encoded(still(side=side))
    edges = sorted({min(cut, len(body)) for cut in cuts})
    pieces = [body[a:b] for a, b in zip([0, *edges], [*edges, len(body)], strict=True)]
    pdus = data_pdu(pdv(3, store_command(), is_command=True, is_last=True)) + b"".join(
        data_pdu(pdv(3, piece, is_command=False, is_last=index == len(pieces) - 1))
        for index, piece in enumerate(pieces)
    )
    with associated(lasting_node.port) as caller:
        at = 0
        while at < len(pdus):
            step = steps[at % len(steps)]
            caller.send(pdus[at : at + step])
            at += step
        assert caller.response().status == 0
        caller.release()
    (path,) = lasting_node.received()
    assert data_set_bytes(path) == body


@pytest.mark.parametrize(
    ("command_set", "body", "status"),
    [
        (store_command("1.2.3.9"), encoded(still("1.2.3.4")), 0xA900),
        (store_command(), encoded(still(sop_class=US_MULTIFRAME)), 0xA900),
        (store_command(sop_class=US_MULTIFRAME), encoded(still(sop_class=US_MULTIFRAME)), 0x0122),
        (store_command(), b"", 0xC000),
        (store_command(), b"garbage" * 1000, 0xC000),
        (store_command(), bytes(100_000), 0xC000),
        (store_command(), encoded(still(), IMPLICIT_LITTLE), 0xC000),
        (store_command(), encoded(still())[:40], 0xC000),
        (store_command(), encoded(still()).replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x19\x00UI"), 0xC000),
        (store_command("../../../etc/passwd"), encoded(still()), 0x0117),
        (store_command("1" * 65), encoded(still()), 0x0117),
        (command(0x0001, sop_class=US_IMAGE, data_set=True), encoded(still()), 0xC000),
        (command(0x0001, sop_class=US_IMAGE, instance="1.2.3.4"), None, 0xC000),
    ],
)
def test_store__cannot_be_taken__status_comment_and_nothing_kept(
    node: Running, command_set: bytes, body: bytes | None, status: int
) -> None:
    with associated(node.port) as caller:
        caller.send(message(3, command_set, body))
        response = caller.response()
        assert response.status == status
        assert 0 < len(response.comment) <= 64
        assert node.received() == []
        caller.send(message(3, store_command(), encoded(still())))
        assert caller.response().status == 0
        assert len(node.received()) == 1


def test_store__starts_well_and_is_garbage_later__is_stored_as_it_came(node: Running) -> None:
    body = encoded(still())[:150] + b"\xff" * 5000
    with associated(node.port) as caller:
        caller.send(message(3, store_command(), body))
        assert caller.response().status == 0
    assert [data_set_bytes(path) for path in node.received()] == [body]


def test_store__one_byte_fragments__are_taken(node: Running) -> None:
    body = encoded(still(side=4))
    pdvs = [pdv(3, body[at : at + 1], is_command=False, is_last=at == len(body) - 1) for at in range(len(body))]
    with associated(node.port) as caller:
        caller.send(message(3, store_command()))
        caller.send(data_pdu(*pdvs[:100]) + b"".join(data_pdu(each) for each in pdvs[100:]))
        assert caller.response().status == 0
    assert [data_set_bytes(path) for path in node.received()] == [body]


def test_store__less_free_than_the_reserve__out_of_resources_and_recovers(tmp_path: Path) -> None:
    with listening(tmp_path, min_free_bytes=2**62) as node, associated(node.port) as caller:
        caller.send(message(3, store_command(), encoded(still(side=300))))
        response = caller.response()
        assert (response.status, response.comment) == (0xA700, "not enough free disk space")
        assert node.received() == []
        assert node.parts() == []
        caller.send(message(1, echo_command()))
        assert caller.response().status == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("step", ["write", "fdatasync", "rename"])
def test_store__disk_fails__out_of_resources_then_recovers_alone(
    node: Running, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    real = getattr(os, step)
    broken = [True]

    def sometimes(*args: object) -> object:
        if broken[0]:
            raise OSError(number, os.strerror(number))
        return real(*args)

    with associated(node.port) as caller:
        monkeypatch.setattr(os, step, sometimes)
        caller.send(message(3, store_command(), encoded(still(side=300))))
        response = caller.response()
        assert response.status == 0xA700
        assert response.comment
        assert node.received() == []
        broken[0] = False
        caller.send(message(3, store_command(), encoded(still(side=300))))
        assert caller.response().status == 0
        assert len(node.received()) == 1


def test_store__folder_is_gone__out_of_resources(node: Running) -> None:
    incoming = node.root / "archive" / "incoming"
    with associated(node.port) as caller:
        shutil.rmtree(incoming)
        caller.send(message(3, store_command(), encoded(still())))
        assert caller.response().status == 0xA700


def test_store__after_success__scheduler_is_rung(node: Running) -> None:
    with Wake(node.root, "scheduler") as wake, associated(node.port) as caller:
        caller.send(message(3, store_command(), encoded(still())))
        assert caller.response().status == 0
        assert wake.wait(10)


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.113619.5.2", "1.2.840.10008.1.2.4.999"])
def test_store__unknown_transfer_syntax__is_kept_as_received(node: Running, transfer_syntax: str) -> None:
    body = encoded(still())
    with associated(node.port, request_bytes([(US_IMAGE, [transfer_syntax, EXPLICIT_LITTLE])])) as caller:
        caller.send(message(1, store_command(), body))
        assert caller.response().status == 0
    (path,) = node.received()
    assert data_set_bytes(path) == body
    archive = Archive(node.root / "archive")
    assert archive.file_away(path).transfer_syntax_uid == transfer_syntax
