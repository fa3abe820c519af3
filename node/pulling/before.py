"""How the jobs of a study wait for priors: those of routes that ask for them alone, and never for long."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from node.config import Priors, Settings
from node.db import read, write
from node.jobs import Planned
from node.logs import log_context
from node.pulling.searches import ask, end_orphans, settle_searches, tell_late, unsettled
from node.studies import Revision

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorsBeforeJobs:
    """Asks for the priors of a study once its routes are known, and says which jobs wait for them."""

    settings: Settings
    engine: sa.Engine
    root: Path  # of the archive

    @property
    def sources(self) -> frozenset[str]:
        """The peers that some route asks for priors."""
        return frozenset(self._source_of(priors) for priors in self._asking.values())

    def start(self, now: datetime) -> None:
        """End what nobody asks for any more.

        Raises
        ------
        DatabaseUnavailable
        """
        end_orphans(self.engine, self.sources, now, now)

    def settle(self, began: datetime, now: datetime) -> None:
        """Look at what came; after `index_incoming`, which began at that time.

        Raises
        ------
        DatabaseUnavailable
        """
        settle_searches(self.engine, self.root, began, now)

    def waits(self, revision: Revision, now: datetime) -> bool:
        """Whether jobs of a study still wait for priors."""
        with read(self.engine) as connection:
            return bool(unsettled(connection, revision.study_uid, now))

    def ask(self, revision: Revision, planned: Sequence[Planned], now: datetime) -> frozenset[str]:
        """Ask for the priors that the routes of planned jobs want and that were not asked for before.

        Returns
        -------
        frozenset of str
            The routes whose jobs wait for them.
        """
        asking = {plan.route: self._asking[plan.route] for plan in planned if plan.route in self._asking}
        if not asking:
            return frozenset()
        with write(self.engine) as connection:
            late = unsettled(connection, revision.study_uid)
            new = ask(connection, revision.study_uid, self._by_source(asking), now)
            tell_late(connection, revision.study_uid, late, now)
        if late:
            about = log_context(study=revision.study_uid, revision=revision.number, destination=", ".join(late))
            _log.warning("Jobs start before the priors came", extra=about)
        return frozenset(route for route, priors in asking.items() if self._source_of(priors) in new)

    @property
    def _asking(self) -> dict[str, Priors]:
        return {route.name: route.priors for route in self.settings.routes if route.priors is not None}

    def _by_source(self, asking: Mapping[str, Priors]) -> dict[str, Priors]:
        """What each peer is asked for so that it is enough for all routes."""
        found: dict[str, Priors] = {}
        for priors in asking.values():
            source = self._source_of(priors)
            other = found.get(source, priors)
            limits = {
                name: max(getattr(priors, name), getattr(other, name)) for name in ("most", "within_days", "wait_s")
            }
            found[source] = priors.model_copy(update=limits)
        return found

    def _source_of(self, priors: Priors) -> str:
        return self.settings.source_of(priors)
