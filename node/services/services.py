"""The door to the services: which operation of which SOP class does what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from integration.dimse import (
    INSTANCE_AVAILABILITY,
    PERFORMED_STEP,
    STORAGE_COMMITMENT,
    InvalidRequest,
    read_commitment_report,
)
from node.clock import now_utc
from node.config import Outbox
from node.db import DatabaseUnavailable, connect
from node.jobs import take_report
from node.listener.options import ServiceOptions
from node.services.errors import Refused
from node.services.notices import notice_availability
from node.services.requests import (
    INVALID_ARGUMENT,
    MISSING_ATTRIBUTE,
    N_ACTION,
    N_CREATE,
    N_EVENT_REPORT,
    N_SET,
    NO_SUCH_EVENT_TYPE,
    RESOURCE_LIMITATION,
    UNRECOGNIZED_OPERATION,
    Fulfilled,
    OwedReport,
    ServiceRequest,
)
from node.services.safekeeping import (
    claim_for_association,
    hand_over,
    mark_reported,
    take_request,
)
from node.services.steps import change_step, create_step

EVENT_TYPES: Final = (1, 2)  # all committed; some failed


class Services:
    """Fulfils N-requests; safe to use from many threads.

    Parameters
    ----------
    options
        What is offered, and the database.
    clock
        Gives the time.
    """

    def __init__(self, options: ServiceOptions, clock: Callable[[], datetime] = now_utc) -> None:
        self._options = options
        self._engine = connect(options.database)
        self._clock = clock
        self._redelivery = Outbox(
            max_attempts=options.max_attempts, backoff_s=options.backoff_s, backoff_max_s=options.backoff_max_s
        )
        self._operations: dict[tuple[str, int], Callable[[ServiceRequest], Fulfilled]] = {
            (PERFORMED_STEP, N_CREATE): lambda asked: create_step(self._engine, asked, options, clock()),
            (PERFORMED_STEP, N_SET): lambda asked: change_step(self._engine, asked, options, clock()),
            (INSTANCE_AVAILABILITY, N_CREATE): lambda asked: notice_availability(self._engine, asked, clock()),
            (STORAGE_COMMITMENT, N_ACTION): lambda asked: take_request(self._engine, asked, options, clock()),
            (STORAGE_COMMITMENT, N_EVENT_REPORT): self._take_report,
        }

    def perform(self, request: ServiceRequest) -> Fulfilled:
        """Do what is asked for.

        Raises
        ------
        Refused
            It cannot be done; nothing was changed.
        """
        operation = self._operations.get((request.sop_class_uid, request.field))
        if operation is None:
            raise Refused("the SOP class has no such operation", status=UNRECOGNIZED_OPERATION)
        if not request.data_set:
            raise Refused("the request has no data set", status=MISSING_ATTRIBUTE)
        try:
            return operation(request)
        except InvalidRequest as error:
            raise Refused(str(error), status=error.status) from error
        except DatabaseUnavailable as error:
            raise Refused("the database cannot be used now", status=RESOURCE_LIMITATION) from error

    def claim_report(self, key: int, transfer_syntax: str) -> OwedReport | None:
        """A report that may go out on the caller's association now; None where there is none (yet)."""
        try:
            return claim_for_association(self._engine, key, transfer_syntax, self._clock())
        except DatabaseUnavailable:
            return None

    def reported(self, key: int) -> None:
        """The caller took the report; where that cannot be written down it is sent once more, which is harmless."""
        try:
            mark_reported(self._engine, key, self._clock())
        except DatabaseUnavailable:
            return

    def hand_over(self, key: int) -> None:
        """The caller's association cannot carry the report; without a database it falls due by itself."""
        try:
            hand_over(self._engine, key, self._clock())
        except DatabaseUnavailable:
            return

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _take_report(self, request: ServiceRequest) -> Fulfilled:
        """An archive reports on what it was asked to keep."""
        if request.type_id not in EVENT_TYPES:
            raise Refused("Event Type ID is neither 1 nor 2", status=NO_SUCH_EVENT_TYPE)
        report = read_commitment_report(request.data_set, request.transfer_syntax_uid)
        if not take_report(self._engine, report, self._clock(), policy=self._redelivery):
            raise Refused("no such transaction was asked for", status=INVALID_ARGUMENT)
        return Fulfilled(sop_instance_uid=request.sop_instance_uid)
