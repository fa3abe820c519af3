"""Bodies of STOW-RS that are wrong, endless, slow or huge, over a real connection: answered or ended, and bounded."""

from __future__ import annotations

import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

from integration.dicomweb.storing import MOST_PARTS
from node.archive import Archive
from node.db import connect, read
from node.jobs import studies_overview
from node.studies import index_incoming
from tests.node.api.serving import (
    BOUNDARY,
    END,
    PART,
    PIECE,
    TYPE,
    Served,
    large_body,
    peak_memory,
    seconds_until_closed,
    serving,
    serving_process,
    settings_of,
    start_of_image,
)
from tests.node.worker.bench import still
from tests.node.workitems.items import item
from tests.peers.processes import wait_until

MB = 10**6
LEAST_RATE = ", least_bytes_per_s: 100000"


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    http = getattr(request, "param", "")
    with serving(settings_of(tmp_path, http=f", head_timeout_s: 1{http}")) as made:
        yield made


def request_head(*headers: str) -> bytes:
    lines = ["POST /dicom-web/studies HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {TYPE}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def instance(ds: Dataset) -> bytes:
    """A whole file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary anywhere",
        b"--other\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--other--\r\n",
        f"--{BOUNDARY}\r\nno header\r\n\r\nDICM\r\n--{BOUNDARY}--\r\n".encode(),
        f"--{BOUNDARY}\r\nContent-Type: app\0lication/dicom\r\nX".encode(),
        f"--{BOUNDARY}\r\n{'X-Header: y' * 2000}\r\n\r\nDICM\r\n--{BOUNDARY}--\r\n".encode(),
        f"--{BOUNDARY}\r\n".encode() + b"X-Header: y\r\n" * 2000 + b"\r\nDICM" + END,
        PART + b"\0" * 128 + b"DICM",
    ],
    ids=[
        "empty", "no boundary", "another boundary", "header without colon", "header with NUL", "endless header",
        "endless headers", "part without end",
    ],
)  # fmt: skip
def test_body__that_is_no_multipart_body__is_a_bad_request_and_nothing_stays(served: Served, body: bytes) -> None:
    answer = served.post(body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message"}
    assert (served.incoming(), served.left_over()) == ([], [])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br, gzip", "x-unknown"])
def test_body__with_a_content_coding__is_unsupported_and_not_unpacked(served: Served, coding: str) -> None:
    bomb = gzip.compress(PART + bytes(100 * MB), 1)
    for path in ("studies", "workitems"):
        answer = served.post(bomb, path, **{"Content-Encoding": coding})
        assert answer.status_code == 415
        assert answer.headers["accept-encoding"] == "identity"
    assert (served.incoming(), served.left_over()) == ([], [])


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (TYPE.replace("dicom", "dicom+json"), b"Content-Type: application/dicom+json\r\n\r\n[{}]"),
        (
            TYPE,
            b'Content-Type: application/dicom+json\r\n\r\n[{"7FE00010": {"vr": "OW", "BulkDataURI": "http://x/1"}}]',
        ),
        (TYPE, b"Content-Type: application/octet-stream\r\nContent-Location: http://x/1\r\n\r\nabc"),
        (TYPE.replace("related", "form-data"), b"Content-Type: application/dicom\r\n\r\n"),
    ],
    ids=["metadata", "metadata called instances", "bulk data", "a form"],
)
def test_body__of_metadata_and_bulk_data__is_unsupported(served: Served, kind: str, part: bytes) -> None:
    body = f"--{BOUNDARY}\r\n".encode() + part + END
    answer = served.post(body, **{"Content-Type": kind})
    assert answer.status_code == 415
    assert "application/dicom" in answer.json()["error"]["message"]
    assert (served.incoming(), served.left_over()) == ([], [])


def test_part__of_no_bytes_of_a_cut_head_or_with_no_uid__is_told_and_its_neighbours_are_kept(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    good = [instance(still("1.2.3", number)) for number in (1, 2)]
    uid = b"1.2.3.1.1"
    odd = instance(still("1.2.3", 1)).replace(uid, b"../../etc")
    bad = [b"", good[0][:200], odd]
    parts = [good[0], *bad, good[1]]
    answer = served.post(b"\r\n".join(PART + part for part in parts) + END)
    assert answer.status_code == 202
    said = Dataset.from_json(answer.json())
    assert [item.ReferencedSOPInstanceUID for item in said.ReferencedSOPSequence] == ["1.2.3.1.1", "1.2.3.1.2"]
    assert [item.FailureReason for item in said.FailedSOPSequence] == [0xC000, 0xC000, 0x0117]
    assert {each.sop_instance_uid for each in served.incoming()} == {"1.2.3.1.1", "1.2.3.1.2"}
    assert served.left_over() == []
    (told,) = [record for record in caplog.records if record.getMessage() == "Instances were not stored"]
    assert (told.echocare["status"], told.echocare["count"]) == (202, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("more", [-100, 100], ids=["too short", "too long"])
def test_content_length__that_lies__others_are_served_and_nothing_half_stays(served: Served, more: int) -> None:
    body = PART + instance(still("1.2.3", 1)) + END
    with served.connected() as connection:
        connection.sendall(request_head(f"Content-Length: {len(body) + more}") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert b" 200 " not in answer.partition(b"\r\n")[0]
    wait_until(lambda: served.left_over() == [], 60, "what came of it is put away after the connection has ended")
    assert served.post(PART + instance(still("1.2.3", 2)) + END).status_code == 200


@pytest.mark.parametrize(
    "heads",
    [("Content-Length: 5", "Content-Length: 6"), ("Transfer-Encoding: gzip, chunked",), ("Content-Length: -5",)],
)
def test_length__that_can_be_read_in_two_ways__is_a_bad_request_and_ends_the_connection(
    served: Served, heads: tuple[str, ...]
) -> None:
    with served.connected() as connection:
        connection.sendall(request_head(*heads) + b"5\r\nhello\r\n0\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("served", [", most_uploads: 1"], indirect=True)
def test_uploads__as_many_as_may_be__the_next_one_is_told_when_to_come_again(served: Served) -> None:
    body = PART + instance(still("1.2.3", 1)) + END
    with served.connected() as connection:
        connection.sendall(request_head("Content-Length: 100000000", "Expect: 100-continue"))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")  # the first one is at it
        answer = served.post(body)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    wait_until(lambda: served.post(body).status_code == 200, 60, "the first one has gone")


@pytest.mark.parametrize("served", [", most_upload_bytes: 20MB"], indirect=True)
def test_body__without_end__is_broken_off_at_the_limit_and_the_connection_closed(
    served: Served, tmp_path: Path
) -> None:
    head = start_of_image(tmp_path, 2**31)
    largest = 0
    with served.connected() as connection:
        connection.sendall(request_head("Transfer-Encoding: chunked"))
        sent = 0
        try:
            for piece in (PART + head, *(PIECE for _ in range(10**6))):
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                sent += len(piece)
                largest = max(largest, sum(path.stat().st_size for path in served.left_over()))
                assert sent < 10_000 * MB
        except ConnectionError:
            pass
    assert largest <= 21 * MB
    assert (served.incoming(), served.left_over()) == ([], [])
    assert served.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("served", [", most_upload_bytes: 1MB"], indirect=True)
def test_body__longer_than_the_limit__is_told_so(served: Served, tmp_path: Path) -> None:
    try:
        answer = served.post(large_body(tmp_path, 2 * MB))
    except httpx.TransportError:
        pytest.fail("the answer could not be read")
    assert answer.status_code == 413
    assert "1000000 bytes" in answer.json()["error"]["message"]
    assert (served.incoming(), served.left_over()) == ([], [])


def test_body__of_ever_more_parts__is_broken_off(served: Served) -> None:
    answer = served.post((PART + b"\r\n") * (MOST_PARTS + 1))
    assert answer.status_code == 413
    assert "parts" in answer.json()["error"]["message"]


def test_disk__reaches_its_reserve_during_a_body__ends_intake_and_gives_the_space_back(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    reserve = state.f_bavail * state.f_frsize - 64 * 2**20
    settings = settings_of(tmp_path, node=f"{{data_dir: var, min_free_bytes: {reserve}}}")
    with serving(settings) as served:
        answer = served.post(large_body(tmp_path, 256 * MB))
        assert answer.status_code == 409
        assert Dataset.from_json(answer.json()).FailedSOPSequence[0].FailureReason == 0xA700
        assert (served.incoming(), served.left_over()) == ([], [])


@pytest.mark.parametrize("served", [LEAST_RATE], indirect=True)
def test_sender__of_a_few_bytes_at_a_time__is_ended(served: Served, tmp_path: Path) -> None:
    with served.connected() as connection:
        connection.sendall(request_head("Content-Length: 100000000") + PART + start_of_image(tmp_path, 2**20))
        began = time.monotonic()
        connection.settimeout(0.05)
        answer = b""
        while not answer and time.monotonic() - began < 30:
            try:
                connection.sendall(b"\0")
                answer = connection.recv(4096)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert served.left_over() == []


@pytest.mark.parametrize(
    "sent", [b"", b"POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\n"], ids=["nothing", "half"]
)
def test_sender__whose_request_never_begins__is_ended(served: Served, sent: bytes) -> None:
    with served.connected() as connection:
        connection.sendall(sent)
        assert seconds_until_closed(connection, 20) < 15


def test_sender__of_a_head_byte_by_byte__is_ended(served: Served) -> None:
    began = time.monotonic()
    with served.connected() as connection, pytest.raises(ConnectionError):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        connection.settimeout(0.05)
        while time.monotonic() - began < 20:
            connection.sendall(b"x")
            try:
                if connection.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue


def test_request__after_another_on_one_connection_and_two_at_once__are_answered(served: Served) -> None:
    line = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with served.connected() as connection:
        connection.sendall(line + line)
        answers = b""
        while answers.count(b'{"status":"ok"}') < 2:
            piece = connection.recv(4096)
            assert piece, answers
            answers += piece
        connection.sendall(line)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_body__of_2_gb__is_stored_with_little_memory_while_others_store(tmp_path: Path) -> None:
    with serving_process(settings_of(tmp_path)) as (served, process):
        assert served.post(large_body(tmp_path, MB)).status_code == 200  # everything that is needed is loaded
        answers: list[int] = []
        with peak_memory(process) as peak:
            thread = threading.Thread(
                target=lambda: answers.append(served.post(large_body(tmp_path, 2000 * MB)).status_code)
            )
            thread.start()
            wait_until(lambda: bool(served.left_over()), 120, "the body has begun to come")
            other = httpx.post(
                f"{served.url}/studies", content=PART + instance(still("1.2.3", 1)) + END,
                headers={"Content-Type": TYPE}, timeout=300, trust_env=False,
            )  # fmt: skip
            assert other.status_code == 200
            thread.join()
        assert answers == [200]
        sizes = sorted(path.stat().st_size // MB for path in served.settings.archive_dir.rglob("*.dcm"))
        for path in served.settings.archive_dir.rglob("*.dcm"):
            path.unlink()
    assert sizes == [0, 1, 2000]
    assert peak[0] < 60 * MB


def test_instance__with_other_content_under_a_known_uid__is_kept_beside_and_the_study_flagged(served: Served) -> None:
    first, other = (instance(still("1.2.3", 1, ImageComments=words)) for words in ("first", "other"))
    for content in (first, first, other):
        assert served.post(PART + content + END).status_code == 200
    archive, engine = Archive(served.settings.archive_dir), connect(served.settings.database)
    try:
        index_incoming(archive, engine, quiet_s=1, now=datetime.now(UTC))
        with read(engine) as connection:
            (study,) = studies_overview(connection)
    finally:
        archive.close()
        engine.dispose()
    assert (study.instances, study.conflicts) == (1, 1)
    assert len(list(served.settings.archive_dir.glob("instances/*/*/*.dcm"))) == 2


def test_workitem__of_very_many_items__others_are_answered_meanwhile(tmp_path: Path) -> None:
    content = json.loads(item().to_json())
    content["00404018"] = {"vr": "SQ", "Value": [{}] * 60_000}  # seconds to read
    body = json.dumps(content, separators=(",", ":")).encode()
    answers: list[httpx.Response] = []
    with serving(settings_of(tmp_path)) as served:

        def create() -> None:
            url = f"{served.url}/workitems?workitem=1.2.826.9.1"
            kind = {"Content-Type": "application/dicom+json"}
            answers.append(httpx.post(url, content=body, headers=kind, timeout=280, trust_env=False))

        served.client.get("/healthz")
        began, longest = time.monotonic(), 0.0
        thread = threading.Thread(target=create)
        thread.start()
        while thread.is_alive():
            asked = time.monotonic()
            assert served.client.get("/healthz").status_code == 200
            longest = max(longest, time.monotonic() - asked)
        took = time.monotonic() - began
    assert [answer.status_code for answer in answers] == [201]
    assert longest < took / 2


def test_body__of_two_studies_into_one__takes_that_ones_alone(served: Served) -> None:
    mine, other = instance(still("1.2.3", 1)), instance(still("1.2.4", 1))
    answer = served.post(PART + mine + b"\r\n" + PART + other + END, "studies/1.2.3")
    assert answer.status_code == 202
    said = Dataset.from_json(answer.json())
    assert [item.ReferencedSOPInstanceUID for item in said.ReferencedSOPSequence] == ["1.2.3.1.1"]
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in said.FailedSOPSequence] == [
        ("1.2.4.1.1", 0xA900)
    ]
    assert len(served.incoming()) == 1
