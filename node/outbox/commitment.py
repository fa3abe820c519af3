"""Asking one destination to commit to what it accepted, beside the courier that sends there.

References
----------
DICOM PS3.4 Annex J.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from integration.dimse import CommitmentRequest, DimseError, Peer, Reference, request_commitment
from node.clock import now_utc
from node.config import DimsePeer, Settings
from node.db import DatabaseUnavailable
from node.jobs import Asking, asked_in_vain, begin_asking, take_report
from node.logs import log_context, masked
from node.outbox.senders import dimse_peer
from node.roles import OUTBOX, Stop
from node.wake import Wake

_log = logging.getLogger(__name__)


class CommitmentAsker:
    """Asks one destination until told to stop.

    Parameters
    ----------
    settings
        The node's settings.
    destination
        Name of the peer, which is one of kind dimse.
    engine
        The database.
    clock
        Gives the time.
    """

    def __init__(
        self, settings: Settings, destination: str, engine: sa.Engine, clock: Callable[[], datetime] = now_utc
    ) -> None:
        configured = settings.peers[destination]
        if not isinstance(configured, DimsePeer):
            raise TypeError("only a DICOM peer commits")
        self._settings = settings
        self._policy = settings.outbox
        self._configured = configured
        self._peer: Peer = dimse_peer(configured, settings.calling_ae(destination))
        self._destination = destination
        self._engine = engine
        self._clock = clock

    def run(self, stop: Stop) -> None:
        """Work until stopped; no failure ends it."""
        with Wake(self._settings.data_dir, OUTBOX) as wake:
            while not stop.is_set():
                busy = False
                try:
                    busy = self.step()
                except DatabaseUnavailable:
                    pass  # the courier tells of it
                except Exception as error:  # noqa: BLE001 - the thread outlives whatever happens
                    about = log_context(destination=self._destination)
                    _log.error("Asking for commitment failed unexpectedly", exc_info=masked(error), extra=about)
                if not busy:
                    wake.wait(self._policy.poll_s)

    def step(self) -> bool:
        """Ask for one batch of what is due; False when nothing is."""
        asking = begin_asking(
            self._engine,
            self._destination,
            self._clock(),
            wait_s=self._configured.commitment_wait_s,
            limit=self._policy.batch,
        )
        if asking is None:
            return False
        try:
            report = request_commitment(self._peer, _request(asking), self._configured.commitment_linger_s)
        except DimseError as error:
            asked_in_vain(self._engine, asking, str(error), self._clock(), policy=self._policy)
            more = log_context(
                destination=self._destination, code=error.code, attempt=asking.asks, count=len(asking.instances)
            )
            level = logging.WARNING if asking.asks <= 2 else logging.DEBUG
            _log.log(level, "Destination was asked for commitment in vain", extra=more)
            return True
        if report is not None:
            take_report(self._engine, report, self._clock(), policy=self._policy)
        about = log_context(
            destination=self._destination, count=len(asking.instances), attempt=asking.asks,
            state="asked" if report is None else "reported",
        )  # fmt: skip
        _log.info("Destination was asked for commitment", extra=about)
        return True


def _request(asking: Asking) -> CommitmentRequest:
    return CommitmentRequest(
        transaction_uid=asking.transaction_uid,
        references=tuple(
            Reference(sop_class=sop_class, sop_instance=sop_instance) for sop_class, sop_instance in asking.instances
        ),
    )
