"""Giving files to a server over HTTP: where it is, who we are there, and what can come of it.

::

    WebError
    ├── ServerDown        no connection, TLS fails, or it says that it cannot now (429, 502 to 504, 507)
    ├── ServerSilent      no answer in time
    ├── LoginRefused      401 or 403: it does not know us, or we may not
    ├── WrongAddress      what answers there is no such service
    ├── ConnectionBroke   the connection ended within a request
    └── InstanceRefused   this one instance was not taken

The first four are of the server, whatever it is given: `down` says so.

References
----------
RFC 9110 15 (statuses), 10.2.3 (Retry-After), PS3.18 10.5.3 (those of the Store transaction).
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

import httpx

LATER: Final = (429, 502, 503, 504, 507)
REFUSED_LOGIN: Final = (401, 403, 407)
NOT_HERE: Final = (404, 405, 406, 410)
_SECONDS: Final = re.compile(r"[0-9]{1,15}")


class WebError(Exception):
    """Root of what a server or the way to it makes of a file; the words name no patient and no file."""

    code: ClassVar[str] = "web"
    retryable: bool = True
    down: ClassVar[bool] = False  # the server is the trouble, and other files would fare the same
    again_after_s: float | None = None  # for how long the server asks to be left alone; None: it does not say


class ServerDown(WebError):
    """Nobody answers there, or it says that it cannot now."""

    code: ClassVar[str] = "web.down"
    down: ClassVar[bool] = True

    def __init__(self, words: str, again_after_s: float | None = None) -> None:
        asks = "" if again_after_s is None else f"; it asks to be left alone for {again_after_s:.0f} s"
        super().__init__(f"{words}{asks}")
        self.again_after_s = again_after_s


class ServerSilent(WebError):
    """A connection, and no answer in time."""

    code: ClassVar[str] = "web.silent"
    down: ClassVar[bool] = True


class LoginRefused(WebError):
    """The server does not accept who we are; an administrator can mend that at either end."""

    code: ClassVar[str] = "web.login"
    down: ClassVar[bool] = True


class WrongAddress(WebError):
    """Something answers, and it is not the service that was meant."""

    code: ClassVar[str] = "web.address"
    down: ClassVar[bool] = True


class ConnectionBroke(WebError):
    """The connection ended within a request; what of it arrived is not known, and sending again is harmless."""

    code: ClassVar[str] = "web.broken"


class InstanceRefused(WebError):
    """The server did not take this instance; `retryable` says whether it may do so later."""

    code: ClassVar[str] = "web.refused"

    def __init__(self, words: str, *, retryable: bool) -> None:
        super().__init__(words)
        self.retryable = retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server and how long to wait for it."""

    url: str  # without a login in it
    ca: Path | None = None  # certificates that it must be signed by, PEM; None: the system's
    cert: Path | None = None  # our certificate chain, for servers that ask for one
    key: Path | None = None  # private key of `cert`
    connect_timeout_s: float = 5.0
    response_timeout_s: float = 60.0  # for the answer, once the request is sent

    @property
    def words(self) -> str:
        """The server for a message."""
        at = urlsplit(self.url)
        return f"{at.scheme}://{at.netloc.rpartition('@')[2]}{at.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are to a server: a user with a password, or the bearer of a token."""

    user: str | None = None  # None: `secret` is a token
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What became of one file."""

    path: Path
    error: WebError | None = None  # None: the server has it
    note: str | None = None  # what it remarked while accepting it


def tls_of(server: Server) -> ssl.SSLContext:
    """Whom to trust, and who we are, on the way to a server.

    Raises
    ------
    WrongAddress
        One of its certificate files cannot be used.
    """
    if urlsplit(server.url).scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; it trusts nobody, and costs no time to make
    try:
        context = ssl.create_default_context(cafile=server.ca)
        if server.cert is not None:
            context.load_cert_chain(server.cert, server.key)
    except OSError as fault:
        raise WrongAddress(
            f"the certificate files for {server.words} cannot be used: see `tls` of this peer"
        ) from fault
    return context


def timeouts_of(server: Server) -> httpx.Timeout:
    """How long to wait: to connect, for room to send more, and for the answer."""
    return httpx.Timeout(server.response_timeout_s, connect=server.connect_timeout_s)


def auth_of(login: Login | None) -> httpx.Auth | None:
    """A login as httpx sends it."""
    if login is None:
        return None
    return _Bearer(login) if login.user is None else httpx.BasicAuth(login.user, login.secret)


class _Bearer(httpx.Auth):
    """RFC 6750 2.1."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._login.secret}"
        yield request


