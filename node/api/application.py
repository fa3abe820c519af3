"""The routes of the HTTP interface. Answers carry UIDs and states, never attributes of a patient, but for work items,
which hold what their makers wrote into them.

Every error has one shape: `{"error": {"code": "…", "message": "…"}}`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from models.engine import EngineClosed, EngineError
from models.engine.shared import RemoteEngine
from node.api.storing import add_storing
from node.api.workitems import add_workitems
from node.archive import ArchiveError, OutOfSpace
from node.archive.space import free_bytes
from node.config import Settings
from node.db import DatabaseUnavailable, Signal, read, write
from node.errors import NodeError
from node.jobs import counts, studies_overview, study_detail
from node.overview import counts_document, study_document, study_line
from node.roles import SCHEDULER
from node.studies import StudyUnknown, signal_complete
from node.wake import Wake, engine_socket

LOOPBACK_NAMES: Final = ["localhost", "127.0.0.1", "[::1]"]
STATUS_OF: Final[dict[type[Exception], int]] = {
    StudyUnknown: 404,
    DatabaseUnavailable: 503,
    EngineClosed: 503,
    OutOfSpace: 507,
    ArchiveError: 503,
}


def make_application(settings: Settings, engine: sa.Engine) -> FastAPI:
    """The application, ready to be served.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    """
    app = FastAPI(title="echocare-node", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    if ipaddress.ip_address(str(settings.http.bind)).is_loopback:
        # A page in a browser on this machine must not reach the node under a name of its own (DNS rebinding).
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, str(settings.http.bind)])
    _add_error_handlers(app)
    _add_health(app, settings, engine)
    _add_studies(app, settings, engine)
    _add_engine(app, settings)
    add_storing(app, settings)
    add_workitems(app, settings, engine)
    return app


def _add_health(app: FastAPI, settings: Settings, engine: sa.Engine) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz(response: Response) -> dict[str, Any]:
        """Whether what is sent now can be received and indexed: database and free space."""
        faults = {}
        try:
            with read(engine) as connection:
                counts(connection)
        except (DatabaseUnavailable, sa.exc.DBAPIError) as error:
            faults["database"] = getattr(error, "code", "") or type(error).__name__
        try:
            if free_bytes(settings.archive_dir) < settings.node.min_free_bytes:
                faults["archive"] = "less free space than node.min_free_bytes"
        except (OSError, ArchiveError):
            faults["archive"] = "the archive's folder cannot be read"
        response.status_code = 503 if faults else 200
        return {"status": "not ready" if faults else "ready", "faults": faults}


def _add_studies(app: FastAPI, settings: Settings, engine: sa.Engine) -> None:
    @app.get("/api/status")
    def status() -> dict[str, Any]:
        """Totals of everything."""
        with read(engine) as connection:
            return counts_document(counts(connection))

    @app.get("/api/studies")
    def studies(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, Any]:
        """Studies, the one that changed last first."""
        with read(engine) as connection:
            return {"studies": [study_line(each) for each in studies_overview(connection, limit=limit)]}

    @app.get("/api/studies/{uid}")
    def study(uid: str) -> dict[str, Any]:
        """One study with its revisions, jobs, results and deliveries."""
        with read(engine) as connection:
            found = study_detail(connection, uid)
        if found is None:
            raise StudyUnknown("nothing of that study was received; check its Study Instance UID")
        return dict(study_document(found))

    @app.post("/api/studies/{uid}/complete", status_code=202)
    def complete(uid: str) -> dict[str, Any]:
        """The exam is complete: close the study now instead of waiting for the quiet timer."""
        return {"study_instance_uid": uid, "signalled": complete_study(settings, engine, uid)}


def _add_engine(app: FastAPI, settings: Settings) -> None:
    @app.get("/api/engine")
    def engine() -> dict[str, Any]:
        """The engine's tasks, and what it did since its start."""
        remote = RemoteEngine(engine_socket(settings.data_dir))
        try:
            about = remote.about()
        finally:
            remote.close()
        return {
            "tasks": [
                {"task": each.task, "version": each.version, "digest": each.digest, "encoder": each.encoder_digest}
                for each in about.identities
            ],
            "metrics": asdict(about.metrics),
        }


def complete_study(settings: Settings, engine: sa.Engine, uid: str) -> bool:
    """Say that an exam is complete, and wake the scheduler; False where the study is closed already.

    Raises
    ------
    StudyUnknown
        Nothing of the study was received.
    """
    with write(engine) as connection:
        said = signal_complete(connection, uid, Signal.API, datetime.now(UTC))
    with Wake(settings.data_dir) as wake:
        wake.ring(SCHEDULER)
    return said


def _add_error_handlers(app: FastAPI) -> None:
    def problem(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": {"code": code, "message": message}}, status, headers)

    async def of_node(request: Request, error: Exception) -> Response:
        status = next((status for kind, status in STATUS_OF.items() if isinstance(error, kind)), 500)
        return problem(status, getattr(error, "code", "node"), str(error))

    async def of_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return problem(status, f"http.{status}", str(getattr(error, "detail", "")), getattr(error, "headers", None))

    async def of_input(request: Request, error: Exception) -> Response:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        words = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        return problem(422, "http.422", words)

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        NodeError: of_node,
        EngineError: of_node,
        HTTPException: of_http,
        RequestValidationError: of_input,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
