"""What every resource that takes a body asks of it."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException

PLAIN = ("", "identity")


def check_not_packed(request: Request) -> None:
    """Refuse a body with a content coding: a few packed bytes unpack to very many (RFC 9110 8.4, 15.5.16).

    Raises
    ------
    HTTPException
        415.
    """
    if request.headers.get("content-encoding", "").strip().lower() not in PLAIN:
        raise HTTPException(
            415, "the body is taken as it is, without Content-Encoding", {"Accept-Encoding": "identity"}
        )
