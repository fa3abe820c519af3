"""Results given to a real Orthanc by its REST interface, and to servers that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration.orthanc import OrthancServer
from integration.web import (
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
from tests.peers.scripted_http import Asked, scripted_http

FILTER = """
function ReceivedInstanceFilter(dicom, origin, info)
   return dicom.SOPInstanceUID ~= "UID"
end
"""


def server(port_or_url: int | str, **changes: Any) -> Server:
    url = port_or_url if isinstance(port_or_url, str) else f"http://127.0.0.1:{port_or_url}"
    return Server(**{"url": url, "connect_timeout_s": 20, "response_timeout_s": 60, **changes})


def give(paths: list[Path], to: Server, login: Login | None = None) -> list[Given]:
    with OrthancServer(to, login) as opened:
        return list(opened.store(paths))


def files(folder: Path, count: int) -> list[Path]:
    return [write_object(folder / f"{number}.dcm") for number in range(count)]


def test_store__real_orthanc__has_the_files_byte_for_byte(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    with orthanc(tmp_path / "orthanc") as pacs:
        for _ in range(2):  # the second time changes nothing
            outcomes = give(paths, server(pacs.http_port))
            assert [(each.path, each.error) for each in outcomes] == [(path, None) for path in paths]
        kept = {pacs.client.get(f"/instances/{each}/file").content for each in pacs.client.get("/instances").json()}
    assert kept == {path.read_bytes() for path in paths}


def test_store__instance_is_there_and_never_overwritten__accepted_with_a_note(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    with orthanc(tmp_path / "orthanc", extra={"OverwriteInstances": False}) as pacs:
        (first,), (second,) = give([path], server(pacs.http_port)), give([path], server(pacs.http_port))
    assert first.error is None and first.note is None
    assert second.error is None and "already" in (second.note or "")


def test_store__file_it_cannot_read__refused_for_good_and_the_others_stored(tmp_path: Path) -> None:
    good = files(tmp_path, 2)
    (tmp_path / "bad.dcm").write_bytes(b"no DICOM at all")
    with orthanc(tmp_path / "orthanc") as pacs:
        outcomes = give([good[0], tmp_path / "bad.dcm", good[1]], server(pacs.http_port))
        assert pacs.total() == 2
    assert [each.error is None for each in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, InstanceRefused)
    assert not outcomes[1].error.retryable


def test_store__its_filter_lets_one_not_in__refused_for_good_and_the_other_stored(tmp_path: Path) -> None:
    from integration.dimse import read_sendable

    paths = files(tmp_path, 2)
    script = tmp_path / "filter.lua"
    script.write_text(FILTER.replace('UID"', f'{read_sendable(paths[0]).sop_instance_uid}"'))
    with orthanc(tmp_path / "orthanc", extra={"LuaScripts": [str(script)]}) as pacs:
        filtered, stored = give(paths, server(pacs.http_port))
        assert pacs.total() == 1
    assert isinstance(filtered.error, InstanceRefused)
    assert not filtered.error.retryable
    assert "filter" in str(filtered.error)
    assert stored.error is None


def test_store__real_orthanc_with_logins__takes_the_right_one_alone(tmp_path: Path) -> None:
    paths = files(tmp_path, 2)
    extra = {"AuthenticationEnabled": True, "RegisteredUsers": {"node": "right"}}
    with orthanc(tmp_path / "orthanc", extra=extra, login=("node", "right")) as pacs:
        for login in (None, Login(user="node", secret="wrong")):
            (outcome,) = give(paths, server(pacs.http_port), login)  # the second was not tried
            assert isinstance(outcome.error, LoginRefused)
        assert [each.error for each in give(paths, server(pacs.http_port), Login(user="node", secret="right"))] == [
            None, None
        ]  # fmt: skip


def test_store__nobody_listens__down_and_the_rest_not_tried(tmp_path: Path) -> None:
    (outcome,) = give(files(tmp_path, 2), server(free_port()))
    assert isinstance(outcome.error, ServerDown)


def test_store__connection_and_no_answer__silent_and_asked_once(tmp_path: Path) -> None:
    with scripted_http(lambda asked: None) as peer:
        (outcome,) = give(files(tmp_path, 2), server(peer.url, response_timeout_s=0.3))
        assert len(peer.asked) == 1
    assert isinstance(outcome.error, ServerSilent)


@pytest.mark.parametrize(
    ("status", "said", "kind", "retryable"),
    [
        (200, {"ID": "x", "Status": "Failure"}, InstanceRefused, True),
        (200, {"ID": "x", "Status": "StorageFull"}, ServerDown, True),
        (200, {"error": "please log in"}, WrongAddress, True),
        (200, ["Success"], WrongAddress, True),
        (404, {}, WrongAddress, True),
        (503, {}, ServerDown, True),
        (500, {"OrthancStatus": 19}, ServerDown, True),
        (500, {"OrthancStatus": 11}, InstanceRefused, True),
        (400, {"OrthancStatus": 15}, InstanceRefused, False),
    ],
)
def test_store__other_answers__say_whose_fault_it_is(
    status: int, said: object, kind: type[WebError], retryable: bool, tmp_path: Path
) -> None:
    def answer(_: Asked) -> tuple[int, str, bytes]:
        return status, "application/json", json.dumps(said).encode()

    with scripted_http(answer) as peer:
        (outcome,) = give(files(tmp_path, 1), server(peer.url))
    assert type(outcome.error) is kind
    assert outcome.error.retryable == retryable


def test_store__sent_on_to_another_server__is_not_followed_and_it_learns_nothing(tmp_path: Path) -> None:
    with (
        scripted_http(lambda asked: (200, "application/json", b'{"ID": "x", "Status": "Success"}')) as other,
        scripted_http(lambda asked: (307, "text/plain", b"", {"Location": f"{other.url}/instances"})) as peer,
    ):
        (outcome,) = give(files(tmp_path, 1), server(peer.url), Login(user="node", secret="right"))
        assert other.asked == []
    assert isinstance(outcome.error, WrongAddress)


@pytest.mark.parametrize("content", [b"<html>Please log in</html>", b"", b"[" * 100_000], ids=["HTML", "none", "deep"])
def test_store__200_with_no_word_of_orthancs__is_not_taken_for_stored(content: bytes, tmp_path: Path) -> None:
    with scripted_http(lambda asked: (200, "text/html", content)) as peer:
        (outcome,) = give(files(tmp_path, 1), server(peer.url))
    assert isinstance(outcome.error, WrongAddress)
