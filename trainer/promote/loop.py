"""The loop: one run from the cohort to a promotion, taken up again where it was left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from models.packages.package import TaskPackage
from trainer.promote.errors import NodeSilent, NotPromoted
from trainer.promote.record import Entry, Record, Step, digest_of, entry, held, switching
from trainer.promote.settings import Site
from trainer.promote.shadow import Agreement, candidate_name, propose, watch, withdraw
from trainer.promote.steps import (
    News,
    Round,
    candidate_of,
    cohort_of,
    decision_of,
    recorded,
    running_package,
    spec_for,
)
from trainer.promote.switching import Standing, promote, roll_back, settle, withdrawn

NOBODY = "nobody: left out with --without-shadow"


class State(StrEnum):
    """Where a run stands."""

    WATCHING = "watching"  # the shadow has not seen enough yet
    READY = "ready"  # to be promoted, by a person
    REFUSED = "refused"
    PROMOTED = "promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call came to."""

    state: State
    reasons: tuple[str, ...]


def run(
    site: Site,
    task: str,
    who: str,
    news: News = lambda words: None,
    *,
    anew: bool = False,
    again: bool = False,
    without_shadow: bool = False,
) -> Outcome:
    """Take the steps that are left of a run, or begin one.

    Parameters
    ----------
    site
        The configuration.
    task
        Whose package is adapted.
    who
        Asks; goes into the record.
    news
        Told what happens.
    anew
        Give an open run up and begin another.
    again
        Also consider a package that was promoted once and rolled back.
    without_shadow
        Do not propose or await a shadow; the record says so.

    Raises
    ------
    SiteBusy
        Another command works in the site folder.
    TrainerError, EngineError, PackageError, OSError
        A step failed; what was recorded before stands, and the same call goes on from there.
    """
    with held(site.folder):
        record = _settled(site, task, who)
        key = record.open_run(task)
        if anew and key is not None:
            _end(record, site, task, key, who, ["given up: begun anew"])
            key = None
        at = Round(site=site, task=task, run=key or _new(record, task), who=who, record=record, news=news)
        running = running_package(site, task)
        folder, digest = cohort_of(at)
        spec = spec_for(task, folder)
        candidate = candidate_of(at, spec, digest, running)
        against = _known(record, task, candidate, running, again)
        if against:
            return _end(record, site, task, at.run, who, against)
        decision = decision_of(at, spec, digest, running, candidate)
        if not decision.what["promote"]:
            return _end(record, site, task, at.run, who, decision.what["reasons"])
        if not without_shadow:
            waits = _shadow(at, running, candidate)
            if waits is not None:
                return waits
        if not site.automatic:
            command = f"echocare-train site promote {task}"
            return Outcome(state=State.READY, reasons=(f"{command}{' --without-shadow' if without_shadow else ''}",))
        return _promote(at, candidate, decision, without_shadow)


def promote_now(site: Site, task: str, who: str, *, without_shadow: bool = False) -> Outcome:
    """Promote the candidate of the open run, if its comparison and its shadow allow it.

    Raises
    ------
    NotPromoted
        There is no such candidate, it is not allowed, or something has changed since it was compared.
    SiteBusy, PackageError, PromotionError, OSError
        As of `run`.
    """
    with held(site.folder):
        record = _settled(site, task, who)
        key = record.open_run(task)
        compared = None if key is None else _last(record, task, key, Step.COMPARED)
        if key is None or compared is None or not compared.what["promote"]:
            raise NotPromoted(
                f"no candidate of '{task}' was found to be no worse: `echocare-train site run --task {task}`"
            )
        at = Round(site=site, task=task, run=key, who=who, record=record, news=lambda words: None)
        candidate = _candidate(at, compared)
        running = running_package(site, task)
        _check_running(task, running, compared)
        if not without_shadow:
            waits = _shadow(at, running, candidate)
            if waits is not None:
                raise NotPromoted(f"{'; '.join(waits.reasons)} (or --without-shadow, which is recorded)")
        return _promote(at, candidate, compared, without_shadow)


def roll_back_now(site: Site, task: str, who: str) -> Standing:
    """Bring back what the standing promotion of a task replaced, also while a run works; raises as `roll_back`."""
    with switching(site.folder):
        record = Record(site.folder)
        settle(record, site.promoted, task, who)
        return roll_back(record, site.promoted, task, who)


