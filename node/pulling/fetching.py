"""Fetching while the node runs: a thread for each peer that is asked, so that one that hangs holds up no other.

References
----------
DICOM PS3.4 C.6.2.1 (keys of the Study Root model).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

import sqlalchemy as sa

from integration.retrieval import Remote, RemoteStudy, RetrievalError, Wanted, days
from node.archive import Archive
from node.clock import now_utc
from node.config import DimsePeer, Settings
from node.crew import Crew
from node.db import DatabaseUnavailable, read
from node.db.tables import study
from node.logs import log_context, masked
from node.pulling.errors import PullError
from node.pulling.holdings import Holdings
from node.pulling.keeping import ArchiveKeeper, AskedKeeper
from node.pulling.patients import Subject, subjects_of
from node.pulling.puller import Outcome, Puller, State
from node.pulling.searches import Search, begin_prior, end_prior, end_search, next_search
from node.pulling.sources import remote_of, sender_of
from node.roles import FETCHER, SCHEDULER, Stop
from node.wake import Wake

MOST_CANDIDATES: Final = 1000  # studies of one patient that a peer is asked for
MODALITY: Final = "US"

Step: TypeAlias = Callable[[], bool]  # does one thing; False where there was nothing to do

_log = logging.getLogger(__name__)


class Fetchers:
    """The threads that fetch.

    Parameters
    ----------
    settings
        The node's settings.
    steps
        What is done for each peer, by its name.
    """

    def __init__(self, settings: Settings, steps: Mapping[str, Sequence[Step]]) -> None:
        self._settings, self._steps = settings, steps
        self._crew = Crew(settings.data_dir, FETCHER)

    def start(self) -> None:
        """Start a thread for each peer."""
        for steps in self._steps.values():
            self._crew.run(partial(self._run, steps), "fetcher")

    def stop(self) -> None:
        """Let what is on its way end, within a limit; what is cut off is taken up at the next start."""
        self._crew.stop()

    def _run(self, steps: Sequence[Step], stop: Stop) -> None:
        with Wake(self._settings.data_dir, FETCHER) as wake:
            while not stop.is_set():
                busy = False
                try:
                    for step in steps:
                        busy = step() or busy
                except DatabaseUnavailable:
                    pass  # the scheduler tells of it
                except Exception as error:  # noqa: BLE001 - fetching outlives whatever happens
                    _log.error("Fetching failed unexpectedly", exc_info=masked(error), extra=log_context())
                if not busy:
                    wake.wait(self._settings.jobs.poll_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """A peer that is asked, and what fetches from it into the archive."""

    remote: Remote
    keeper: AskedKeeper
    puller: Puller

    def look(self, found: RemoteStudy, wanted: Wanted) -> Outcome:
        """What the peer has of a study."""
        (listed,) = self.puller.look([found], wanted)
        return listed

    def pull(self, listed: Outcome, wanted: Wanted) -> Outcome:
        """Fetch what is missing of a study that was looked at; no instance is kept that was not listed then."""
        if listed.state is State.FAILED:
            return listed
        self.keeper.asked = frozenset(listed.missing)
        (outcome,) = self.puller.pull([listed.study], wanted)
        return outcome


def pulling_from(settings: Settings, engine: sa.Engine, archive: Archive, source: str) -> Pulling:
    """What fetches from a peer.

    Raises
    ------
    PullError, RetrievalError
        It cannot be asked.
    """
    remote = remote_of(settings, source)
    keeper = AskedKeeper(ArchiveKeeper(archive, settings, sender_of(settings, source)))

    def came() -> None:
        with Wake(settings.data_dir) as wake:
            wake.ring(SCHEDULER)

    puller = Puller(remote, Holdings(archive, engine), keeper, came)
    return Pulling(remote=remote, keeper=keeper, puller=puller)


class PriorFetcher:
    """Fetches priors from one peer.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    archive
        Where to.
    source
        The peer's name.
    clock
        Gives the time. What is told by the times of files goes by the real one.
    """

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        archive: Archive,
        source: str,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._settings, self._engine, self._archive = settings, engine, archive
        self._source, self._clock = source, clock

    def step(self) -> bool:
        """Do one search, if there is one; whatever comes of it, it ends.

        Raises
        ------
        DatabaseUnavailable
            It goes on at the next step.
        """
        search = next_search(self._engine, self._source)
        if search is None:
            return False
        try:
            reason = self._sought(search)
        except (RetrievalError, PullError) as fault:
            reason = str(fault)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the study's own jobs wait for this
            _log.error("Priors failed unexpectedly", exc_info=masked(error), extra=log_context(study=search.study_uid))
            reason = "an unexpected fault, which the log tells"
        # What was under way at a kill, or when it failed unexpectedly, may still be coming.
        end_search(self._engine, search.id, self._clock(), now_utc() + self._still_coming(), reason)
        if reason:
            about = log_context(study=search.study_uid, destination=self._source, reason=reason)
            _log.warning("Not all priors were fetched", extra=about)
        with Wake(self._settings.data_dir) as wake:
            wake.ring(SCHEDULER)
        return True

    def _sought(self, search: Search) -> str:
        """Fetch what there is; why something was not fetched, in words, or nothing."""
        if self._clock() >= search.until:
            return "the time for it was over before the peer was asked"
        with read(self._engine) as connection:
            subjects = subjects_of(connection, self._archive.root, search.study_uid)
        if len(subjects) != 1:
            return "the study's instances do not agree on one patient and day"
        (subject,) = subjects
        wanted = _wanted(subject, search)
        if isinstance(wanted, str):
            return wanted
        pulling = pulling_from(self._settings, self._engine, self._archive, self._source)
        reasons: dict[str, None] = {}
        taken = 0
        for found in self._candidates(pulling.remote, wanted, search, subject, reasons):
            if taken == search.most:
                break
            if self._clock() >= search.until:
                reasons["the time for it was over"] = None
                break
            taken += self._taken(pulling, search, found, reasons)
        return "; ".join(reasons)

    def _candidates(
        self, remote: Remote, wanted: Wanted, search: Search, subject: Subject, reasons: dict[str, None]
    ) -> list[RemoteStudy]:
        """Older studies that the peer says are the same patient's, newest first."""
        answered = [each for each in remote.studies(wanted, MOST_CANDIDATES) if each.uid != search.study_uid]
        same = [
            each
            for each in answered
            if subject.is_same_patient(replace(subject, patient_id=each.patient_id, issuer=each.issuer))
        ]
        if len(same) < len(answered):
            reasons[f"{len(answered) - len(same)} studies that the peer answered are another patient's"] = None
        return sorted(same, key=lambda each: (each.date, each.uid), reverse=True)

    def _taken(self, pulling: Pulling, search: Search, found: RemoteStudy, reasons: dict[str, None]) -> bool:
        """Fetch one prior; False where it has no images of ours."""
        wanted = Wanted(modalities=frozenset({MODALITY}))
        is_move = pulling.remote.way == "C-MOVE"
        if self._came_by_itself(found.uid):
            begin_prior(self._engine, search, found.uid, None, now_utc())
            end_prior(self._engine, search, found.uid, now_utc(), "")
            return True
        listed = pulling.look(found, wanted)
        if listed.state is State.LISTED and not listed.instances:
            return False
        # Those who are moved to do not know by whom, but C-GET and WADO-RS bring images through this node's own hands.
        sender = None if is_move else sender_of(self._settings, self._source)
        begin_prior(self._engine, search, found.uid, sender, now_utc())
        outcome = pulling.pull(listed, wanted)
        late = is_move and (outcome.missing or outcome.state is State.FAILED)
        until = now_utc() + (self._still_coming() if late else timedelta(0))
        end_prior(self._engine, search, found.uid, until, outcome.reason)
        if outcome.reason:
            reasons[outcome.reason] = None
        return True

    def _came_by_itself(self, study_uid: str) -> bool:
        with read(self._engine) as connection:
            known = connection.execute(sa.select(study.c.prior).where(study.c.uid == study_uid)).scalar_one_or_none()
        return known is False

    def _still_coming(self) -> timedelta:
        """How long a peer may go on with a C-MOVE after it was given up."""
        peer = self._settings.peers[self._source]
        return timedelta(seconds=peer.retrieve_timeout_s if isinstance(peer, DimsePeer) else 0)


def _wanted(subject: Subject, search: Search) -> Wanted | str:
    """The query for older studies of a patient; or why there is none."""
    if not subject.patient_id:
        return "the study names no patient (PatientID)"
    if "\\" in subject.patient_id:
        return "the study's PatientID has a backslash and cannot be asked for"
    try:
        day = datetime.strptime(subject.study_date, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return "the study has no date that says what is older (StudyDate)"
    first, last = max(day - timedelta(days=search.within_days), date(1900, 1, 1)), day - timedelta(days=1)
    return Wanted(
        study={
            "PatientID": subject.patient_id,
            "IssuerOfPatientID": "",
            "StudyDate": days(first, last),
            "ModalitiesInStudy": MODALITY,
        }
    )
