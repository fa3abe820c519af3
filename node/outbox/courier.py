"""One thread for one destination: claims what waits for it, sends it, and writes down what came of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from integration.dimse import DimseError
from integration.web import WebError
from node.clock import now_utc
from node.config import Settings
from node.db import DatabaseUnavailable
from node.jobs import (
    Accepted,
    Delivery,
    LeaseLost,
    accept,
    claim_deliveries,
    fail_delivery,
    hasten_deliveries,
    heartbeat_delivery,
    owner_name,
    put_back,
)
from node.jobs.leases import backoff
from node.logs import log_context, masked
from node.outbox.errors import DeliveryError
from node.outbox.hours import Opening
from node.outbox.pace import Pace
from node.outbox.senders import Sender
from node.roles import OUTBOX, Stop
from node.wake import Wake

TOGETHER_S: Final = 0.2  # acceptances that come within this are written down together, in one sync of the disk
LONGEST_PAUSE_S: Final = 30.0  # between two looks whether a destination is back

_log = logging.getLogger(__name__)


class Courier:
    """Serves one destination until told to stop.

    Parameters
    ----------
    settings
        The node's settings.
    destination
        Name of the peer.
    sender
        The way there.
    engine
        The database.
    clock
        Gives the time.
    pace
        How fast, shared with the other couriers to this destination; None: as fast as it goes.
    """

    def __init__(
        self,
        settings: Settings,
        destination: str,
        sender: Sender,
        engine: sa.Engine,
        clock: Callable[[], datetime] = now_utc,
        *,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._policy = settings.outbox
        self._destination = destination
        self._sender = sender
        self._engine = engine
        self._clock = clock
        self._owner = owner_name(f"{OUTBOX}-{destination}")
        peer = settings.peers[destination]
        self._opening = Opening(peer.hours)
        self._pace = pace or Pace(None, None)
        self._commits = peer.kind == "dimse" and peer.commitment
        self._failures = 0  # batches in a row that found the destination down
        self._database_away = False

    def run(self, stop: Stop) -> None:
        """Work until stopped; no failure ends it."""
        with Wake(self._settings.data_dir, OUTBOX) as wake:
            while not stop.is_set():
                try:
                    busy = self.step()
                    self._database_answers()
                except DatabaseUnavailable as error:
                    self._database_fails(error)
                    busy = False
                except Exception as error:  # noqa: BLE001 - a courier outlives whatever happens
                    about = log_context(destination=self._destination)
                    _log.error("Delivering failed unexpectedly", exc_info=masked(error), extra=about)
                    busy = False
                if self._failures:
                    self._pause(stop)
                elif not busy:
                    wake.wait(min(self._policy.poll_s, self._pace.wait_s() or self._policy.poll_s))

    def step(self) -> bool:
        """Send one batch; False when nothing was waiting, or may go now."""
        now = self._clock()
        if self._opening.opens_at(now) > now:
            return False
        most = self._pace.take(self._policy.batch)
        if not most:
            return False
        held: tuple[Delivery, ...] = ()
        try:
            held = claim_deliveries(self._engine, self._destination, self._owner, now, policy=self._policy, limit=most)
        finally:
            self._pace.give_back(most - len(held))
        if held:
            self._send(held)
        return bool(held)

    def _send(self, held: Sequence[Delivery]) -> None:
        open_ones = {delivery.id: delivery for delivery in held}
        accepted: list[Accepted] = []
        beating = threading.Event()
        beat = threading.Thread(target=self._beat, args=(open_ones, beating), daemon=True)
        beat.start()
        down, rest = False, timedelta(0)  # for how long the destination asks to be left alone
        try:
            for sent in self._sender.send(held):
                self._pace.sent(self._size(sent.delivery))
                if sent.error is None:
                    accepted.append(Accepted(delivery=sent.delivery, at=self._clock(), sent=sent.sent))
                    if (accepted[-1].at - accepted[0].at).total_seconds() > TOGETHER_S:
                        self._accept(accepted, open_ones)
                else:
                    rest = max(rest, self._rest(sent.error))
                    self._fail(sent.delivery, sent.error, down=sent.destination_down, rest=rest)
                    open_ones.pop(sent.delivery.id)
                down = down or sent.destination_down
        finally:
            try:
                self._accept(accepted, open_ones)
            finally:
                beating.set()
                for delivery in list(open_ones.values()):
                    self._give_back(delivery, rest)
        self._failures = self._failures + 1 if down else 0

    def _accept(self, accepted: list[Accepted], open_ones: dict[int, Delivery]) -> None:
        """Write down what was accepted since the last time."""
        if not accepted:
            return
        lost = accept(self._engine, accepted, commits=self._commits)
        for each in accepted:
            delivery = open_ones.pop(each.delivery.id)
            if delivery in lost:
                self._lost(delivery)
            else:
                # Without the remark: a peer's words may say what they should not.
                _log.info("Result delivered", extra=self._about(delivery))
        if self._failures and len(lost) < len(accepted):
            self._back_again()
        accepted.clear()

    def _rest(self, error: DimseError | WebError | DeliveryError) -> timedelta:
        """Leave the destination alone for as long as it asks, within the longest wait; for how long."""
        asked = error.again_after_s if isinstance(error, WebError) else None
        seconds = min(asked or 0.0, self._policy.backoff_max_s)
        if seconds:
            self._pace.rest(seconds)
        return timedelta(seconds=seconds)

    def _fail(
        self, delivery: Delivery, error: DimseError | WebError | DeliveryError, *, down: bool, rest: timedelta
    ) -> None:
        why = (error.code, str(error))
        now, policy = self._clock(), self._policy
        try:
            state = fail_delivery(
                self._engine, delivery, why, retryable=error.retryable, now=now, policy=policy, least_wait=rest
            )
        except LeaseLost:
            self._lost(delivery)
            return
        more = log_context(delivery=delivery.id, destination=self._destination, code=error.code, state=str(state))
        level = logging.DEBUG if self._failures and down else logging.WARNING
        _log.log(level, "Result not delivered", extra=more)

    def _lost(self, delivery: Delivery) -> None:
        _log.warning("Somebody else delivers this result now", extra=self._about(delivery))

    def _about(self, delivery: Delivery) -> dict[str, dict[str, str | int | float]]:
        return log_context(
            delivery=delivery.id, job=delivery.job_id, destination=self._destination, attempt=delivery.attempt
        )

    def _size(self, delivery: Delivery) -> int:
        try:
            return (self._settings.results_dir / delivery.path).stat().st_size
        except OSError:
            return 0

    def _back_again(self) -> None:
        """The first success after the destination was away: what waits out its backoff need not wait any longer."""
        self._failures = 0
        count = hasten_deliveries(self._engine, self._destination, self._clock())
        _log.info("Destination is back", extra=log_context(destination=self._destination, count=count))

    def _give_back(self, delivery: Delivery, rest: timedelta) -> None:
        try:
            put_back(self._engine, delivery, self._clock(), rest)
        except (LeaseLost, DatabaseUnavailable):
            return  # the lease runs out by itself

    def _beat(self, open_ones: dict[int, Delivery], done: threading.Event) -> None:
        while not done.wait(self._policy.heartbeat_s):
            for delivery in list(open_ones.values()):
                try:
                    heartbeat_delivery(self._engine, delivery, self._clock(), policy=self._policy)
                except DatabaseUnavailable:
                    break

    def _pause(self, stop: Stop) -> None:
        """Wait longer after each batch that found the destination down."""
        until = self._clock() + min(backoff(self._failures, self._policy), timedelta(seconds=LONGEST_PAUSE_S))
        event = threading.Event()
        while not stop.is_set() and self._clock() < until:
            event.wait(min(self._policy.poll_s, (until - self._clock()).total_seconds()))

    def _database_fails(self, error: DatabaseUnavailable) -> None:
        if not self._database_away:
            self._database_away = True
            about = log_context(destination=self._destination, reason=str(error))
            _log.error("Deliveries wait for the database", extra=about)

    def _database_answers(self) -> None:
        if self._database_away:
            self._database_away = False
            _log.info("Deliveries go on", extra=log_context(destination=self._destination))
