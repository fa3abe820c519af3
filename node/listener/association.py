"""One connection, from its first byte to its last: PS3.8's state machine, with a thread for each acceptor.

References
----------
DICOM PS3.8 9.2 (states Sta2, Sta6 and Sta13; timer ARTIM), PS3.7 9 and 10 (DIMSE).
"""

from __future__ import annotations

import logging
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Final

from node.archive import Archive
from node.listener.bell import Bell
from node.listener.dialogue import Dialogue
from node.listener.errors import Aborted, AbortReason, AbortSource, Closed, ConnectionEnd, Released, TimedOut, Violation
from node.listener.messages import Messages
from node.listener.negotiation import (
    CLOSING,
    LIMIT_REACHED,
    Agreement,
    Rejection,
    agree,
    objection,
)
from node.listener.normalized import Desk, Normalized
from node.listener.options import ListenerOptions
from node.listener.request import NotARequest, read_request
from node.listener.slots import Slots
from node.listener.wire import (
    PDU_HEADER,
    PduType,
    Reader,
    Stream,
    abort_pdu,
    reject_pdu,
    release_reply_pdu,
    send,
)
from node.logs import log_context, masked

logger = logging.getLogger(__name__)

MOST_REQUEST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all associations of a process share."""

    options: ListenerOptions
    archive: Archive
    slots: Slots
    bell: Bell
    desk: Desk
    stopping: Event  # no new association is let in
    tls: ssl.SSLContext | None


class Association:
    """Serves one accepted connection.

    Parameters
    ----------
    connection
        The accepted socket; closed at the end.
    address
        The peer's address, as text.
    surroundings
        What it shares with others.
    """

    def __init__(self, connection: socket.socket, address: str, surroundings: Surroundings) -> None:
        self._connection = connection
        self._address = address
        self._around = surroundings
        self._options = surroundings.options
        self._stream: Stream = connection
        self._reader = Reader(connection)
        self._cut_off = False
        self._is_established = False

    def serve(self) -> None:
        """Live through the association. Whatever goes wrong ends this connection only."""
        try:
            self._converse()
        except ConnectionEnd as end:
            self._part(end)
        except Exception as error:  # a fault here must not reach other associations
            logger.error("an association failed", exc_info=masked(error), extra=log_context(action="association"))
            self._part(Violation("the listener failed", AbortReason.NOT_SPECIFIED))
        finally:
            with suppress(OSError):
                self._connection.close()

    def cut_off(self) -> None:
        """From another thread: end the association as soon as it next waits for the peer."""
        self._cut_off = True
        with suppress(OSError):
            # The plain method: that of a TLS socket would drop the encryption of what is still to be said.
            socket.socket.shutdown(self._connection, socket.SHUT_RD)

    def _converse(self) -> None:
        self._reader.set_deadline(self._options.artim_timeout_s)
        self._start_tls()
        request = self._first_pdu()
        with self._around.slots.one() as has_room:
            agreement = self._negotiate(request, has_room=has_room)
            if agreement is not None:
                self._is_established = True
                send(self._stream, agreement.reply)
                self._reader.set_idle_timeout(self._options.idle_timeout_s)
                messages = Messages(self._reader, agreement.contexts, self._options.max_pdu_bytes)
                around = self._around
                normalized = Normalized(agreement, messages, self._stream, around.desk)
                Dialogue(agreement, messages, self._stream, around.archive, around.bell, normalized).run()

    def _start_tls(self) -> None:
        if self._around.tls is None:
            return
        self._connection.settimeout(self._options.artim_timeout_s)
        try:
            wrapped = self._around.tls.wrap_socket(self._connection, server_side=True)
        except TimeoutError as error:
            raise TimedOut from error
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            logger.warning(
                "TLS was not agreed", extra=log_context(action="tls", peer_address=self._address, reason=str(reason))
            )
            raise Closed from error
        self._connection = self._stream = wrapped
        self._reader = Reader(wrapped)
        self._reader.set_deadline(self._options.artim_timeout_s)

    def _first_pdu(self) -> bytes:
        """A-ASSOCIATE-RQ, as bytes. In this state every violation is answered as the service user (AA-1)."""
        header = bytes(self._reader.exactly(PDU_HEADER.size))
        kind, length = PDU_HEADER.unpack(header)
        if kind == PduType.ABORT:
            raise Aborted
        if kind != PduType.ASSOCIATE_RQ or length > MOST_REQUEST_BYTES:
            raise Violation("the first PDU is no A-ASSOCIATE-RQ", source=AbortSource.SERVICE_USER)
        pdu = bytearray(header)
        while len(pdu) < length + PDU_HEADER.size:
            pdu += self._reader.some(length + PDU_HEADER.size - len(pdu))
        return bytes(pdu)

    def _negotiate(self, pdu: bytes, *, has_room: bool) -> Agreement | None:
        try:
            request = read_request(pdu)
        except NotARequest as error:
            raise Violation(f"an A-ASSOCIATE-RQ is unreadable: {error}", source=AbortSource.SERVICE_USER) from error
        rejection = objection(request, self._address, self._options)
        if rejection is None and not has_room:
            rejection = LIMIT_REACHED
        if rejection is None and self._around.stopping.is_set():
            rejection = CLOSING
        if rejection is not None:
            self._reject(rejection, request.calling_ae)
            return None
        agreement = agree(request, self._options)
        logger.info(
            "association accepted",
            extra=log_context(
                action="associate", calling_ae=agreement.calling_ae, peer_address=self._address,
                count=len(agreement.contexts),
            ),
        )  # fmt: skip
        return agreement

    def _reject(self, rejection: Rejection, calling_ae: str) -> None:
        logger.warning(
            "association rejected",
            extra=log_context(
                action="reject", calling_ae=calling_ae, peer_address=self._address, reason=rejection.words
            ),
        )
        send(self._stream, reject_pdu(rejection.result, rejection.source, rejection.reason))
        self._await_close()

    def _part(self, end: ConnectionEnd) -> None:
        """Say what the state machine has to say at such an end, and wait for the peer to close."""
        logger.log(
            logging.INFO if isinstance(end, Released | Closed) else logging.WARNING,
            "association ended",
            extra=log_context(
                action="end", peer_address=self._address, state=type(end).__name__.lower(), reason=str(end) or None
            ),
        )
        if isinstance(end, Released):
            farewell = release_reply_pdu()
        elif isinstance(end, Violation):
            farewell = abort_pdu(end.source, end.reason)
        elif self._is_established and (isinstance(end, TimedOut) or self._cut_off):
            farewell = abort_pdu(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED)
        else:
            return
        with suppress(ConnectionEnd):
            send(self._stream, farewell)
            self._await_close()

    def _await_close(self) -> None:
        """State 13: let the peer close, so that what was sent last is not lost to a reset."""
        self._reader.set_deadline(self._options.artim_timeout_s)
        with suppress(ConnectionEnd):
            while True:
                self._reader.some(len(self._reader))
