"""Giving files to an Orthanc by its REST interface, one request a file, on pyorthanc (docs/decisions/0008).

References
----------
The Orthanc Book, "REST API of Orthanc" (`POST /instances`), and the error codes of its plugin SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx
from pyorthanc import Orthanc

from integration.web import (
    Given,
    InstanceRefused,
    Login,
    Server,
    ServerDown,
    WebError,
    WrongAddress,
    again_after_s,
    auth_of,
    fault_of,
    fault_of_status,
    timeouts_of,
    tls_of,
)

CANNOT_WRITE, BAD_FILE, FULL = 14, 15, 19  # Orthanc's own codes, in `OrthancStatus`
FINAL: Final = (BAD_FILE,)
TAKEN: Final = {"Success": None, "AlreadyStored": "Orthanc had this instance already, and kept what it had"}


class OrthancServer:
    """Stores on one Orthanc; a `with` block keeps the connection open.

    Parameters
    ----------
    server
        `url` is the root of its REST interface, http://host:8042 for example.
    login
        None: without one.
    """

    def __init__(self, server: Server, login: Login | None) -> None:
        self._server = server
        self._client = Orthanc(
            server.url.rstrip("/"),
            return_raw_response=True,
            auth=auth_of(login),
            timeout=timeouts_of(server),
            verify=tls_of(server),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def store(self, paths: Sequence[Path]) -> Iterator[Given]:
        """Store files one after another.

        Yields
        ------
        Given
            One for each path that was tried; errors are in the outcomes, none is raised. When the server is down, the
            rest is not tried.
        """
        for path in paths:
            try:
                note = self._give(path)
            except WebError as error:
                yield Given(path=path, error=error)
                if error.down:
                    return
            else:
                yield Given(path=path, note=note)

    def _give(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                response: httpx.Response = self._client.post_instances(file)
        except httpx.RequestError as fault:
            raise fault_of(self._server, fault) from fault
        except OSError as fault:
            raise InstanceRefused("the result's file cannot be read", retryable=False) from fault
        said = _document(response)
        if response.status_code == 200:
            return self._taken(said)
        code = said.get("OrthancStatus")
        words = f"{self._server.words} refused the instance with HTTP status {response.status_code}, Orthanc's {code}"
        if code in FINAL:
            raise InstanceRefused(f"{words}: it cannot read the file", retryable=False)
        if code in (CANNOT_WRITE, FULL):
            words = f"{self._server.words} cannot store: its disk is full or cannot be written"
            raise ServerDown(words, again_after_s(response.headers))
        if refused := fault_of_status(self._server, response):
            raise refused
        raise InstanceRefused(words, retryable=True)

    def _taken(self, said: dict[str, Any]) -> str | None:
        status = said.get("Status")
        if status in TAKEN:
            return TAKEN[status]
        if status == "FilteredOut":
            words = f"a filter of {self._server.words} does not let this instance in: see its scripts"
            raise InstanceRefused(words, retryable=False)
        if status == "StorageFull":
            raise ServerDown(f"{self._server.words} cannot store: its storage is full")
        if isinstance(status, str) and "ID" in said:
            raise InstanceRefused(f"{self._server.words} did not store the instance", retryable=True)
        raise WrongAddress(f"{self._server.words} answers, and not as an Orthanc: check its address")


def _document(response: httpx.Response) -> dict[str, Any]:
    try:
        said = response.json()
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
