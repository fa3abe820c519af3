"""Rules, and what they make of a study: a pure function from facts to planned jobs.

Each planned job has one image. A study of twenty clips makes twenty jobs per route, so that one bad clip fails alone,
a late clip runs alone, and the same clip in a later revision is the same job by its identity. What compares images
with each other, such as the patient check, sees the whole revision all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from models.findings import TaskIdentity
from node.config import ConfigError, Fault, Mode, Route, Settings
from node.jobs.identity import route_digest
from node.jobs.records import Planned
from node.routing.condition import Condition, ConditionInvalid, parse_condition
from node.routing.facts import InstanceFacts, contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route, ready to be applied."""

    route: Route
    condition: Condition
    package_digest: str  # hexadecimal
    route_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one rule makes of one instance."""

    route: str
    task: str
    matched: bool
    why: str  # in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """All rules of a configuration."""

    rules: tuple[Rule, ...]
    tasks: Mapping[str, TaskIdentity] = field(default_factory=dict)  # all that are installed

    @property
    def keywords(self) -> tuple[str, ...]:
        """Of all attributes that some rule names."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.condition.keywords))

    @property
    def view_names(self) -> tuple[str, ...]:
        """Of all facts of `view` that some rule names."""
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.condition.view_names))

    @property
    def without_view(self) -> Routes:
        """The rules that can be applied before anybody has looked at the images."""
        return Routes(rules=tuple(rule for rule in self.rules if not rule.condition.uses_view))

    def plan(self, instances: Sequence[InstanceFacts]) -> tuple[Planned, ...]:
        """The jobs that the rules want on the instances of one study revision, one image each.

        Parameters
        ----------
        instances
            In any order; the plan does not depend on it.

        Returns
        -------
        tuple of Planned
            In the order of the rules, then of the SOP Instance UIDs.
        """
        seen = contexts(instances, self.keywords)
        ordered = sorted(instances, key=lambda facts: (facts.sop_instance_uid, facts.id))
        return tuple(
            Planned(
                route=rule.route.name,
                task=rule.route.task,
                package_digest=rule.package_digest,
                route_digest=rule.route_digest,
                instance_ids=(facts.id,),
                mode=rule.route.mode,
                priority=rule.route.priority,
                send_to=rule.route.send_to,
            )
            for rule in self.rules
            for facts in ordered
            if facts.not_an_input is None and rule.condition.holds(seen[facts.id])
        )

    def explain(
        self, instances: Sequence[InstanceFacts], *, show_values: bool = False
    ) -> Mapping[int, tuple[Explanation, ...]]:
        """For each instance, by its id: each rule, whether it takes the instance, and why.

        Parameters
        ----------
        instances
            As for `plan`.
        show_values
            Whether attribute values may stand in the words; they can be the patient's.
        """
        seen = contexts(instances, self.keywords)
        return {
            facts.id: tuple(_explained(rule, facts, seen[facts.id], show_values) for rule in self.rules)
            for facts in instances
        }


def _explained(rule: Rule, facts: InstanceFacts, seen: Mapping[str, object], show_values: bool) -> Explanation:
    verdict = rule.condition.verdict(seen, show_values=show_values)  # type: ignore[arg-type]
    reason = facts.not_an_input
    return Explanation(
        route=rule.route.name,
        task=rule.route.task,
        matched=reason is None and verdict.holds,
        why=verdict.why if reason is None else reason,
    )


def compile_routes(settings: Settings, packages: Iterable[TaskIdentity]) -> Routes:
    """Check all routes of a configuration.

    Parameters
    ----------
    settings
        With the routes.
    packages
        The identities of the task packages that are installed.

    Raises
    ------
    ConfigError
        With every fault of every route, each with its place in the configuration.
    """
    tasks = {identity.task: identity for identity in packages}
    rules: list[Rule] = []
    faults: list[Fault] = []
    for index, route in enumerate(settings.routes):
        try:
            condition = parse_condition(route.when)
        except ConditionInvalid as invalid:
            faults += [_fault(settings, index, "when", words) for words in invalid.faults]
            continue
        if route.task in tasks:
            digest = tasks[route.task].digest.removeprefix("sha256:")
            rules.append(
                Rule(route=route, condition=condition, package_digest=digest, route_digest=route_digest(route))
            )
    for index, route in enumerate(settings.routes):
        if route.task in tasks and route.mode is not Mode.SHADOW and not settings.models.trials:
            faults += _trial_faults(settings, index, tasks[route.task])
        if route.task not in tasks:
            words = f"no task package is called {route.task!r}; there are: {', '.join(sorted(tasks)) or 'none'}"
            faults.append(_fault(settings, index, "task", words))
    if faults:
        raise ConfigError(tuple(sorted(faults, key=lambda fault: fault.key)))
    return Routes(rules=tuple(rules), tasks=tasks)


def _trial_faults(settings: Settings, index: int, identity: TaskIdentity) -> list[Fault]:
    if not identity.trial:
        return []
    words = (
        f"{identity.task!r} is a trial ({identity.trial}): write `mode: shadow` to keep its results here, or set"
        " `models.trials: true` to have them sent"
    )
    return [_fault(settings, index, "mode", words)]


def _fault(settings: Settings, index: int, key: str, words: str) -> Fault:
    path = ("routes", index, key)
    return Fault(where=settings.place(path), key=".".join(map(str, path)), words=words)
