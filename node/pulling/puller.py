"""One study after the other: what a source has is compared with what the node has, and what is missing is fetched.

A study is listed again after it was fetched: what came into it meanwhile is fetched too, and what is missing still is
told by name. Nothing is remembered between runs but the archive itself, so the same command fetches the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from integration.retrieval import Keeper, Remote, RemoteSeries, RemoteStudy, RetrievalError, Wanted
from node.logs import log_context
from node.pulling.holdings import Holdings

MOST_ROUNDS: Final = 5  # listings of one study that grows while it is fetched
MOST_FAILURES: Final = 3  # studies in a row that the source fails at, before the others are not tried

_log = logging.getLogger(__name__)


class State(StrEnum):
    """What became of a study."""

    LISTED = "listed"  # only looked at
    COMPLETE = "complete"  # everything that the source has of it is here
    INCOMPLETE = "incomplete"  # some of it is not
    FAILED = "failed"  # the source could not be asked for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A study, and what became of it."""

    study: RemoteStudy
    state: State
    instances: int = 0  # that match, at the source
    here: int = 0  # of them, in the node before
    fetched: int = 0
    missing: tuple[str, ...] = ()  # SOP Instance UIDs; of a study that is only listed, what would be fetched
    modalities: tuple[str, ...] = ()  # of the series that match
    reason: str = ""  # names no patient


class Puller:
    """Pulls from one source.

    Parameters
    ----------
    remote
        The source.
    holdings
        What the node has.
    keeper
        Where images go that pass through here.
    came
        Called when images came.
    """

    def __init__(self, remote: Remote, holdings: Holdings, keeper: Keeper, came: Callable[[], None]) -> None:
        self._remote, self._holdings, self._keeper, self._came = remote, holdings, keeper, came

    def found(self, wanted: Sequence[Wanted], most: int) -> tuple[list[RemoteStudy], bool]:
        """Studies that match, newest first and at most so many, and whether there are more.

        Raises
        ------
        RetrievalError
            The source cannot be asked.
        """
        found: dict[str, RemoteStudy] = {}
        for each in wanted:
            found.update({study.uid: study for study in self._remote.studies(each, most + 1)})
        newest = sorted(found.values(), key=lambda study: (study.date, study.uid), reverse=True)
        return newest[:most], len(newest) > most

    def look(self, studies: Sequence[RemoteStudy], wanted: Wanted) -> Iterator[Outcome]:
        """What would be fetched."""
        yield from self._each(studies, lambda study: self._listed(study, wanted))

    def pull(
        self, studies: Sequence[RemoteStudy], wanted: Wanted, told: Callable[[int, int], None] = lambda came, of: None
    ) -> Iterator[Outcome]:
        """Fetch what is missing; `told` is given how many of how many instances of the study at hand have come."""
        yield from self._each(studies, lambda study: self._pulled(study, wanted, told))

    def _each(self, studies: Sequence[RemoteStudy], do: Callable[[RemoteStudy], Outcome]) -> Iterator[Outcome]:
        failures, reason = 0, ""
        for study in studies:
            if failures >= MOST_FAILURES:
                yield Outcome(study=study, state=State.FAILED, reason=f"not tried: {reason}")
                continue
            try:
                outcome = do(study)
            except RetrievalError as fault:
                failures, reason = failures + 1, str(fault)
                _log.warning("A study cannot be pulled", extra=log_context(study=study.uid, code=fault.code))
                yield Outcome(study=study, state=State.FAILED, reason=reason)
            else:
                in_vain = outcome.state == State.INCOMPLETE and not outcome.fetched
                failures, reason = (failures + 1 if in_vain else 0), outcome.reason
                yield outcome

    def _listed(self, study: RemoteStudy, wanted: Wanted) -> Outcome:
        listed = self._remote.series(study.uid, wanted)
        uids = _uids(listed)
        here = self._holdings.of(uids)
        return Outcome(
            study=study,
            state=State.LISTED,
            instances=len(uids),
            here=len(here),
            missing=tuple(sorted(uids - here)),
            modalities=_modalities(listed),
        )

    def _pulled(self, study: RemoteStudy, wanted: Wanted, told: Callable[[int, int], None]) -> Outcome:
        listed = self._remote.series(study.uid, wanted)
        uids = _uids(listed)
        before = here = self._holdings.of(uids)
        tried: set[str] = set()
        reasons: dict[str, None] = {}
        for _ in range(MOST_ROUNDS):
            if not uids - here - tried:
                break
            tried |= uids - here
            gone = self._fetch(listed, here, reasons, told)
            try:
                listed = listed if gone else self._remote.series(study.uid, wanted)
            except RetrievalError as fault:
                gone = str(fault)  # what was listed before stands
            uids = _uids(listed)
            here = self._holdings.of(uids)
            if gone:
                reasons[gone] = None
                break
        else:
            reasons["it grows while it is fetched"] = None
        before, missing = before & uids, tuple(sorted(uids - here))
        if missing and not reasons:
            reasons[f"{self._remote.words} says that it sent all, but not all came"] = None
        return Outcome(
            study=study,
            state=State.INCOMPLETE if missing else State.COMPLETE,
            instances=len(uids),
            here=len(before),
            fetched=len(here - before),
            missing=missing,
            modalities=_modalities(listed),
            reason="; ".join(reasons) if missing else "",
        )

    def _fetch(
        self,
        listed: Sequence[RemoteSeries],
        here: frozenset[str],
        reasons: dict[str, None],
        told: Callable[[int, int], None],
    ) -> str:
        """Fetch the missing instances of each series; why no more can come, or nothing."""
        of = len(_uids(listed) - here)
        done = 0
        for series in listed:
            missing = frozenset(each.uid for each in series.instances) - here
            if not missing:
                continue
            try:
                reason = self._remote.fetch(
                    series, missing, self._keeper, lambda came, before=done: told(before + came, of)
                )
            except RetrievalError as fault:
                return str(fault)
            finally:
                self._came()
            if reason:
                reasons[reason] = None
            done += len(missing)
            told(done, of)
        return ""


def _uids(listed: Sequence[RemoteSeries]) -> frozenset[str]:
    return frozenset(each.uid for series in listed for each in series.instances)


def _modalities(listed: Sequence[RemoteSeries]) -> tuple[str, ...]:
    return tuple(sorted({series.modality for series in listed if series.modality}))
