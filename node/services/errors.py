"""Errors of the services beside storage.

::

    NodeError
    └── Refused      a request is not fulfilled; carries the DIMSE status
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class Refused(NodeError):
    """A request that is answered with a failure status.

    The words become the answer's Error Comment, of which 64 characters are sent.
    """

    code: ClassVar[str] = "service.refused"

    def __init__(self, words: str, *, status: int, error_id: int | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.error_id = error_id
