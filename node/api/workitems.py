"""UPS-RS: the worklist by HTTP.

References
----------
DICOM PS3.18 11.4 to 11.9 (transactions, status codes, the words of the header `Warning`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import anyio
import sqlalchemy as sa
from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from integration.dicomweb.matching import read_query
from integration.dicomweb.workitems import WorkitemInvalid, read_cancel, read_changes, read_new, read_state
from node.api.bodies import check_not_packed
from node.api.callers import check_caller
from node.config import Settings
from node.logs import log_context
from node.roles import SCHEDULER, WORKER
from node.wake import Wake
from node.workitems import (
    Said,
    TooManyWorkitems,
    WorkitemGone,
    WorkitemRefused,
    WorkitemUnknown,
    change_state,
    create,
    request_cancel,
    retrieve,
    search,
    update,
)

MEDIA: Final = "application/dicom+json"
TAKEN: Final = (MEDIA, "application/json")
MOST_BYTES: Final = 2**20  # of a payload
RESOURCE: Final = "/dicom-web/workitems"
_INCONSISTENT: Final = "The submitted request is inconsistent with the current state of the Workitem."
_NOT_CLAIMED: Final = "The target URI did not reference a claimed Workitem."
_MISSING: Final = "The Transaction UID is missing."
_INCORRECT: Final = "The Transaction UID is incorrect."
_OF_STATE: Final = "The submitted request is inconsistent with the state of the UPS Instance."
_ALREADY: Final = {
    Said.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    Said.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}
_OF_CANCEL: Final = {
    Said.COMPLETED_BEFORE: "The UPS is already COMPLETED.",
    Said.WILL_NOT: "Performer chooses not to cancel.",
    Said.UNREACHABLE: "The performer cannot be contacted.",
}
Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class _Failed(Exception):
    """A request that is answered with a status and, where PS3.18 has words for it, a warning."""

    def __init__(self, status: int, code: str, words: str, warning: str | None = None) -> None:
        super().__init__(words)
        self.status, self.code, self.warning = status, code, warning


def add_workitems(app: FastAPI, settings: Settings, engine: sa.Engine) -> None:
    """Add the resources of the worklist."""
    desk = _Desk(settings, engine)
    app.add_exception_handler(_Failed, _failure)

    @app.post(RESOURCE)
    async def create_workitem(request: Request) -> Response:
        """Create a work item; its UID stands in the query or in the payload."""
        return await desk.create(request)

    @app.get(RESOURCE)
    async def search_workitems(request: Request) -> Response:
        """The work items that match."""
        return await desk.search(request)

    @app.get(RESOURCE + "/{uid}")
    async def retrieve_workitem(request: Request, uid: str) -> Response:
        """One work item."""
        return await desk.retrieve(request, uid)

    @app.post(RESOURCE + "/{uid}")
    async def update_workitem(request: Request, uid: str) -> Response:
        """Let attributes take the place of a work item's."""
        return await desk.update(request, uid)

    @app.put(RESOURCE + "/{uid}/state")
    async def change_workitem_state(request: Request, uid: str) -> Response:
        """Claim, complete or cancel a work item that one performs."""
        return await desk.change_state(request, uid)

    @app.post(RESOURCE + "/{uid}/cancelrequest")
    async def request_workitem_cancel(request: Request, uid: str) -> Response:
        """Ask that a work item be cancelled that one does not perform."""
        return await desk.request_cancel(request, uid)


