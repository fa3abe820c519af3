"""STOW-RS: instances by HTTP, acknowledged when they are safe, like those by C-STORE.

References
----------
DICOM PS3.18 10.5 (Store transaction), Table I.2-2 (Failure Reason).
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any, Final

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydicom import dcmread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from integration.dicomweb.storing import ANSWER, PartStart, StoreBody, Stored, StoreRequestError, answer
from node.api.bodies import check_not_packed
from node.api.callers import check_caller
from node.api.feeding import Feeder
from node.archive import Archive, FileMeta, is_uid
from node.config import Settings
from node.listener.commands import Answer, Status
from node.listener.sop_classes import DEFAULT
from node.listener.storing import Intake
from node.logs import log_context
from node.roles import SCHEDULER
from node.wake import Wake

HEAD_BYTES: Final = 256 * 2**10  # in which the Study Instance UID has to come where a study is named
SYNCS: Final = 8  # instances of one request that are made safe at a time
MOST_WAITING: Final = 32  # instances of one request that came and are not safe yet
MOST_COMMENT: Final = 1000  # characters of what is said of failures in the header `Warning`

_log = logging.getLogger(__name__)


def add_storing(app: FastAPI, settings: Settings) -> None:
    """Add both resources of the Store transaction."""
    uploads = anyio.Semaphore(settings.http.most_uploads)

    @app.post("/dicom-web/studies")
    async def store(request: Request) -> Response:
        """Take instances of any study."""
        return await _store(request, settings, uploads, None)

    @app.post("/dicom-web/studies/{study}")
    async def store_in(request: Request, study: str) -> Response:
        """Take instances of one study; others are refused one by one."""
        return await _store(request, settings, uploads, study)


async def _store(request: Request, settings: Settings, uploads: anyio.Semaphore, study: str | None) -> Response:
    check_caller(request, settings.http)
    check_not_packed(request)
    if "application/dicom+xml" in request.headers.get("accept", "") and ANSWER not in request.headers["accept"]:
        raise HTTPException(406, f"answers are {ANSWER}")
    try:
        uploads.acquire_nowait()
    except anyio.WouldBlock:
        raise HTTPException(503, "too many uploads at one time: try again", {"Retry-After": "5"}) from None
    try:
        taken = await _take(request, settings, study)
    finally:
        uploads.release()
    status, body = answer(taken.outcomes())
    faults = "; ".join(dict.fromkeys(taken.faults()))[:MOST_COMMENT]
    if faults:
        _note(request, status, faults, len(taken.faults()))
    headers = {"Warning": f'299 echocare-node "{faults}"'} if faults else None
    return JSONResponse(body, status, headers, ANSWER)


async def _take(request: Request, settings: Settings, study: str | None) -> _Taken:
    taken = _Taken(settings, study)
    feeder = Feeder()
    try:
        body = StoreBody(request.headers.get("content-type", ""), taken, settings.http.most_upload_bytes)
        pace = _Pace(settings.listener.idle_timeout_s, settings.http.least_bytes_per_s)
        chunks = request.stream()
        while (chunk := await pace.next_of(chunks)) is not None:
            await feeder.give(chunk, body.feed)
        await feeder.finish(body.feed)
        body.finish()
    except StoreRequestError as fault:
        _note(request, fault.status, type(fault).__name__)  # its words may be the client's
        raise HTTPException(fault.status, str(fault)) from fault
    except (TimeoutError, ClientDisconnect) as fault:
        _note(request, 408, "the body did not come to its end, or too slowly")
        raise HTTPException(408, "the body did not come to its end, or too slowly: send it again") from fault
    finally:
        with anyio.CancelScope(shield=True):
            await feeder.end(taken.close)
    return taken


def _note(request: Request, status: int, reason: str, count: int | None = None) -> None:
    peer = request.client.host if request.client else None
    about = log_context(action="store", peer_address=peer, status=status, reason=reason, count=count)
    _log.warning("Instances were not stored", extra=about)


class _Pace:
    """Waits for the pieces of a body as long as they come fast enough.

    Only the time spent waiting counts: a sender is not slow because this node's disk is.

    Parameters
    ----------
    window_s
        Longest wait for one piece, and the waiting after which the pace is judged.
    least_bytes_per_s
        Of waiting.
    """

    def __init__(self, window_s: float, least_bytes_per_s: float) -> None:
        self._window_s, self._least = window_s, least_bytes_per_s
        self._waited_s, self._bytes = 0.0, 0

    async def next_of(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The next piece; None at the end.

        Raises
        ------
        TimeoutError
            It does not come, or all come too slowly.
        """
        began = time.monotonic()
        with anyio.fail_after(self._window_s):
            piece = await anext(pieces, None)
        self._waited_s += time.monotonic() - began
        self._bytes += len(piece or b"")
        if self._waited_s >= self._window_s:
            if self._bytes < self._least * self._waited_s and piece is not None:
                raise TimeoutError
            self._waited_s, self._bytes = 0.0, 0
        return piece