def reach(server: Server, login: Login | None, path: str) -> None:
    """Ask a server for something that costs it nothing, to see that it is there and knows us.

    Raises
    ------
    WebError
        It does not answer, refuses us, or has no such path.
    """
    with httpx.Client(auth=auth_of(login), timeout=timeouts_of(server), verify=tls_of(server)) as client:
        try:
            response = client.get(f"{server.url.rstrip('/')}{path}", headers={"Accept": "application/dicom+json, */*"})
        except httpx.RequestError as fault:
            raise fault_of(server, fault) from fault
    if refused := fault_of_status(server, response):
        raise refused
    if response.status_code >= 400:
        raise WrongAddress(f"{server.words} answers with HTTP status {response.status_code}: check its address")


def fault_of(server: Server, fault: httpx.RequestError) -> WebError:
    """Why a request came to nothing; in words of ours, because those of the library hold the address that was asked."""
    if isinstance(fault, httpx.ConnectTimeout):
        return ServerDown(f"{server.words} did not take the connection within {server.connect_timeout_s:g} s")
    if isinstance(fault, httpx.TimeoutException):
        return ServerSilent(f"{server.words} did not answer within {server.response_timeout_s:g} s")
    if isinstance(fault, httpx.ConnectError) and isinstance(_root(fault), ssl.SSLError):
        return ServerDown(f"TLS with {server.words} failed: check its certificate, and `tls` of this peer")
    if isinstance(fault, httpx.ConnectError):
        return ServerDown(f"no connection to {server.words}: is it running, and are name and port right?")
    if isinstance(fault, httpx.ProxyError):
        return ServerDown(f"the proxy on the way to {server.words} does not let us through")
    if isinstance(fault, httpx.UnsupportedProtocol | httpx.DecodingError):
        return WrongAddress(f"{server.words} cannot be asked ({type(fault).__name__}): check its address")
    return ConnectionBroke(f"the connection to {server.words} ended within a request")


def _root(fault: BaseException) -> BaseException:
    """The first of the exceptions that led to one."""
    while (before := fault.__cause__ or fault.__context__) is not None:
        fault = before
    return fault


def fault_of_status(server: Server, answer: httpx.Response) -> WebError | None:
    """What an answer's status says of the server itself; None where it is about what was sent."""
    status = answer.status_code
    if status in LATER:
        words = f"{server.words} cannot take anything now: HTTP status {status}"
        return ServerDown(words, again_after_s(answer.headers))
    if status in REFUSED_LOGIN:
        return LoginRefused(f"{server.words} refuses us with HTTP status {status}: check the login of this peer")
    if status in NOT_HERE or 300 <= status < 400:
        return WrongAddress(f"{server.words} is not that service: HTTP status {status}; check its address")
    return None


def again_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """For how long a server asks to be left alone, by `Retry-After`: seconds, or a date.

    A date counts from the answer's own `Date` where it has one, so that a clock that is wrong does no harm.

    Parameters
    ----------
    headers
        Of the answer; their names in any case.
    now
        The time, for an answer without `Date`; None: this machine's.

    Returns
    -------
    float or None
        Seconds, not negative; None where it does not say, or nothing that can be read.
    """
    said = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    until, since = _date(said), _date(headers.get("Date", "")) or now or datetime.now(UTC)
    return None if until is None else max(0.0, (until - since).total_seconds())


def _date(said: str) -> datetime | None:
    """An HTTP date (RFC 9110 5.6.7); None where it is none."""
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
