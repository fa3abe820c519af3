"""The root of the node's errors.

::

    NodeError
    ├── ConfigError            node.config: the configuration cannot be used
    ├── DatabaseUnavailable    node.db: the database does not answer in time
    ├── SchemaNewer            node.db: the database was written by a newer version
    ├── StudyError             node.studies
    └── JobError               node.jobs

Every class has a stable `code` and says by `retryable` whether the same call may succeed later. Messages say what
failed, where, and how to mend it, never anything about a patient.
"""

from __future__ import annotations

from typing import ClassVar


class NodeError(Exception):
    """Root of the errors that the node raises on purpose."""

    code: ClassVar[str] = "node"
    retryable: ClassVar[bool] = False
