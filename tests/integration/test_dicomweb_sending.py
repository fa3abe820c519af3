"""Results stored by STOW-RS on servers that take them, refuse some, misbehave, or are not there."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import ssl
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from integration.dicomweb.sending import StowServer
from integration.dimse import read_sendable
from integration.web import (
    ConnectionBroke,
    Given,
    InstanceRefused,
    Login,
    LoginRefused,
    Server,
    ServerDown,
    ServerSilent,
    WebError,
    WrongAddress,
)
from tests.integration.dimse.conftest import write_object
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port
from tests.peers.scripted_http import BREAK, Answer, Asked, scripted_http

JSON = "application/dicom+json"


def server(url: str, **changes: Any) -> Server:
    return Server(**{"url": url, "connect_timeout_s": 20, "response_timeout_s": 60, **changes})


def give(paths: list[Path], to: Server, login: Login | None = None) -> list[Given]:
    with StowServer(to, login) as opened:
        return list(opened.store(paths))


def files(folder: Path, count: int) -> list[Path]:
    return [write_object(folder / f"{number}.dcm") for number in range(count)]


def uid(path: Path) -> str:
    return read_sendable(path).sop_instance_uid


def uids_in(asked: Asked, paths: list[Path]) -> list[str]:
    """Of the files, those whose bytes came, whole, in a part of their own."""
    boundary = re.search("boundary=([0-9a-f]+)", asked.headers["content-type"])
    assert boundary is not None
    parts = asked.body.split(f"--{boundary[1]}".encode())
    assert parts[0] == b"" and parts[-1] == b"--\r\n"
    bodies = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]]
    by_bytes = {path.read_bytes(): uid(path) for path in paths}
    return [by_bytes[body] for body in bodies]


def told(stored: dict[str, int], failed: dict[str, int | None], status: int | None = None) -> Answer:
    """An answer as PS3.18 Annex I has it."""

    def item(name: str, **numbers: int | None) -> dict[str, Any]:
        made: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [name]}}
        for tag, number in numbers.items():
            if number:
                made[tag[1:]] = {"vr": "US", "Value": [number]}
        return made

    body: dict[str, Any] = {}
    if stored:
        body["00081199"] = {"vr": "SQ", "Value": [item(name, t00081196=number) for name, number in stored.items()]}
    if failed:
        body["00081198"] = {"vr": "SQ", "Value": [item(name, t00081197=number) for name, number in failed.items()]}
    return status or (200 if not failed else 202 if stored else 409), JSON, json.dumps(body).encode()


def test_store__real_orthanc__has_the_files_byte_for_byte(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    with orthanc(tmp_path / "orthanc") as pacs:
        to = server(f"http://127.0.0.1:{pacs.http_port}/dicom-web")
        for _ in range(2):  # the second time changes nothing
            assert [(each.path, each.error) for each in give(paths, to)] == [(path, None) for path in paths]
        assert pacs.total() == 3
        kept = {pacs.client.get(f"/instances/{each}/file").content for each in pacs.client.get("/instances").json()}
    assert kept == {path.read_bytes() for path in paths}


def test_store__real_orthanc_with_a_file_it_cannot_read__the_others_are_stored(tmp_path: Path) -> None:
    good = files(tmp_path, 2)
    bad = write_object(tmp_path / "bad.dcm")
    whole = bad.read_bytes()
    bad.write_bytes(whole[: read_sendable(bad).offset] + b"\xff" * 4000)
    with orthanc(tmp_path / "orthanc") as pacs:
        outcomes = give([good[0], bad, good[1]], server(f"http://127.0.0.1:{pacs.http_port}/dicom-web"))
        assert pacs.total() == 2
    errors = {each.path: each.error for each in outcomes}
    assert errors.pop(bad) is not None
    assert errors == dict.fromkeys(good)


def test_store__real_orthanc_with_logins__takes_the_right_one_alone(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    extra = {"AuthenticationEnabled": True, "RegisteredUsers": {"node": "right"}}
    with orthanc(tmp_path / "orthanc", extra=extra, login=("node", "right")) as pacs:
        to = server(f"http://127.0.0.1:{pacs.http_port}/dicom-web")
        for login in (None, Login(user="node", secret="wrong")):
            (outcome,) = give([path], to, login)
            assert isinstance(outcome.error, LoginRefused)
        (outcome,) = give([path], to, Login(user="node", secret="right"))
        assert outcome.error is None
        assert pacs.total() == 1


def test_store__some_stored_some_not__each_has_its_own_outcome(tmp_path: Path) -> None:
    paths = files(tmp_path, 7)
    fine, coerced, full, unreadable, reasonless, twice, unnamed = map(uid, paths)
    failed: dict[str, int | None] = {full: 0xA700, unreadable: 0xC000, reasonless: None, twice: 0x0111}
    with scripted_http(lambda asked: told({fine: 0, coerced: 0xB000}, failed)) as peer:
        outcomes = give(paths, server(f"{peer.url}/dicom-web"))
        (asked,) = peer.asked
    assert asked.path == "/dicom-web/studies"
    assert asked.headers["accept"] == JSON
    assert uids_in(asked, paths) == list(map(uid, paths))
    by_uid = {uid(each.path): each for each in outcomes}
    assert by_uid[fine].error is None and by_uid[fine].note is None
    assert by_uid[coerced].error is None and "B000" in (by_uid[coerced].note or "")
    assert by_uid[twice].error is None and "already" in (by_uid[twice].note or "")
    refused = {name: by_uid[name].error for name in (full, unreadable, reasonless, unnamed)}
    assert {type(error) for error in refused.values()} == {InstanceRefused}
    assert {name: error and error.retryable for name, error in refused.items()} == {
        full: True, unreadable: False, reasonless: True, unnamed: True
    }  # fmt: skip
    assert "A700" in str(refused[full]) and "C000" in str(refused[unreadable])
    assert not any(error and error.down for error in refused.values())


@pytest.mark.parametrize("status", [200, 202, 409])
def test_store__failed_sequence_under_whatever_status__is_not_taken_for_stored(status: int, tmp_path: Path) -> None:
    good, bad = files(tmp_path, 2)
    with scripted_http(lambda asked: told({uid(good): 0}, {uid(bad): 0xA700}, status)) as peer:
        outcomes = {each.path: each.error for each in give([good, bad], server(peer.url))}
    assert outcomes[good] is None
    assert isinstance(outcomes[bad], InstanceRefused) and outcomes[bad].retryable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_store__sent_on_to_another_server__is_not_followed_and_it_learns_nothing(status: int, tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    with (
        scripted_http(lambda asked: told({uid(path): 0}, {})) as other,
        scripted_http(lambda asked: (status, "text/plain", b"", {"Location": f"{other.url}/studies"})) as peer,
    ):
        (outcome,) = give([path], server(peer.url), Login(user="node", secret="right"))
        assert other.asked == []
    assert isinstance(outcome.error, WrongAddress)
    assert str(status) in str(outcome.error) and other.url not in str(outcome.error)


def test_store__busy_and_says_when_to_come_again__is_down_and_asked_once(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    with scripted_http(lambda asked: (503, "text/plain", b"", {"Retry-After": "120"})) as peer:
        outcomes = give(paths, server(peer.url))
        assert len(peer.asked) == 1
    assert [type(each.error) for each in outcomes] == [ServerDown] * 3
    assert {each.error and each.error.again_after_s for each in outcomes} == {120}
    assert all("left alone for 120 s" in str(each.error) for each in outcomes)


def test_store__409_with_all_failed__refused_by_reason(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    with scripted_http(lambda asked: told({}, {uid(path): 0xA900})) as peer:
        (outcome,) = give([path], server(peer.url))
    assert isinstance(outcome.error, InstanceRefused)
    assert not outcome.error.retryable


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "down"),
    [
        (401, LoginRefused, True, True),
        (403, LoginRefused, True, True),
        (404, WrongAddress, True, True),
        (302, WrongAddress, True, True),
        (429, ServerDown, True, True),
        (503, ServerDown, True, True),
        (507, ServerDown, True, True),
        (400, InstanceRefused, False, False),
        (415, InstanceRefused, False, False),
        (409, InstanceRefused, True, False),
        (500, InstanceRefused, True, False),
    ],
)
def test_store__status_without_a_word_on_instances__says_whose_fault_it_is(
    status: int, kind: type[WebError], retryable: bool, down: bool, tmp_path: Path
) -> None:
    (path,) = files(tmp_path, 1)
    with scripted_http(lambda asked: (status, "text/plain", b"no")) as peer:
        (outcome,) = give([path], server(peer.url))
    assert type(outcome.error) is kind
    assert (outcome.error.retryable, outcome.error.down) == (retryable, down)
    assert str(status) in str(outcome.error)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Please log in</html>",
        b"{}",
        b"[]",
        b"null",
        b"3",
        b'{"00081199": {"vr": "SQ"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
    ids=["nothing", "HTML", "no word", "no answer", "null", "a number", "cut", "no text", "endless depth"],
)
def test_store__200_with_garbage__is_not_taken_for_stored(content: bytes, tmp_path: Path) -> None:
    paths = files(tmp_path, 2)
    with scripted_http(lambda asked: (200, JSON, content)) as peer:
        outcomes = give(paths, server(peer.url))
    assert [type(each.error) for each in outcomes] == [WrongAddress] * 2
    assert all(each.error and each.error.down and each.error.retryable for each in outcomes)


@pytest.mark.parametrize("content", [b'{"00081199": 3}', b'{"00081199": {"Value": [7, {}, {"00081155": 1}]}}'])
def test_store__200_with_sequences_of_nonsense__no_instance_counts_as_stored(content: bytes, tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    with scripted_http(lambda asked: (200, JSON, content)) as peer:
        (outcome,) = give([path], server(peer.url))
    assert isinstance(outcome.error, InstanceRefused)
    assert outcome.error.retryable


def test_store__nobody_listens__down(tmp_path: Path) -> None:
    paths = files(tmp_path, 2)
    port = free_port()
    outcomes = give(paths, server(f"http://127.0.0.1:{port}"))
    assert [type(each.error) for each in outcomes] == [ServerDown] * 2
    assert str(port) in str(outcomes[0].error)


def test_store__connection_and_no_answer__silent(tmp_path: Path) -> None:
    paths = files(tmp_path, 2)
    with scripted_http(lambda asked: None) as peer:
        outcomes = give(paths, server(peer.url, response_timeout_s=0.3))
        assert len(peer.asked) == 1
    assert [type(each.error) for each in outcomes] == [ServerSilent] * 2


@pytest.mark.parametrize("refusal", [(400, "text/plain", b"no"), (413, "text/plain", b"no"), BREAK])
def test_store__one_instance_spoils_the_request__the_others_are_stored(refusal: Answer, tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    spoiler = uid(paths[1])

    def answer(asked: Asked) -> Answer:
        came = uids_in(asked, paths)
        return refusal if spoiler in came else told(dict.fromkeys(came, 0), {})

    with scripted_http(answer) as peer:
        outcomes = give(paths, server(peer.url))
        assert len(peer.asked) == 4
    assert [each.error is None for each in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, ConnectionBroke if refusal == BREAK else InstanceRefused)
    assert not outcomes[1].error.down


def test_store__file_gone_or_no_dicom__the_others_are_stored(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    (tmp_path / "text.dcm").write_text("no DICOM")
    with scripted_http(lambda asked: told({uid(path): 0}, {})) as peer:
        outcomes = give([tmp_path / "gone.dcm", tmp_path / "text.dcm", path], server(peer.url))
    assert {each.path.name: each.error is None for each in outcomes} == {
        "gone.dcm": False, "text.dcm": False, "0.dcm": True
    }  # fmt: skip


def test_store__large_file__is_never_in_memory(tmp_path: Path) -> None:
    path = write_object(tmp_path / "large.dcm", megabytes=30)
    with (
        scripted_http(lambda asked: told({uid(path): 0}, {}), keep=False) as peer,
        StowServer(server(peer.url), None) as opened,
    ):
        tracemalloc.start()
        try:
            (outcome,) = opened.store([path])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert outcome.error is None
    assert peak < 4e6


def test_store__bearer_token__is_sent_and_told_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = files(tmp_path, 1)
    login = Login(secret="a-secret-token")
    caplog.set_level("DEBUG")
    with scripted_http(lambda asked: (401, "text/plain", b"no")) as peer:
        (outcome,) = give([path], server(peer.url), login)
        assert peer.asked[0].headers["authorization"] == "Bearer a-secret-token"
    assert "a-secret-token" not in f"{login!r} {outcome!r} {outcome.error} {caplog.text} {capsys.readouterr()}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "archive")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "archive.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_store__https__only_with_a_certificate_that_is_trusted(
    trusted: bool, certificate: Path, tmp_path: Path
) -> None:
    (path,) = files(tmp_path, 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with scripted_http(lambda asked: told({uid(path): 0}, {}), tls=context) as peer:
        (outcome,) = give([path], server(peer.url, ca=certificate if trusted else None))
    assert (outcome.error is None) == trusted
    if not trusted:
        assert isinstance(outcome.error, ServerDown)
        assert "certificate" in str(outcome.error)


def test_server__certificate_file_gone__says_so(tmp_path: Path) -> None:
    with pytest.raises(WrongAddress, match="certificate files"):
        StowServer(server("https://127.0.0.1:1", ca=tmp_path / "gone.pem"), None)
