"""Storing files on a DICOMweb server (STOW-RS).

On httpx, and not on `dicomweb-client`, whose `store_instances` has every instance as a data set in memory, writes
it anew and joins all of them into one body in memory, and which raises an error on status 409 before anybody can read
which instances failed and why. Here the body is read from the files while it is sent, byte for byte as they lie, and
every instance has the outcome that the server names.

References
----------
DICOM PS3.18 10.5 (Store transaction), Annex I (store instances response module), RFC 2387 (multipart/related).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from integration.dimse import Sendable, Unsendable, read_sendable
from integration.dimse.store import accepts, is_final, meaning, remark
from integration.web import (
    ConnectionBroke,
    Given,
    InstanceRefused,
    Login,
    Server,
    WebError,
    WrongAddress,
    auth_of,
    fault_of,
    fault_of_status,
    timeouts_of,
    tls_of,
)

ANSWER: Final = "application/dicom+json"
REFERENCED, FAILED, INSTANCE = "00081199", "00081198", "00081155"
FAILURE_REASON, WARNING_REASON = "00081197", "00081196"
PIECE_BYTES: Final = 1 << 16
MOST_ANSWER_BYTES: Final = 16 << 20
TOLD: Final = (200, 202, 409)  # statuses whose body says what became of each instance


class StowServer:
    """Stores on one server; a `with` block keeps the connection open.

    Parameters
    ----------
    server
        `url` is the root of its services, https://host/dicom-web for example.
    login
        None: without one.
    """

    def __init__(self, server: Server, login: Login | None) -> None:
        self._server = server
        self._url = f"{server.url.rstrip('/')}/studies"
        self._client = httpx.Client(auth=auth_of(login), timeout=timeouts_of(server), verify=tls_of(server))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._client.close()

    def store(self, paths: Sequence[Path]) -> Iterator[Given]:
        """Store files, all in one request where that goes well.

        A request that is refused whole, or breaks off, may owe that to one of its instances: then each goes alone.

        Yields
        ------
        Given
            One for each path, as soon as it is known; errors are in the outcomes, none is raised. Where the server
            goes down while each goes alone, those that were not tried have none.
        """
        readable, unreadable = _readable(paths)
        yield from unreadable
        if not readable:
            return
        try:
            yield from self._request(readable)
        except (InstanceRefused, ConnectionBroke) as error:
            if len(readable) == 1:
                yield Given(path=readable[0].path, error=error)
            else:
                yield from self._one_by_one(readable)
        except WebError as error:
            yield from (Given(path=item.path, error=error) for item in readable)

    def _one_by_one(self, items: Sequence[Sendable]) -> Iterator[Given]:
        for item in items:
            try:
                yield from self._request([item])
            except WebError as error:
                yield Given(path=item.path, error=error)
                if error.down:
                    return

    def _request(self, items: Sequence[Sendable]) -> list[Given]:
        """One request; what became of each of its instances.

        Raises
        ------
        WebError
            The server is the trouble; or it refused the request, or broke it off, without a word on instances.
        """
        server = self._server
        boundary = uuid.uuid4().hex
        try:
            body = MultipartBody([item.path for item in items], boundary)
            headers = {
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                "Content-Length": str(body.length),
                "Accept": ANSWER,
            }
            with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                content = _read(response)
        except httpx.RequestError as fault:
            raise fault_of(server, fault) from fault
        except OSError as fault:
            raise ConnectionBroke("a result's file cannot be read any more") from fault
        if refused := fault_of_status(server, response):
            raise refused
        answer = _document(content) if response.status_code in TOLD else None
        if answer is None:
            raise self._without_a_word(response.status_code)
        return [_outcome(item, answer, server) for item in items]

    def _without_a_word(self, status: int) -> WebError:
        if status in (200, 202, 204):
            return WrongAddress(
                f"{self._server.words} answered with HTTP status {status} and nothing that says which instances are"
                " stored: is it a DICOMweb server that answers in application/dicom+json?"
            )
        words = f"{self._server.words} refused the request with HTTP status {status} and without a reason"
        return InstanceRefused(words, retryable=not 400 <= status < 500 or status in (408, 409))


class MultipartBody:
    """The body of a request, read from the files while it is sent; its length is known before.

    Parameters
    ----------
    paths
        DICOM files, one a part.
    boundary
        Between the parts.
    """

    def __init__(self, paths: Sequence[Path], boundary: str) -> None:
        self._paths = paths
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"--{boundary}--\r\n".encode()
        self.length = sum(len(self._head) + path.stat().st_size + 2 for path in paths) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        for path in self._paths:
            yield self._head
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
            yield b"\r\n"
        yield self._tail


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What an answer says, by SOP Instance UID."""

    stored: dict[str, int]  # with the warning, 0 for none
    failed: dict[str, int | None]  # with the reason, None where it gives none


def _readable(paths: Sequence[Path]) -> tuple[list[Sendable], list[Given]]:
    readable, unreadable = [], []
    for path in paths:
        try:
            readable.append(read_sendable(path))
        except Unsendable as fault:
            unreadable.append(Given(path=path, error=InstanceRefused(str(fault), retryable=False)))
    return readable, unreadable


def _read(response: httpx.Response) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        content += piece
        if len(content) > MOST_ANSWER_BYTES:
            break
    return bytes(content)


def _document(content: bytes) -> _Told | None:
    """An answer's body as PS3.18 Annex I has it; None where it is something else."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    if not isinstance(body, dict) or not (REFERENCED in body or FAILED in body):
        return None
    stored = {_first(item, INSTANCE): _number(item, WARNING_REASON) or 0 for item in _sequence(body, REFERENCED)}
    failed = {_first(item, INSTANCE): _number(item, FAILURE_REASON) for item in _sequence(body, FAILED)}
    return _Told(stored=stored, failed=failed)


def _outcome(item: Sendable, told: _Told, server: Server) -> Given:
    uid = item.sop_instance_uid
    if uid in told.failed:
        reason = told.failed[uid]
        if reason is None:
            words = f"{server.words} did not store the instance and gives no reason"
            return Given(path=item.path, error=InstanceRefused(words, retryable=True))
        if accepts(reason):
            return Given(path=item.path, note=remark(reason))
        words = f"{server.words} did not store the instance: reason 0x{reason:04X}, {meaning(reason)}"
        return Given(path=item.path, error=InstanceRefused(words, retryable=not is_final(reason)))
    if uid in told.stored:
        warning = told.stored[uid]
        return Given(path=item.path, note=remark(warning) if warning else None)
    words = f"{server.words} answered and does not say what became of the instance"
    return Given(path=item.path, error=InstanceRefused(words, retryable=True))


def _sequence(body: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    element = body.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _first(item: dict[str, Any], tag: str) -> str:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _number(item: dict[str, Any], tag: str) -> int | None:
    word = _first(item, tag)
    return int(word) if word.isdigit() and int(word) <= 0xFFFF else None
