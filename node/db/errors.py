"""Errors of the database.

::

    NodeError
    ├── DatabaseUnavailable
    └── SchemaNewer
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class DatabaseUnavailable(NodeError):
    """The database stayed locked, its disk is full, or its server is away. Nothing was changed; try again later."""

    code: ClassVar[str] = "database.unavailable"
    retryable: ClassVar[bool] = True


class SchemaNewer(NodeError):
    """The database was migrated by a newer version of the node; start that version, or restore a backup."""

    code: ClassVar[str] = "database.newer"