class _Desk:
    """Reads requests, has them done in a thread, and words the answers."""

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        self._settings = settings
        self._engine = engine

    async def create(self, request: Request) -> Response:
        body = await self._body(request)
        named = _named_in_query(request, "workitem", "AffectedSOPInstanceUID")
        new = await _read(lambda: read_new(body, named))
        label, policy = self._settings.node.ae_title, self._settings.workitems
        uid = await _done(lambda: create(self._engine, new, _now(), policy=policy, label=label), _refused_creation)
        self._wake(SCHEDULER)
        where = f"{RESOURCE}/{uid}"
        headers = {"Location": where, "Content-Location": where}
        if new.modified:
            headers |= _warning("The Workitem was created with modifications.")
        return Response(status_code=201, headers=headers)

    async def search(self, request: Request) -> Response:
        self._admit(request)
        query = await _read(lambda: read_query(request.query_params.multi_items()))
        found = await _done(lambda: search(self._engine, query), _refused_change)
        words = [_FUZZY] if query.fuzzy else []
        words += [_MORE] if found.more else []
        headers = _warning(" ".join(words)) if words else {}
        if not found.items:
            return Response(status_code=204, headers=headers)
        return JSONResponse(list(found.items), 206 if found.more else 200, headers, MEDIA)

    async def retrieve(self, request: Request, uid: str) -> Response:
        self._admit(request)
        content = await _done(lambda: retrieve(self._engine, uid), _refused_change)
        return JSONResponse([content], 200, {"Cache-Control": "no-cache"}, MEDIA)

    async def update(self, request: Request, uid: str) -> Response:
        body = await self._body(request)
        changes = await _read(lambda: read_changes(body))
        holder = _named_in_query(request, "transaction-uid", "transactionUID", "TransactionUID")
        transaction = holder or changes.transaction_uid
        await _done(lambda: update(self._engine, uid, changes, transaction, _now()), _refused_update(transaction))
        self._wake(SCHEDULER)
        return Response(status_code=200, headers={"Content-Location": f"{RESOURCE}/{uid}"})

    async def change_state(self, request: Request, uid: str) -> Response:
        body = await self._body(request)
        asked = await _read(lambda: read_state(body), _OF_STATE)
        said = await _done(
            lambda: change_state(self._engine, uid, asked, _now()), _refused_state(asked.transaction_uid)
        )
        return Response(status_code=200, headers=_warning(_ALREADY[said]) if said in _ALREADY else {})

    async def request_cancel(self, request: Request, uid: str) -> Response:
        body = await self._body(request, may_be_empty=True)
        asked = await _read(lambda: read_cancel(body))
        said = await _done(lambda: request_cancel(self._engine, uid, asked, _now()), _refused_cancel)
        self._wake(WORKER)
        return Response(status_code=202, headers=_warning(_ALREADY[said]) if said in _ALREADY else {})

    def _admit(self, request: Request) -> None:
        check_caller(request, self._settings.http)
        accepted = request.headers.get("accept", "*/*")
        if not any(kind in accepted for kind in (*TAKEN, "*/*", "application/*")):
            raise HTTPException(406, f"answers are {MEDIA}")

    async def _body(self, request: Request, *, may_be_empty: bool = False) -> bytes:
        """The payload, bounded in size and time."""
        self._admit(request)
        check_not_packed(request)
        body = bytearray()
        try:
            with anyio.fail_after(self._settings.listener.idle_timeout_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise HTTPException(413, f"a work item has at most {MOST_BYTES} bytes")
        except (TimeoutError, ClientDisconnect) as fault:
            raise HTTPException(408, "the body did not come to its end: send it again") from fault
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in TAKEN and (body or not may_be_empty):
            raise HTTPException(415, f"work items are taken as {MEDIA}")
        return bytes(body)

    def _wake(self, role: str) -> None:
        with Wake(self._settings.data_dir) as wake:
            wake.ring(role)


_FUZZY: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_MORE: Final = "There are additional results that can be requested."


def _now() -> datetime:
    return datetime.now(UTC)


def _named_in_query(request: Request, *names: str) -> str | None:
    """A UID in the query: by one of these names, or alone."""
    found = [request.query_params[name] for name in names if request.query_params.get(name)]
    if found:
        return found[0]
    alone = [name for name, value in request.query_params.items() if not value]
    return alone[0] if len(alone) == 1 else None


async def _read(how: Callable[[], Answer], warning: str | None = None) -> Answer:
    """Read a request in a thread: sequences of very many items take seconds, in which others are to be answered."""
    try:
        return await to_thread.run_sync(how)
    except WorkitemInvalid as fault:
        raise _Failed(400, "workitem.invalid", str(fault), warning) from fault


async def _done(what: Callable[[], Answer], refused: Callable[[WorkitemRefused], _Failed]) -> Answer:
    try:
        return await to_thread.run_sync(what)
    except WorkitemUnknown as error:
        raise _Failed(404, error.code, str(error)) from error
    except WorkitemGone as error:
        raise _Failed(410, error.code, str(error)) from error
    except TooManyWorkitems as error:
        raise _Failed(503, error.code, str(error)) from error
    except WorkitemRefused as error:
        _log.info("A request about a work item was refused", extra=log_context(status=f"{error.said:04X}"))
        raise refused(error) from error


def _refused_creation(error: WorkitemRefused) -> _Failed:
    return _Failed(409, error.code, str(error))


def _refused_change(error: WorkitemRefused) -> _Failed:
    return _Failed(409, error.code, str(error), _INCONSISTENT)


def _refused_update(transaction: str) -> Callable[[WorkitemRefused], _Failed]:
    """PS3.18 Table 11.6.3-1: of an ended work item, or with a wrong Transaction UID, it is a bad request."""

    def refused(error: WorkitemRefused) -> _Failed:
        if error.said is Said.WRONG_TRANSACTION:
            return _Failed(400, error.code, str(error), _INCORRECT if transaction else _MISSING)
        if error.said is Said.NOT_IN_PROGRESS:
            return _Failed(409, error.code, str(error), _NOT_CLAIMED)
        return _Failed(400, error.code, str(error), _INCONSISTENT)

    return refused


def _refused_state(transaction: str) -> Callable[[WorkitemRefused], _Failed]:
    """PS3.18 Table 11.7.3-1: a missing or wrong Transaction UID is a bad request, a state that does not allow it a
    conflict."""

    def refused(error: WorkitemRefused) -> _Failed:
        if error.said is Said.WRONG_TRANSACTION:
            return _Failed(400, error.code, str(error), _INCORRECT if transaction else _MISSING)
        return _Failed(400 if error.said is Said.ONLY_BY_CREATION else 409, error.code, str(error), _OF_STATE)

    return refused


def _refused_cancel(error: WorkitemRefused) -> _Failed:
    return _Failed(409, error.code, str(error), _OF_CANCEL.get(error.said, _INCONSISTENT))


def _warning(words: str) -> dict[str, str]:
    return {"Warning": f"299 echocare-node: {words}"}


async def _failure(request: Request, error: Exception) -> Response:
    if not isinstance(error, _Failed):
        raise error
    body = {"error": {"code": error.code, "message": str(error)}}
    return JSONResponse(body, error.status, _warning(error.warning) if error.warning else None)
