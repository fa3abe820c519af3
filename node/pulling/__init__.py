"""Pulling: studies of a source fetched into the archive, as if they had been sent; and as priors, for others."""

from node.pulling.before import PriorsBeforeJobs
from node.pulling.errors import BadQuery, NobodyListens, PullError, SourceUnusable
from node.pulling.fetching import Fetchers, PriorFetcher, Step, pulling_from
from node.pulling.holdings import Holdings
from node.pulling.keeping import ArchiveKeeper
from node.pulling.puller import Outcome, Puller, State
from node.pulling.queries import Asked, queries
from node.pulling.sources import remote_of, sender_of

__all__ = [
    "ArchiveKeeper",
    "Asked",
    "BadQuery",
    "Fetchers",
    "Holdings",
    "NobodyListens",
    "Outcome",
    "PriorFetcher",
    "PriorsBeforeJobs",
    "PullError",
    "Puller",
    "SourceUnusable",
    "State",
    "Step",
    "pulling_from",
    "queries",
    "remote_of",
    "sender_of",
]
