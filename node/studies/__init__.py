"""Studies: the index over received instances, and the revisions of exams believed complete."""

from node.db import Signal, StudyState
from node.studies.arrivals import arrive
from node.studies.errors import StudyError, StudyUnknown
from node.studies.index import Indexed, Reindexed, index_incoming, reindex
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
    "Arrival",
    "Arrived",
    "Due",
    "Indexed",
    "Reindexed",
    "Revision",
    "Signal",
    "StoredInstance",
    "StudyError",
    "StudyState",
    "StudyUnknown",
    "arrive",
    "close_due",
    "close_study",
    "due_studies",
    "index_incoming",
    "inputs_digest",
    "instances_of",
    "next_quiet",
    "reindex",
    "signal_complete",
    "unrouted_revisions",
]
