"""Studies: the index over received instances, and the revisions of exams believed complete."""

from node.db import Signal, StudyState
from node.studies.announced import (
    Announcement,
    announce,
    hold_open,
    let_go,
    settle_announcements,
    studies_in_progress,
)
from node.studies.arrivals import arrive
from node.studies.errors import StudyError, StudyUnknown
from node.studies.index import Hold, Indexed, Reindexed, index_incoming, reindex
from node.studies.priors import release_prior
from node.studies.records import Arrival, Arrived, Revision, StoredInstance, inputs_digest
from node.studies.revisions import (
    Due,
    close_due,
    close_study,
    due_studies,
    instances_of,
    next_quiet,
    signal_complete,
    unrouted_revisions,
)

__all__ = [
    "Announcement",
    "Arrival",
    "Arrived",
    "Due",
    "Hold",
    "Indexed",
    "Reindexed",
    "Revision",
    "Signal",
    "StoredInstance",
    "StudyError",
    "StudyState",
    "StudyUnknown",
    "announce",
    "arrive",
    "close_due",
    "close_study",
    "due_studies",
    "hold_open",
    "index_incoming",
    "inputs_digest",
    "instances_of",
    "let_go",
    "next_quiet",
    "reindex",
    "release_prior",
    "settle_announcements",
    "signal_complete",
    "studies_in_progress",
    "unrouted_revisions",
]
