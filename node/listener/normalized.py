"""The N-services of one association, and the reports of storage commitment that it may still be told on it.

What the services do is in `node.services`, which is loaded when the first such request comes: a listener that only
stores stays small.

References
----------
DICOM PS3.7 10 (normalised services), PS3.4 F.7, J and R.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from node.listener.commands import (
    RESPONSE,
    Answer,
    Command,
    CommandField,
    Status,
    command_pdus,
    data_set_pdus,
    encode_event_report,
)
from node.listener.messages import Messages
from node.listener.negotiation import Agreement
from node.listener.options import ServiceOptions
from node.listener.sop_classes import STORAGE_COMMITMENT
from node.listener.wire import Stream, send

if TYPE_CHECKING:
    from node.services import Services

MOST_DATA_SET_BYTES: Final = 16 << 20  # a step that names a hundred thousand images
LOOK_S: Final = 0.05  # between two looks whether a report is ready
COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
FIELDS: Final = frozenset(
    {CommandField.N_CREATE, CommandField.N_SET, CommandField.N_ACTION, CommandField.N_EVENT_REPORT}
)


class Desk:
    """The services of one process, opened when they are first asked for; shared by its associations.

    Parameters
    ----------
    options
        What is offered; None for nothing.
    """

    def __init__(self, options: ServiceOptions | None) -> None:
        self._options = options
        self._services: Services | None = None
        self._lock = threading.Lock()

    @property
    def classes(self) -> frozenset[str]:
        """SOP classes that are offered."""
        return frozenset() if self._options is None else self._options.sop_classes

    def services(self) -> Services | None:
        """The services; None where none are offered."""
        with self._lock:
            if self._services is None and self._options is not None:
                from node.services import Services

                self._services = Services(self._options)
            return self._services

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._services is not None:
                self._services.close()
                self._services = None


class Normalized:
    """Serves the N-requests of one association.

    Parameters
    ----------
    agreement
        What was negotiated.
    messages
        What the caller sends.
    stream
        Where reports go.
    desk
        The services.
    """

    def __init__(self, agreement: Agreement, messages: Messages, stream: Stream, desk: Desk) -> None:
        self._agreement = agreement
        self._messages = messages
        self._stream = stream
        self._desk = desk
        # Commitment requests that were not reported yet: key to presentation context, and how long they stay ours.
        self._owed: dict[int, tuple[int, float]] = {}
        self._said: dict[int, int] = {}  # reports without a response yet: message id to key
        self._message_id = 0

    def serves(self, request: Command, context_id: int) -> bool:
        """Whether a request is one of the services'."""
        return request.field in FIELDS and self._agreement.contexts[context_id].sop_class_uid in self._desk.classes

    def answer(self, request: Command, context_id: int) -> Answer:
        """Do what a request asks for; its data set is read here."""
        from node.services import Refused, ServiceRequest

        data_set = self._data_set(context_id) if request.has_data_set else b""
        if data_set is None:
            return Answer(status=Status.RESOURCE_LIMITATION, comment="the data set is too long")
        services = self._desk.services()
        context = self._agreement.contexts[context_id]
        if services is None or request.sop_class_uid != context.sop_class_uid:
            return Answer(
                status=Status.SOP_CLASS_NOT_SUPPORTED, comment="SOP class is not that of the presentation context"
            )
        asked = ServiceRequest(
            field=request.field,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            type_id=request.type_id,
            data_set=data_set,
            transfer_syntax_uid=context.transfer_syntax_uid,
            calling_ae=self._agreement.calling_ae,
        )
        try:
            done = services.perform(asked)
        except Refused as refused:
            return Answer(status=refused.status, comment=str(refused), error_id=refused.error_id)
        if done.owed is not None:
            self._owed[done.owed] = (context_id, time.monotonic() + done.owed_s)
        return Answer(status=Status.SUCCESS, sop_instance_uid=done.sop_instance_uid)

    def report_meanwhile(self) -> None:
        """While the caller is silent, give it the reports that it is owed; returns when there is something to read."""
        while self._owed and not self._messages.waits(LOOK_S):
            for key, (context_id, until) in list(self._owed.items()):
                if self._report(key, context_id) or time.monotonic() > until:
                    del self._owed[key]

    def take_response(self, response: Command) -> bool:
        """The caller's response to a report; False where it answers none."""
        key = self._said.pop(response.message_id, None)
        services = self._desk.services()
        if key is None or services is None or response.field != CommandField.N_EVENT_REPORT | RESPONSE:
            return False
        if response.status == Status.SUCCESS:
            services.reported(key)
        else:
            services.hand_over(key)
        return True

    def close(self) -> None:
        """The association ends: what it was not told goes out on another one."""
        services = self._desk.services() if self._owed or self._said else None
        if services is not None:
            for key in (*self._owed, *self._said.values()):
                services.hand_over(key)

    def _report(self, key: int, context_id: int) -> bool:
        services = self._desk.services()
        syntax = self._agreement.contexts[context_id].transfer_syntax_uid
        report = None if services is None else services.claim_report(key, syntax)
        if report is not None:
            self._send(key, context_id, report.event_type, report.event_information)
        return report is not None

    def _send(self, key: int, context_id: int, event_type: int, event_information: bytes) -> None:
        self._message_id += 1
        self._said[self._message_id] = key
        command = encode_event_report(
            Command(
                field=CommandField.N_EVENT_REPORT,
                message_id=self._message_id,
                has_data_set=True,
                sop_class_uid=STORAGE_COMMITMENT,
                sop_instance_uid=COMMITMENT_INSTANCE,
                type_id=event_type,
            )
        )
        most = self._agreement.peer_max_pdu_bytes
        send(
            self._stream,
            command_pdus(context_id, command, most) + data_set_pdus(context_id, event_information, most),
        )

    def _data_set(self, context_id: int) -> bytes | None:
        data = bytearray()
        fits = True
        for piece in self._messages.data_set(context_id):
            fits = fits and len(data) + len(piece) <= MOST_DATA_SET_BYTES
            if fits:
                data += piece
        return bytes(data) if fits else None
