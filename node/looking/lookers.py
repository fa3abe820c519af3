"""Task packages whose findings become the facts `view` of routing rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from models.findings import Finding, Quantity, TaskIdentity
from node.routing import Routes

if TYPE_CHECKING:
    from models.packages import TaskPackage
    from models.packages.settings_pictures import QualitySettings
    from node.jobs.looks import Saw

KINDS: Final = {"view": ("region", "organ", "confidence"), "quality": ("quality",)}  # facts, by kind of task


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looker:
    """A task package that looks before routing."""

    identity: TaskIdentity
    gives: tuple[str, ...]  # names of facts
    words: frozenset[str]  # what it can say of regions and organs; empty where it says neither
    saw: Callable[[Iterable[Finding]], Saw]  # from its findings to facts

    @property
    def digest(self) -> str:
        """Of the package, hexadecimal."""
        return self.identity.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookers:
    """Those that some rule needs."""

    each: tuple[Looker, ...] = ()

    @property
    def digests(self) -> tuple[str, ...]:
        """Of their packages, hexadecimal."""
        return tuple(looker.digest for looker in self.each)


NOBODY: Final = Lookers()


def lookers_of(packages: Sequence[TaskPackage], routes: Routes) -> Lookers:
    """The packages of the kinds `view` and `quality`, as far as rules ask for their facts.

    Of several packages of one kind the one whose task has the kind's name looks, else the first by name. A trial never
    looks: what it says would decide about other tasks.
    """
    asked = set(routes.view_names)
    found = []
    for kind, facts in KINDS.items():
        of_kind = [each for each in packages if each.card.settings.kind == kind and not each.identity.trial]
        of_kind.sort(key=lambda package: (package.identity.task != kind, package.identity.task))
        if of_kind and asked.intersection(facts):
            found.append(looker_of(of_kind[0]))
    return Lookers(each=tuple(found))


def looker_of(package: TaskPackage) -> Looker:
    """A package of the kind `view` or `quality`, as a looker.

    Raises
    ------
    ValueError
        It is of another kind.
    """
    from models.packages.settings_pictures import QualitySettings, ViewSettings
    from models.readers.view import seen_view

    settings = package.card.settings
    if isinstance(settings, ViewSettings):
        view = settings

        def what(findings: Iterable[Finding]) -> Saw:
            saw = seen_view(findings, view)
            return {"region": saw.region, "organ": saw.organ, "confidence": saw.confidence}

        words = {region.name for region in view.regions}
        words |= {organ.name for region in view.regions for organ in region.organs}
        return Looker(identity=package.identity, gives=KINDS["view"], words=frozenset(words), saw=what)
    if isinstance(settings, QualitySettings):
        quality = settings
        return Looker(
            identity=package.identity,
            gives=KINDS["quality"],
            words=frozenset(),
            saw=lambda findings: _score(findings, quality),
        )
    raise ValueError(f"the task {package.identity.task!r} says neither what an image shows nor how good it is")


def unmet(routes: Routes, lookers: Lookers) -> tuple[str, ...]:
    """What rules ask of `view` and nobody can answer, in words; such a fact is empty."""
    told = []
    given = {fact for looker in lookers.each for fact in looker.gives}
    words = frozenset[str]().union(*(looker.words for looker in lookers.each))
    for rule in routes.rules:
        name = rule.route.name
        missing = [fact for fact in rule.condition.view_names if fact not in given]
        for kind, facts in KINDS.items():
            lacking = [f"view.{fact}" for fact in missing if fact in facts]
            if lacking:
                told.append(
                    f"the route {name!r} asks for {', '.join(lacking)}, and there is no task package of the kind"
                    f" {kind!r}: it stays empty; install one, or change the rule"
                )
        for fact, word in rule.condition.view_words:
            if words and fact in ("region", "organ") and word and word not in words:
                told.append(
                    f"the route {name!r} compares view.{fact} with {word!r}, which is never said; there are:"
                    f" {', '.join(sorted(words))}"
                )
    return tuple(told)


def _score(findings: Iterable[Finding], settings: QualitySettings) -> Saw:
    """The score; of several views, that of the best."""
    scores = [each.value for each in findings if isinstance(each, Quantity) and each.name == settings.score.name]
    return {"quality": max(scores, default=0.0)}