def _shadow(at: Round, running: TaskPackage, candidate: TaskPackage) -> Outcome | None:
    """Propose the shadow, look what it has seen; None where that is enough and both agree often enough."""
    part = at.site.shadow
    inputs = digest_of("shadowed", running.identity.digest, candidate.identity.digest, part.when)
    proposed = at.record.done(at.task, at.run, Step.SHADOWED, inputs)
    if proposed is None:
        copy, file = propose(at.site, candidate)
        what = {"candidate": candidate.identity.digest, "shadow": copy.identity.digest, "route": str(file)}
        proposed = at.note(Step.SHADOWED, inputs, what)
    hint = f"the route is proposed in {proposed.what['route']}"
    try:
        seen = watch(part, running.identity.digest, proposed.what["shadow"])
    except NodeSilent as fault:
        return Outcome(state=State.WATCHING, reasons=(str(fault), hint))
    _note_seen(at, inputs, seen)
    if seen.images < part.least:
        words = f"both packages have looked at {seen.images} of {part.least} images in the node"
        return Outcome(state=State.WATCHING, reasons=(words, hint))
    if seen.share < part.agreement:
        told = ", ".join(f"{kind} {count}" for kind, count in seen.differences.items())
        words = f"in the shadow both agreed on {seen.share:.1%} of {seen.images} images, {part.agreement:.1%} are asked"
        return _end(at.record, at.site, at.task, at.run, at.who, [f"{words} ({told})"])
    return None


def _note_seen(at: Round, inputs: str, seen: Agreement) -> None:
    last = at.record.done(at.task, at.run, Step.WATCHED, inputs)
    if last is None or last.what != asdict(seen):
        at.note(Step.WATCHED, inputs, asdict(seen))


def _known(record: Record, task: str, candidate: TaskPackage, running: TaskPackage, again: bool) -> list[str]:
    """Why there is nothing to compare."""
    if candidate.identity.digest == running.identity.digest:
        return ["nothing new: what these pictures give is what runs already"]
    if candidate.identity.digest in withdrawn(record, task) and not again:
        return ["what these pictures give was promoted once and rolled back: gather others, or say --again"]
    return []


def _why(at: Round, compared: Entry, without_shadow: bool) -> dict[str, Any]:
    seen = None if without_shadow else _last(at.record, at.task, at.run, Step.WATCHED)
    return {
        "compared": compared.inputs,
        "cohort": compared.what["cohort"],
        "reasons": compared.what["reasons"],
        "shadow": NOBODY if seen is None else seen.what,
    }


def _promote(at: Round, candidate: TaskPackage, compared: Entry, without_shadow: bool) -> Outcome:
    with switching(at.site.folder):
        running = running_package(at.site, at.task)  # a rollback may have come between
        _check_running(at.task, running, compared)
        why = _why(at, compared, without_shadow)
        promote(at.record, at.site.promoted, candidate, running, at.run, at.who, why)
    withdraw(at.site, at.task)
    words = f"{candidate.identity.digest} answers for '{at.task}' from the next start of the node"
    return Outcome(state=State.PROMOTED, reasons=(words, *_without_route(at.record, at.task, at.run)))


def _check_running(task: str, running: TaskPackage, compared: Entry) -> None:
    if running.identity.digest != compared.what["running"]:
        raise NotPromoted(
            f"'{task}' runs another package than the candidate was compared with:"
            f" `echocare-train site run --task {task}` compares it again"
        )


def _settled(site: Site, task: str, who: str) -> Record:
    """The record, with the end of a switch that a crash cut off noted."""
    with switching(site.folder):
        record = Record(site.folder)
        settle(record, site.promoted, task, who)
        return record


def _candidate(at: Round, compared: Entry) -> TaskPackage:
    found = [e for e in at.record.of(at.task, Step.ADAPTED) if e.what["digest"] == compared.what["candidate"]]
    return recorded(at.site, found[-1])


def _end(record: Record, site: Site, task: str, key: str, who: str, reasons: Sequence[str]) -> Outcome:
    record.add(entry(Step.REFUSED, task, key, who, what={"reasons": list(reasons)}))
    withdraw(site, task)
    return Outcome(state=State.REFUSED, reasons=(*reasons, *_without_route(record, task, key)))


def _without_route(record: Record, task: str, key: str) -> tuple[str, ...]:
    """What is to be done where a shadow was proposed: no node starts with a route to a package that is gone."""
    if _last(record, task, key, Step.SHADOWED) is None:
        return ()
    return (f"take the route to '{candidate_name(task)}' out of the node's configuration before it starts again",)


def _last(record: Record, task: str, key: str, step: Step) -> Entry | None:
    found = [each for each in record.of(task, step) if each.run == key]
    return found[-1] if found else None


def _new(record: Record, task: str) -> str:
    """A name for a run that no other of the task has, in the order of their beginnings."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    taken = {each.run for each in record.of(task)}
    return next(name for name in (stamp, *(f"{stamp}-{n}" for n in range(2, 1000))) if name not in taken)
