"""Fetching images from a PACS by QIDO-RS and WADO-RS, as they were stored and as their bytes come.

On httpx, as storing is, and not on `dicomweb-client`, which makes a data set in memory of every instance.

References
----------
DICOM PS3.18 8.3.4 (query parameters), 10.4 (WADO-RS), 10.6 (QIDO-RS), Annex F (DICOM JSON).
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote, urlencode

import httpx
from pydicom.datadict import dictionary_VR, tag_for_keyword

from integration.dicomweb.storing import ANSWER, PartStart, StoreBody, StoreRequestError
from integration.retrieval import (
    MOST_MATCHES,
    Arriving,
    Keeper,
    Progress,
    Reception,
    RemoteInstance,
    RemoteSeries,
    RemoteStudy,
    RetrievalError,
    Wanted,
    is_uid,
    matches,
)
from integration.web import LATER, Login, Server, WebError, auth_of, fault_of, fault_of_status, timeouts_of, tls_of

PAGE: Final = 200  # answers asked for at once
ATTEMPTS: Final = 3
PAUSE_S: Final = 0.25  # before the second attempt; twice as long before the third
LONGEST_PAUSE_S: Final = 5.0  # a server that asks for a longer one (Retry-After) is not asked again
MOST_PAGE_BYTES: Final = 64 << 20
AS_STORED: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
MORE_RESULTS: Final = "299"  # warning of a server that has more than it tells (PS3.18 8.3.4.4)


class DicomwebError(RetrievalError):
    """The server cannot be reached, refuses, or answers something else than DICOMweb has."""

    code: ClassVar[str] = "dicomweb"


class _NoAnswer(Exception):
    """An answer of no use to this one request; the words name no patient."""


class DicomwebPacs:
    """A PACS behind a DICOMweb root.

    Parameters
    ----------
    server
        `url` is the root of its services, such as https://host/dicom-web.
    login
        None: without one.

    Raises
    ------
    DicomwebError
        The certificate files cannot be used.
    """

    def __init__(self, server: Server, login: Login | None = None) -> None:
        self._server = server
        try:
            tls = tls_of(server)
        except WebError as fault:
            raise DicomwebError(str(fault)) from fault
        self._client = httpx.Client(
            verify=tls,
            auth=auth_of(login),
            timeout=timeouts_of(server),
            follow_redirects=True,
            event_hooks={"response": [self._stay]},
        )

    @property
    def words(self) -> str:
        return self._server.words

    @property
    def way(self) -> Literal["WADO-RS"]:
        return "WADO-RS"

    def studies(self, wanted: Wanted, most: int) -> list[RemoteStudy]:
        """Studies that match, at most so many.

        Raises
        ------
        DicomwebError
            The server cannot be asked, or has more than it tells.
        """
        found: dict[str, RemoteStudy] = {}
        fields = ("StudyInstanceUID", "StudyDate", "ModalitiesInStudy")
        for each in self._search("studies", dict(wanted.study), fields):
            if uid := _uid(each, "StudyInstanceUID"):
                found[uid] = RemoteStudy(
                    uid=uid,
                    date="".join(_values(each, "StudyDate")),
                    modalities=tuple(_values(each, "ModalitiesInStudy")),
                    patient_id="".join(_values(each, "PatientID")),
                    issuer="".join(_values(each, "IssuerOfPatientID")),
                )
            if len(found) >= most:
                break
        return list(found.values())

    def series(self, study: str, wanted: Wanted) -> list[RemoteSeries]:
        """Series of a study that match, with their instances.

        Raises
        ------
        DicomwebError
            The server cannot be asked, or has more than can be listed.
        """
        path = f"studies/{study}/series"
        answers = list(self._search(path, dict(wanted.series), ("SeriesInstanceUID", "Modality")))
        found = {_uid(each, "SeriesInstanceUID"): _values(each, "Modality") for each in answers}
        return [
            RemoteSeries(study=study, uid=uid, modality="".join(modality), instances=self._instances(f"{path}/{uid}"))
            for uid, modality in sorted(found.items())
            if uid and (not wanted.modalities or wanted.modalities.intersection(modality))
        ]

    def fetch(self, series: RemoteSeries, uids: Collection[str], keeper: Keeper, told: Progress) -> str:
        """Fetch instances of a series: all at once where all are wanted, what did not come then one by one.

        Raises
        ------
        DicomwebError
            The server is gone: the rest would not come either.
        """
        body = _Body(keeper, told)
        path = f"studies/{series.study}/series/{series.uid}"
        if {each.uid for each in series.instances} <= set(uids):
            self._taken(path, body)
        for uid in sorted(set(uids) - body.kept - body.refused):
            self._taken(f"{path}/instances/{uid}", body)
        return "; ".join(body.reasons)

    def _taken(self, path: str, body: _Body) -> None:
        try:
            with self._asked(path, {}, AS_STORED) as answer:
                parts = StoreBody(answer.headers.get("content-type", ""), body)
                for chunk in answer.iter_bytes():
                    parts.feed(chunk)
                parts.finish()
        except StoreRequestError as fault:
            body.reasons[f"{self.words} sent an answer that cannot be read: {fault}"] = None
        except _NoAnswer as fault:
            body.reasons[f"{self.words} did not give an image: {fault}"] = None
        finally:
            body.close()

    def _instances(self, path: str) -> tuple[RemoteInstance, ...]:
        answers = self._search(f"{path}/instances", {}, ("SOPInstanceUID", "SOPClassUID"))
        found = {_uid(each, "SOPInstanceUID"): _uid(each, "SOPClassUID") for each in answers}
        return tuple(RemoteInstance(uid=uid, sop_class=sop_class) for uid, sop_class in sorted(found.items()) if uid)

    def _search(self, path: str, keys: dict[str, str], fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = {keyword: value.replace("\\", ",") for keyword, value in keys.items() if value}
        try:
            for each in self._pages(path, {**asked, "includefield": [*fields, *keys]}):
                if _answers(each, keys):
                    yield each
        except _NoAnswer as fault:
            raise DicomwebError(f"{self.words} cannot be searched: {fault}") from fault

    def _pages(self, path: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """All answers, however many a server gives at once; one that does not know `offset` gives the same again."""
        count, before, more = 0, None, False
        while True:
            with self._asked(path, {**asked, "limit": PAGE, "offset": count}, ANSWER) as answer:
                page = _page(answer)
                warned = answer.headers.get("warning", "").startswith(MORE_RESULTS)
            if not page or page == before:
                if page and (more or len(page) >= PAGE):
                    raise DicomwebError(f"{self.words} has more than it lists at once, {count} answers: ask for less")
                return
            count, before, more = count + len(page), page, warned
            yield from page
            if count > MOST_MATCHES:
                raise DicomwebError(f"{self.words} has more than {MOST_MATCHES} answers: ask for less")

    def _stay(self, answer: httpx.Response) -> None:
        """Follow a server only to itself: elsewhere nobody was meant to learn who is asked for, nor who we are.

        Raises
        ------
        DicomwebError
            It sends us on to another host or port, or away from TLS.
        """
        if answer.has_redirect_location:
            here, there = answer.request.url, answer.request.url.join(answer.headers["location"])
            upgraded = (here.scheme, there.scheme) == ("http", "https")
            if there.host != here.host or (not upgraded and (there.scheme, there.port) != (here.scheme, here.port)):
                raise DicomwebError(f"{self.words} sends us on to another server: enter its address if that is right")

    @contextmanager
    def _asked(self, path: str, asked: dict[str, Any], accept: str) -> Iterator[httpx.Response]:
        """An answer whose body is still to come.

        Raises
        ------
        DicomwebError
            The server is gone, silent, or refuses us.
        _NoAnswer
            It has nothing for this request, or broke off.
        """
        try:
            answer = self._opened(path, asked, accept)
            try:
                yield answer
            finally:
                answer.close()
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.DecodingError) as fault:
            raise _NoAnswer("the connection ended within the answer") from fault
        except httpx.RequestError as fault:
            raise DicomwebError(str(fault_of(self._server, fault))) from fault

    def _opened(self, path: str, asked: dict[str, Any], accept: str) -> httpx.Response:
        # Not all servers decode what needs no encoding (RFC 3986 3.4), such as the wildcards.
        query = urlencode(asked, doseq=True, safe="*?,", quote_via=quote)
        url = f"{self._server.url.rstrip('/')}/{path}" + (f"?{query}" if query else "")
        headers = {"Accept": accept}
        if accept == AS_STORED:
            headers["Accept-Encoding"] = "identity"  # a few packed bytes of a plain picture unpack to very many
        request = self._client.build_request("GET", url, headers=headers)
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._client.send(request, stream=True)
            if answer.is_success:
                return answer
            answer.close()
            fault = fault_of_status(self._server, answer)
            # A 404 is of what was asked for, where the service itself has answered before.
            if fault is None or (answer.status_code == httpx.codes.NOT_FOUND and "/" in path):
                raise _NoAnswer(f"HTTP status {answer.status_code}")
            pause = max(PAUSE_S * attempt, fault.again_after_s or 0.0)
            if answer.status_code not in LATER or attempt == ATTEMPTS or pause > LONGEST_PAUSE_S:
                raise DicomwebError(str(fault))
            time.sleep(pause)
        raise AssertionError("unreachable")


class _Body:
    """Takes the instances of multipart answers; what does not come whole is forgotten."""

    def __init__(self, keeper: Keeper, told: Progress) -> None:
        self._keeper, self._told = keeper, told
        self._reception: Reception | None = None
        self._uid = ""
        self.kept: set[str] = set()
        self.refused: set[str] = set()  # which would be refused again
        self.reasons: dict[str, None] = {}

    def begin(self, start: PartStart) -> None:
        """An instance comes."""
        self._uid = start.sop_instance_uid
        self._reception = self._keeper.begin(
            Arriving(
                sop_class_uid=start.sop_class_uid,
                sop_instance_uid=start.sop_instance_uid,
                transfer_syntax_uid=start.transfer_syntax_uid,
            )
        )

    def take(self, piece: memoryview) -> None:
        """Bytes of its data set."""
        if self._reception is not None:
            self._reception.take(piece)

    def end(self) -> None:
        """It was whole."""
        if self._reception is None:
            return
        refusal = self._reception.finish()
        self.close()
        if refusal is None:
            self.kept.add(self._uid)
            self._told(len(self.kept))
        else:
            self.refused.add(self._uid)
            self.reasons[f"an image is not kept: {refusal.words}"] = None

    def refuse(self, words: str) -> None:
        """A part was no DICOM file."""
        self.reasons[f"a part of an answer is not kept: {words}"] = None

    def close(self) -> None:
        """Forget what is not whole."""
        if self._reception is not None:
            self._reception.abandon()
            self._reception = None


def _answers(found: dict[str, Any], keys: dict[str, str]) -> bool:
    return all(
        matches(asked, _values(found, keyword), dictionary_VR(keyword))
        for keyword, asked in keys.items()
        if asked and not (keyword == "ModalitiesInStudy" and not _values(found, keyword))  # which not all of them tell
    )


def _values(found: dict[str, Any], keyword: str) -> list[str]:
    """The values of an element of DICOM JSON; of a name its groups, by the `^` and `=` of DICOM."""
    said = found.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value") or []
    return ["=".join(each.values()) if isinstance(each, dict) else str(each) for each in said if each is not None]


def _uid(found: dict[str, Any], keyword: str) -> str:
    """A UID that may name a file, else nothing."""
    uid = "".join(_values(found, keyword))
    return uid if is_uid(uid) else ""


def _page(answer: httpx.Response) -> list[dict[str, Any]]:
    """The answers of one page; none where there are no more."""
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MOST_PAGE_BYTES:
            raise _NoAnswer(f"an answer of more than {MOST_PAGE_BYTES} bytes")
    if not content:
        return []
    try:
        page = json.loads(content)
    except (ValueError, RecursionError) as fault:
        raise _NoAnswer("the answer is no JSON") from fault
    if not isinstance(page, list) or not all(isinstance(each, dict) for each in page):
        raise _NoAnswer("the answer is no list of data sets")
    return page
