"""DICOMweb servers that are asked for images and lead elsewhere, or answer something else."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from integration.dicomweb.retrieve import DicomwebError, DicomwebPacs
from integration.retrieval import Arriving, Refusal, RemoteInstance, RemoteSeries, Wanted
from integration.web import Login, Server
from tests.peers.scripted_http import Answer, Asked, scripted_http

LOGIN = Login(user="node", secret="right")
WANTED = Wanted(study={"PatientID": "PHANTOM-0001"})
SERIES = RemoteSeries(study="1.2.3", uid="1.2.3.4", instances=(RemoteInstance(uid="1.2.3.4.5"),))
FOUND = json.dumps([{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]).encode()


class Nothing:
    """Keeps nothing, and counts what begins."""

    begun = 0

    def begin(self, arriving: Arriving) -> Nothing:
        self.begun += 1
        return self

    def take(self, piece: memoryview) -> None: ...

    def finish(self) -> Refusal | None:
        return None

    def abandon(self) -> None: ...


def pacs(url: str, **changes: Any) -> DicomwebPacs:
    return DicomwebPacs(Server(url=url, connect_timeout_s=20, response_timeout_s=60, **changes), LOGIN)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_pacs__sends_on_to_another_host__is_not_followed_and_that_host_learns_nothing(status: int) -> None:
    with scripted_http(lambda asked: (200, "application/dicom+json", FOUND)) as other:

        def lead(asked: Asked) -> Answer:
            return status, "text/plain", b"", {"Location": f"{other.url}{asked.path}"}

        with scripted_http(lead) as peer:
            source = pacs(peer.url)
            with pytest.raises(DicomwebError, match="another server"):
                source.studies(WANTED, 10)
            with pytest.raises(DicomwebError, match="another server"):
                source.fetch(SERIES, ["1.2.3.4.5"], Nothing(), lambda came: None)
        assert other.asked == []


def test_pacs__sends_on_within_itself__is_followed_with_the_login() -> None:
    def lead(asked: Asked) -> Answer:
        if not asked.path.startswith("/archive"):
            return 302, "text/plain", b"", {"Location": f"/archive{asked.path}"}
        return 200, "application/dicom+json", FOUND if "offset=0" in asked.path else b"[]"

    with scripted_http(lead) as peer:
        assert [each.uid for each in pacs(peer.url).studies(Wanted(), 10)] == ["1.2.3"]
        assert {"authorization" in asked.headers for asked in peer.asked} == {True}


@pytest.mark.parametrize(
    "content",
    [b"<html>Please log in</html>", b"{}", b"[3]", b'[{"0020000D"', b"\xff\xfe", b"[" * 100_000],
    ids=["HTML", "no list", "no data sets", "cut", "no text", "endless depth"],
)
def test_pacs__answers_something_else_than_dicom_json__cannot_be_searched(content: bytes) -> None:
    with scripted_http(lambda asked: (200, "text/html", content)) as peer, pytest.raises(DicomwebError, match="answer"):
        pacs(peer.url).studies(WANTED, 10)


def test_pacs__gives_html_for_an_image__nothing_is_kept_and_it_says_so() -> None:
    keeper = Nothing()
    with scripted_http(lambda asked: (200, "text/html", b"<html>Please log in</html>")) as peer:
        reason = pacs(peer.url).fetch(SERIES, ["1.2.3.4.5"], keeper, lambda came: None)
    assert "cannot be read" in reason
    assert keeper.begun == 0


@pytest.mark.parametrize(
    ("said", "waits"), [({}, [0.25, 0.5]), ({"Retry-After": "1"}, [1, 1]), ({"Retry-After": "120"}, [])]
)
def test_pacs__busy_and_says_when_to_come_again__is_asked_then_or_not_at_all(
    said: dict[str, str], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("integration.dicomweb.retrieve.time", SimpleNamespace(sleep=waited.append))
    with scripted_http(lambda asked: (503, "text/plain", b"", said)) as peer:
        with pytest.raises(DicomwebError, match="HTTP status 503"):
            pacs(peer.url).studies(WANTED, 10)
        assert (waited, len(peer.asked)) == (waits, len(waits) + 1)
