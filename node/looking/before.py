"""How a study waits for its looks: asks for them once, goes on when all are ended, and never stays behind."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from node.config import Jobs, Priority
from node.db import read, write
from node.db.events import Event, record
from node.jobs import create_jobs
from node.jobs.looks import Looks, Saw, looks_at, planned_look
from node.logs import log_context
from node.looking.lookers import Lookers
from node.routing import InstanceFacts, Routes
from node.studies import Revision

RANKED: Final = (Priority.STAT, Priority.ROUTINE, Priority.SHADOW)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewBeforeRouting:
    """Looks at the images of a study revision before its rules are applied, where rules ask for it."""

    engine: sa.Engine
    routes: Routes
    lookers: Lookers
    policy: Jobs

    def waits(self, revision: Revision) -> bool:
        """Whether looks at this revision's instances are still waiting or running."""
        return bool(self.lookers.each) and self._looks(revision).waiting > 0

    def ask(self, revision: Revision, instances: Sequence[InstanceFacts], now: datetime) -> int:
        """Ask for the looks that are missing; rules that do not ask for `view` need not wait for them.

        Returns
        -------
        int
            New jobs; 0 where nothing is missing.
        """
        if not self.lookers.each:
            return 0
        asked = self._looks(revision).asked
        priority = min(
            (rule.route.priority for rule in self.routes.rules if rule.condition.uses_view), key=RANKED.index
        )
        looks = [
            planned_look(facts.id, looker.identity.task, looker.digest, priority)
            for facts in self._looked_at(instances)
            for looker in self.lookers.each
            if (facts.id, looker.digest) not in asked
        ]
        if not looks:
            return 0
        others = self.routes.without_view.plan(instances)
        with write(self.engine) as connection:
            new = create_jobs(connection, revision, [*looks, *others], now=now, policy=self.policy, complete=False)
        about = log_context(study=revision.study_uid, revision=revision.number, count=len(looks))
        _log.info("Images are looked at before routing", extra=about)
        return len(new)

    def seen(self, revision: Revision, instances: Sequence[InstanceFacts], now: datetime) -> Mapping[int, Saw]:
        """What was seen, by instance; what is missing is told in the log and in the audit trail."""
        if not self.lookers.each:
            return {}
        looks = self._looks(revision)
        beyond = sum(facts.not_an_input is None for facts in instances) - len(self._looked_at(instances))
        if looks.missed or beyond:
            details: dict[str, str | int | None] = {"failed": looks.missed, "beyond_most_looks": beyond}
            about = log_context(study=revision.study_uid, revision=revision.number, count=looks.missed + beyond)
            _log.warning("Images are routed without a look at them", extra=about)
            what = "revision.routed_unseen"
            with write(self.engine) as connection:
                event = Event(at=now, who="scheduler", what=what, kind="revision", key=revision.id, details=details)
                record(connection, [event])
        return looks.seen

    def _looked_at(self, instances: Sequence[InstanceFacts]) -> list[InstanceFacts]:
        """The first images, in an order that does not depend on that of arrival."""
        images = [facts for facts in instances if facts.not_an_input is None]
        return sorted(images, key=lambda facts: (facts.sop_instance_uid, facts.id))[: self.policy.most_looks]

    def _looks(self, revision: Revision) -> Looks:
        with read(self.engine) as connection:
            return looks_at(connection, revision.id, self.lookers.digests)
