"""Reports of storage commitment that could not go out on the caller's association: the peer is called.

Each peer has a thread of its own, so that one that hangs holds up no other.

References
----------
DICOM PS3.4 J.3.3 (N-EVENT-REPORT, on the same or another association).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from integration.dimse import DimseError, Peer, report_commitment
from node.clock import now_utc
from node.config import Settings
from node.crew import Crew
from node.db import DatabaseUnavailable, ReportState, read, write
from node.db.tables import commitment_request
from node.jobs.leases import backoff
from node.logs import log_context, masked
from node.outbox.senders import dimse_peer
from node.roles import OUTBOX, Stop
from node.services.safekeeping import mark_reported, report_of
from node.wake import Wake

TOLD_TIMES: Final = 2  # attempts that are logged as warnings; the peer is tried many more times

_log = logging.getLogger(__name__)


class Reporters:
    """The threads that report to peers.

    Parameters
    ----------
    settings
        The node's settings: who called is looked for among the peers by its AE title.
    engine
        The database.
    """

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._crew = Crew(settings.data_dir, OUTBOX)

    def start(self) -> None:
        """Start a thread for each peer that may have called, and one for callers that are no peer."""
        for calling_ae, peer in (*_peers(self._settings).items(), ("", None)):
            reporter = Reporter(self._settings, self._engine, calling_ae, peer)
            self._crew.run(reporter.run, "reporter")

    def stop(self) -> None:
        """Let reports that are on their way end, within a limit; what is cut off is sent again at the next start."""
        self._crew.stop()


class Reporter:
    """Reports to one peer until told to stop.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    calling_ae
        The AE title under which the peer asked; of no meaning without a peer.
    peer
        Where to call it; None for all callers that are no peer, to whom nothing can be reported.
    clock
        Gives the time.
    """

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        calling_ae: str,
        peer: Peer | None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._data_dir = settings.data_dir
        self._policy = settings.outbox
        self._engine = engine
        self._peer = peer
        self._clock = clock
        callers = list(_peers(settings))
        column = commitment_request.c.calling_ae
        self._mine = column.not_in(callers) if peer is None else column == calling_ae

    def run(self, stop: Stop) -> None:
        """Work until stopped; no failure ends it."""
        with Wake(self._data_dir, OUTBOX) as wake:
            while not stop.is_set():
                busy = False
                try:
                    busy = self.step()
                except DatabaseUnavailable:
                    pass  # the couriers tell of it
                except Exception as error:  # noqa: BLE001 - the reporter outlives whatever happens
                    _log.error("Reporting failed unexpectedly", exc_info=masked(error), extra=log_context())
                if not busy:
                    wake.wait(self._policy.poll_s)

    def step(self) -> bool:
        """Send one report; False when none is due."""
        row = self._claim()
        if row is None:
            return False
        try:
            if self._peer is None:
                words = f"no DICOM peer has the AE title {row.calling_ae}: add it under peers"
                self._fails(row, "commitment.no_peer", words)
                return True
            report_commitment(self._peer, report_of(row))
        except DimseError as error:
            self._fails(row, error.code, str(error))
        else:
            mark_reported(self._engine, row.id, self._clock())
            _log.info("Storage commitment reported", extra=log_context(calling_ae=row.calling_ae))
        return True

    def _claim(self) -> sa.Row[*tuple[object, ...]] | None:
        now = self._clock()
        due = (
            sa.select(commitment_request)
            .where(
                self._mine,
                commitment_request.c.state == ReportState.WAITING,
                commitment_request.c.judged_at.is_not(None),
                commitment_request.c.not_before <= now,
            )
            .order_by(commitment_request.c.not_before)
            .limit(1)
        )
        with read(self._engine) as connection:
            if connection.execute(due).first() is None:  # a look costs no write
                return None
        with write(self._engine) as connection:
            row = connection.execute(due.with_for_update(skip_locked=True)).one_or_none()
            if row is not None:
                # Should this process be killed meanwhile, it is due again then.
                until = now + timedelta(seconds=self._policy.lease_s)
                connection.execute(
                    commitment_request.update()
                    .where(commitment_request.c.id == row.id)
                    .values(attempt=row.attempt + 1, not_before=until)
                )
            return row

    def _fails(self, row: sa.Row[*tuple[object, ...]], code: str, words: str) -> None:
        """Write down why; the words, which may be a peer's, stay out of the log."""
        now, attempt = self._clock(), row.attempt + 1
        again = attempt < self._policy.max_attempts
        with write(self._engine) as connection:
            connection.execute(
                commitment_request.update()
                .where(commitment_request.c.id == row.id, commitment_request.c.state == ReportState.WAITING)
                .values(
                    state=ReportState.WAITING if again else ReportState.FAILED,
                    not_before=now + backoff(attempt, self._policy),
                    error=words,
                )
            )
        _log.log(
            logging.WARNING if attempt <= TOLD_TIMES or not again else logging.DEBUG,
            "Storage commitment not reported",
            extra=log_context(calling_ae=row.calling_ae, attempt=attempt, code=code),
        )


def _peers(settings: Settings) -> dict[str, Peer]:
    """The DICOM peers by the AE title under which they call; of two with the same title the first."""
    found: dict[str, Peer] = {}
    for name, configured in settings.peers.items():
        if configured.kind == "dimse":
            found.setdefault(configured.ae_title, dimse_peer(configured, settings.calling_ae(name)))
    return found
