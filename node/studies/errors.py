"""Errors of studies.

::

    NodeError
    └── StudyError
        └── StudyUnknown     nothing of that study was received
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class StudyError(NodeError):
    """Root of the errors about studies."""

    code: ClassVar[str] = "study"


class StudyUnknown(StudyError):
    """Nothing of that study was received."""

    code: ClassVar[str] = "study.unknown"
