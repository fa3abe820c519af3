"""The messages of an established association: requests in, responses out.

References
----------
DICOM PS3.7 9 and 10 (DIMSE services), Annex C (statuses).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import NoReturn

from node.archive import Archive, ArchiveError, Blank, FileMeta
from node.listener.bell import Bell
from node.listener.commands import (
    RESPONSE,
    Answer,
    Command,
    CommandField,
    MalformedCommand,
    Status,
    command_pdus,
    encode_response,
    parse_command,
)
from node.listener.errors import AbortSource, Violation
from node.listener.messages import Messages
from node.listener.negotiation import Agreement
from node.listener.normalized import FIELDS, Normalized
from node.listener.sop_classes import VERIFICATION
from node.listener.storing import refusal, store
from node.listener.wire import Stream, send
from node.logs import log_context

logger = logging.getLogger(__name__)


class Dialogue:
    """Serves C-ECHO, C-STORE and the N-services under one agreement.

    Parameters
    ----------
    agreement
        What was negotiated.
    messages
        What the caller sends.
    stream
        Where responses go.
    archive
        Where instances go.
    bell
        Rung when an instance is safe, or something was said of an exam.
    normalized
        Serves what is neither C-ECHO nor C-STORE.
    """

    def __init__(
        self,
        agreement: Agreement,
        messages: Messages,
        stream: Stream,
        archive: Archive,
        bell: Bell,
        normalized: Normalized,
    ) -> None:
        self._agreement = agreement
        self._normalized = normalized
        self._messages = messages
        self._stream = stream
        self._archive = archive
        self._bell = bell
        self._blank: Blank | None = None  # a file for the next instance, opened while the caller prepares it

    def run(self) -> NoReturn:
        """Answer until the association ends, which is always by an exception.

        Raises
        ------
        Released, Aborted, Closed, TimedOut, Violation
            How it ended.
        """
        try:
            while True:
                self._normalized.report_meanwhile()
                self._serve_one()
        finally:
            if self._blank is not None:
                self._blank.discard()
            self._normalized.close()

    def _serve_one(self) -> None:
        context_id, encoded = self._messages.next_command()
        try:
            request = parse_command(encoded)
        except MalformedCommand as error:
            raise Violation(str(error), source=AbortSource.SERVICE_USER) from error
        if request.field & RESPONSE:
            self._skip_data_set(request, context_id)
            if not self._normalized.take_response(request):
                raise Violation("a response came to no request", source=AbortSource.SERVICE_USER)
            return
        if request.field == CommandField.C_STORE:
            answer: Answer | None = self._store(request, context_id)
        elif self._normalized.serves(request, context_id):
            answer = self._normalized.answer(request, context_id)
        else:
            self._skip_data_set(request, context_id)
            answer = self._other(request, context_id)
        if answer is not None:
            response = encode_response(request, answer)
            send(self._stream, command_pdus(context_id, response, self._agreement.peer_max_pdu_bytes))
        if request.field == CommandField.C_STORE and answer is not None:
            self._note(request, answer)
            self._prepare()
        elif request.field in FIELDS and answer is not None:
            self._note_service(request, answer)

    def _store(self, request: Command, context_id: int) -> Answer:
        context = self._agreement.contexts[context_id]
        refused = refusal(request, context)
        if refused is not None:
            self._skip_data_set(request, context_id)
            return refused
        meta = FileMeta(
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=context.transfer_syntax_uid,
            calling_ae=self._agreement.calling_ae,
            called_ae=self._agreement.called_ae,
        )
        blank, self._blank = self._blank, None
        return store(self._archive, meta, blank, self._messages.data_set(context_id))

    def _other(self, request: Command, context_id: int) -> Answer | None:
        if request.field == CommandField.C_CANCEL:
            return None  # there is never an operation under way that could be cancelled
        if request.field != CommandField.C_ECHO:
            return Answer(status=Status.UNRECOGNIZED_OPERATION, comment="this operation is not served here")
        if self._agreement.contexts[context_id].sop_class_uid != VERIFICATION:
            return Answer(status=Status.SOP_CLASS_NOT_SUPPORTED, comment="C-ECHO belongs to the Verification SOP class")
        return Answer(status=Status.SUCCESS)

    def _skip_data_set(self, request: Command, context_id: int) -> None:
        if request.has_data_set:
            for _ in self._messages.data_set(context_id):
                pass

    def _prepare(self) -> None:
        if self._blank is None:
            with suppress(ArchiveError):  # it is tried again, and answered, when the instance comes
                self._blank = self._archive.prepare()

    def _note(self, request: Command, answer: Answer) -> None:
        if answer.status == Status.SUCCESS:
            self._bell.ring()
            return
        logger.warning(
            "an instance was not stored",
            extra=log_context(
                action="store",
                calling_ae=self._agreement.calling_ae,
                instance=request.sop_instance_uid,
                status=f"{answer.status:04X}",
                reason=answer.comment,
            ),
        )

    def _note_service(self, request: Command, answer: Answer) -> None:
        if answer.status == Status.SUCCESS:
            self._bell.ring()
            return
        logger.warning(
            "a request was not fulfilled",
            extra=log_context(
                action=f"{request.field:04X}",
                calling_ae=self._agreement.calling_ae,
                sop_class=request.sop_class_uid,
                status=f"{answer.status:04X}",
                reason=answer.comment,
            ),
        )
