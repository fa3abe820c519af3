"""Who may store, and who may see and change work items."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException

from node.config import Http
from node.listener.options import address_of


def check_caller(request: Request, http: Http) -> None:
    """Nobody but the machine itself and those that `http.allow` names.

    Raises
    ------
    HTTPException
        403.
    """
    where = address_of(request.client.host) if request.client else None
    listed = [] if where is None else [net for net in http.allow if net.version == where.version and where in net]
    known = where is not None and (where.is_loopback or bool(listed))
    if not known:
        raise HTTPException(
            403, "this address may not store or see work items: an administrator adds it to `http.allow`"
        )
