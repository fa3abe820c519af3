"""Errors of the HTTP interface.

::

    NodeError
    └── ApiPortUnavailable    the port cannot be bound
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class ApiPortUnavailable(NodeError):
    """Another program has the port, or this user may not take it."""

    code: ClassVar[str] = "api.port"
    retryable: ClassVar[bool] = True
