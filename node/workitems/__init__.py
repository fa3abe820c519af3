"""Work items (Unified Procedure Steps): the worklist of this node, and the node as its performer."""

from node.workitems.errors import TooManyWorkitems, WorkitemError, WorkitemGone, WorkitemRefused, WorkitemUnknown
from node.workitems.fetching import WorkitemFetcher
from node.workitems.performing import Performer
from node.workitems.states import Said
from node.workitems.store import Found, change_state, create, request_cancel, retrieve, search, update

__all__ = [
    "Found",
    "Performer",
    "Said",
    "TooManyWorkitems",
    "WorkitemError",
    "WorkitemFetcher",
    "WorkitemGone",
    "WorkitemRefused",
    "WorkitemUnknown",
    "change_state",
    "create",
    "request_cancel",
    "retrieve",
    "search",
    "update",
]
