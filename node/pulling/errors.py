"""Errors of pulling.

::

    NodeError
    └── PullError
        ├── BadQuery          what is asked for cannot be asked
        ├── SourceUnusable    the configuration names no such source, or not one that can be asked so
        └── NobodyListens     C-MOVE would bring images to a port where nobody takes them
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class PullError(NodeError):
    """Root of pulling's errors."""

    code: ClassVar[str] = "pull"


class BadQuery(PullError):
    """What is asked for cannot be asked."""

    code: ClassVar[str] = "config.query"  # wrong usage, as a wrong configuration is


class SourceUnusable(PullError):
    """The configuration has no such source, or not one that can be asked so."""

    code: ClassVar[str] = "config.source"


class NobodyListens(PullError):
    """Images would be sent to this node's port while nobody listens there."""

    code: ClassVar[str] = "pull.nobody_listens"
    retryable: ClassVar[bool] = True
