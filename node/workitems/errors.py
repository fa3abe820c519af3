"""Errors of work items.

::

    NodeError
    └── WorkitemError
        ├── WorkitemRefused    its state does not allow it, or who asks does not hold it; carries the status
        ├── WorkitemUnknown    there is no such work item
        ├── WorkitemGone       there was one, and it was deleted
        └── TooManyWorkitems   so many are open that no more are taken
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError
from node.workitems.states import Said


class WorkitemError(NodeError):
    """Root of the errors about work items."""

    code: ClassVar[str] = "workitem"


class WorkitemRefused(WorkitemError):
    """What was asked of a work item was not done; nothing was changed."""

    code: ClassVar[str] = "workitem.refused"

    def __init__(self, words: str, said: Said) -> None:
        super().__init__(words)
        self.said = said


class WorkitemUnknown(WorkitemError):
    """There is no work item of that UID."""

    code: ClassVar[str] = "workitem.unknown"


class WorkitemGone(WorkitemError):
    """The work item had ended, and was deleted after `workitems.keep_s`."""

    code: ClassVar[str] = "workitem.gone"


class TooManyWorkitems(WorkitemError):
    """`workitems.most_open` are open already."""

    code: ClassVar[str] = "workitem.too_many"
    retryable: ClassVar[bool] = True
