"""Errors of the listener.

::

    NodeError
    └── ListenerError
        ├── PortUnavailable   the port cannot be bound
        └── TlsUnusable       certificate, key or CA file cannot be used

    ConnectionEnd             how one connection ends early; never leaves the listener
    ├── Closed                the peer closed the connection, or it broke
    ├── TimedOut              nothing came for too long
    ├── Released              A-RELEASE-RQ came
    ├── Aborted               A-ABORT came
    └── Violation             the peer broke the protocol: it is told by A-ABORT
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from node.errors import NodeError


class ListenerError(NodeError):
    """Root of what keeps the listener from starting."""

    code: ClassVar[str] = "listener"


class PortUnavailable(ListenerError):
    """Another program has the port, or this user may not take it."""

    code: ClassVar[str] = "listener.port"
    retryable: ClassVar[bool] = True


class TlsUnusable(ListenerError):
    """Certificate, key or CA file cannot be read or do not fit together."""

    code: ClassVar[str] = "listener.tls"


class AbortSource(IntEnum):
    """Who aborts (PS3.8 Table 9-26)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ConnectionEnd(Exception):
    """Root of the ways in which a connection ends before its work is done."""


class Closed(ConnectionEnd):
    """The transport is gone."""


class TimedOut(ConnectionEnd):
    """The peer was silent for longer than the timer allows."""


class Released(ConnectionEnd):
    """The peer asks for release."""


class Aborted(ConnectionEnd):
    """The peer aborted."""


class Violation(ConnectionEnd):
    """The peer broke the protocol; the message says how, for the log."""

    def __init__(
        self,
        words: str,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
        source: AbortSource = AbortSource.SERVICE_PROVIDER,
    ) -> None:
        super().__init__(words)
        self.reason = reason
        self.source = source
