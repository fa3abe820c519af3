"""Pulling: studies of a source fetched into the archive, as if they had been sent."""

from node.pulling.errors import BadQuery, NobodyListens, PullError, SourceUnusable
from node.pulling.holdings import Holdings
from node.pulling.keeping import ArchiveKeeper
from node.pulling.puller import Outcome, Puller, State
from node.pulling.queries import Asked, queries
from node.pulling.sources import remote_of, sender_of

__all__ = [
    "ArchiveKeeper",
    "Asked",
    "BadQuery",
    "Holdings",
    "NobodyListens",
    "Outcome",
    "PullError",
    "Puller",
    "SourceUnusable",
    "State",
    "queries",
    "remote_of",
    "sender_of",
]