class _Taken:
    """The instances of one body on their way into the archive.

    Raises
    ------
    ArchiveError
        The archive's folders cannot be made.
    """

    def __init__(self, settings: Settings, study: str | None) -> None:
        self._ended: list[tuple[PartStart | None, Future[Answer]]] = []
        # Instances are made safe beside the one that comes: syncs that run together share commits of the journal.
        self._syncs = ThreadPoolExecutor(SYNCS, "stow-sync")
        self._study = study
        self._called, self._calling = settings.node.ae_title, settings.http.calling_ae
        classes = settings.listener.storage_sop_classes
        self._classes = DEFAULT if classes is None else frozenset(classes)
        self._data_dir = settings.data_dir
        self._archive = Archive(settings.archive_dir, settings.node.min_free_bytes)
        self._start: PartStart | None = None
        self._intake: Intake | None = None
        self._head = bytearray()
        self._refusal: Answer | None = None

    def begin(self, start: PartStart) -> None:
        """An instance comes."""
        self._start, self._refusal, self._head = start, _refusal(start, self._classes), bytearray()
        self._intake = None
        if self._refusal is None:
            meta = FileMeta(
                sop_class_uid=start.sop_class_uid,
                sop_instance_uid=start.sop_instance_uid,
                transfer_syntax_uid=start.transfer_syntax_uid,
                calling_ae=self._calling,
                called_ae=self._called,
            )
            self._intake = Intake(self._archive, meta, None)

    def take(self, piece: memoryview) -> None:
        """Bytes of its data set."""
        if self._intake is not None:
            self._intake.take(piece)
            if self._study is not None and len(self._head) < HEAD_BYTES:
                self._head += piece[: HEAD_BYTES - len(self._head)]

    def end(self) -> None:
        """It was whole: make it safe."""
        start, intake = self._start, self._intake
        if start is None:
            return
        refusal = self._refusal or self._other_study(start)
        if refusal is not None or intake is None:
            self._abandon()
            self._end(start, refusal or Answer(status=Status.PROCESSING_FAILURE))
            return
        self._start = self._intake = None
        self._ended.append((start, self._syncs.submit(_made_safe, intake)))
        if len(self._ended) > MOST_WAITING:
            self._ended[-MOST_WAITING][1].result()  # holds the sender up while the disk is behind

    def refuse(self, words: str) -> None:
        """A part was no DICOM file."""
        self._end(None, Answer(status=Status.CANNOT_UNDERSTAND, comment=words))

    def outcomes(self) -> list[Stored]:
        """What became of each instance, in order; waits until all are safe."""
        return [_outcome(start, said.result()) for start, said in self._ended]

    def faults(self) -> list[str]:
        """What was wrong, in words without identifiers."""
        answers = [said.result() for _, said in self._ended]
        return [said.comment for said in answers if said.status != Status.SUCCESS]

    def close(self) -> None:
        """Drop what was not whole, and wake the scheduler where something was stored."""
        self._abandon()
        self._syncs.shutdown(wait=True)
        self._archive.close()
        if any(each.reason is None for each in self.outcomes()):
            with Wake(self._data_dir) as wake:
                wake.ring(SCHEDULER)

    def _end(self, start: PartStart | None, said: Answer) -> None:
        known: Future[Answer] = Future()
        known.set_result(said)
        self._ended.append((start, known))

    def _abandon(self) -> None:
        if self._intake is not None:
            self._intake.abandon()
        self._start, self._intake = None, None

    def _other_study(self, start: PartStart) -> Answer | None:
        if self._study is None:
            return None
        if _study_of(bytes(self._head), start) == self._study:
            return None
        return Answer(status=Status.MISMATCH, comment="data set is of another study than the address")


def _made_safe(intake: Intake) -> Answer:
    try:
        return intake.finish()
    finally:
        intake.abandon()


def _outcome(start: PartStart | None, said: Answer) -> Stored:
    return Stored(
        sop_class_uid=start.sop_class_uid if start is not None else "",
        sop_instance_uid=start.sop_instance_uid if start is not None else "",
        reason=None if said.status == Status.SUCCESS else int(said.status),
    )


def _refusal(start: PartStart, classes: frozenset[str]) -> Answer | None:
    if start.sop_class_uid not in classes:
        return Answer(status=Status.SOP_CLASS_NOT_SUPPORTED, comment="SOP class is not taken here")
    if not is_uid(start.sop_instance_uid):
        return Answer(status=Status.INVALID_INSTANCE, comment="SOP Instance UID is no UID")
    return None


def _study_of(head: bytes, start: PartStart) -> str:
    """Study Instance UID in the first bytes of a data set; empty where it is not there or they cannot be read."""
    meta = FileMeta(
        sop_class_uid=start.sop_class_uid,
        sop_instance_uid=start.sop_instance_uid,
        transfer_syntax_uid=start.transfer_syntax_uid,
        calling_ae="",
        called_ae="",
    )
    words: Any = ["StudyInstanceUID"]
    try:
        found = dcmread(BytesIO(meta.encode() + head), stop_before_pixels=True, specific_tags=words)
        return str(found.get("StudyInstanceUID", ""))
    except Exception:  # noqa: BLE001 - pydicom raises errors of many kinds; the answer is the same: of no known study
        return ""
