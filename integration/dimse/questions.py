"""C-FIND, C-MOVE and C-GET as a user: answers one by one, and images of C-GET handed on as their bytes come.

References
----------
DICOM PS3.4 C.4 (Query/Retrieve), PS3.7 9.1.1 to 9.1.4 and 9.3 (C-STORE, C-FIND, C-GET, C-MOVE, C-CANCEL).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode

from integration.dimse.association import MOST_COMMAND_BYTES, Association
from integration.dimse.errors import ContextRefused, DimseError, PeerTimeout, ProtocolError
from integration.dimse.pdus import (
    COMMAND,
    LAST,
    MEDIUM,
    NO_DATA_SET,
    P_DATA,
    PDV_HEAD,
    WITH_DATA_SET,
    Context,
    command_set,
    ui_element,
    us_element,
)
from integration.retrieval import Arriving, Keeper

FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve Information Model - FIND
MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
SUCCESS: Final = 0x0000
PENDING: Final = frozenset({0xFF00, 0xFF01})
MOST_IDENTIFIER_BYTES: Final = 4 << 20  # of one answer
_FIELDS: Final = {FIND: 0x0020, MOVE: 0x0021, GET: 0x0010}
_STORE_RQ, _STORE_RSP, _CANCEL_RQ = 0x0001, 0x8001, 0x0FFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response to C-FIND, C-MOVE or C-GET."""

    status: int
    identifier: Dataset | None = None  # of a match
    completed: int = 0  # sub-operations so far, with those that gave a warning
    failed: int = 0
    comment: str = ""

    @property
    def pending(self) -> bool:
        return self.status in PENDING


def contexts_of(model: str) -> tuple[Context, ...]:
    """The presentation contexts on which a query/retrieve model is proposed."""
    return tuple(Context(model, str(syntax)) for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian))


class Questions(Association):
    """An association on which a PACS is asked."""

    _pdvs: deque[tuple[int, int, memoryview]]

    def ask(
        self, model: str, identifier: Dataset, *, destination: str | None = None, keeper: Keeper | None = None
    ) -> Generator[Answer]:
        """Ask, and give answers as they come, the last one that is not pending included.

        Leaving the iterator early cancels what was asked for.

        Parameters
        ----------
        model
            FIND, MOVE or GET.
        identifier
            The keys, and Query/Retrieve Level.
        destination
            The AE title that C-MOVE sends to.
        keeper
            Where C-GET's images go.

        Raises
        ------
        ContextRefused
            The PACS does not offer this.
        AssociationAborted, PeerTimeout, ProtocolError
            The association is of no use any more.
        """
        context = next((each for each in contexts_of(model) if each in self.accepted), None)
        if context is None:
            raise ContextRefused(f"{self.peer.words} does not offer {_NAMES[model]} (study root)")
        number, implicit = self.accepted[context], context.transfer_syntax == ImplicitVRLittleEndian
        self._pdvs = deque()
        self._message_id = self._message_id % 0xFFFF + 1
        with self._network():
            self._socket.settimeout(self.peer.response_timeout_s)
            self._send_command(number, _request(model, self._message_id, destination))
            self._send_data(number, BytesIO(encode(identifier, implicit, True) or b""))
        ended = False
        try:
            while not ended:
                answer = self._next(implicit, keeper)
                if answer is not None:
                    ended = not answer.pending
                    yield answer
        finally:
            if not ended:
                self._cancel(number)

    def _next(self, implicit: bool, keeper: Keeper | None) -> Answer | None:
        """The next answer; None: an image came instead."""
        number, command = self._command()
        if int(command.get("CommandField", 0)) == _STORE_RQ and keeper is not None:
            self._keep(number, command, keeper)
            return None
        try:
            status, answers = int(command.Status), int(command.MessageIDBeingRespondedTo)
            completed, failed = (
                int(command.get(f"NumberOf{word}Suboperations") or 0) for word in ("Completed", "Failed")
            )
            completed += int(command.get("NumberOfWarningSuboperations") or 0)
            comment = str(command.get("ErrorComment") or "")
        except Exception as error:  # pydicom raises whatever the bytes lead to
            raise self._unreadable("a response") from error
        if answers != self._message_id:
            raise ProtocolError(f"{self.peer.words} answered message {answers}, not {self._message_id}")
        identifier = self._identifier(implicit) if _has_data(command) else None
        return Answer(status=status, identifier=identifier, completed=completed, failed=failed, comment=comment)

    def _keep(self, number: int, command: Dataset, keeper: Keeper) -> None:
        syntaxes = {taken: context.transfer_syntax for context, taken in self.accepted.items()}
        if number not in syntaxes or not _has_data(command):
            raise ProtocolError(f"{self.peer.words} sent a C-STORE that has no data set, or no context")
        sop_class, sop_instance = _word(command, "AffectedSOPClassUID"), _word(command, "AffectedSOPInstanceUID")
        reception = keeper.begin(
            Arriving(sop_class_uid=sop_class, sop_instance_uid=sop_instance, transfer_syntax_uid=syntaxes[number])
        )
        try:
            for piece in self._data():
                reception.take(piece)
            refusal = reception.finish()
        finally:
            reception.abandon()
        message_id = int(command.get("MessageID") or 0)
        status = SUCCESS if refusal is None else refusal.status
        with self._network():
            self._send_command(number, _store_response(sop_class, sop_instance, message_id, status))

    def _identifier(self, implicit: bool) -> Dataset:
        encoded = bytearray()
        for piece in self._data():
            encoded += piece
            if len(encoded) > MOST_IDENTIFIER_BYTES:
                raise ProtocolError(f"{self.peer.words} sent an answer of more than {MOST_IDENTIFIER_BYTES} bytes")
        try:
            return decode(BytesIO(encoded), implicit, True)
        except Exception as error:  # pydicom raises whatever the bytes lead to
            raise self._unreadable("an answer") from error

    def _command(self) -> tuple[int, Dataset]:
        encoded = bytearray()
        while True:
            number, control, piece = self._pdv()
            if not control & COMMAND or len(encoded) + len(piece) > MOST_COMMAND_BYTES:
                raise ProtocolError(f"{self.peer.words} sent something other than a command set")
            encoded += piece
            if control & LAST:
                break
        try:
            return number, decode(BytesIO(encoded), True, True)
        except Exception as error:  # pydicom raises whatever the bytes lead to
            raise self._unreadable("a command set") from error

    def _data(self) -> Iterator[memoryview]:
        control = 0
        while not control & LAST:
            _, control, piece = self._pdv()
            if control & COMMAND:
                raise ProtocolError(f"{self.peer.words} sent a command set within a data set")
            yield piece

    def _pdv(self) -> tuple[int, int, memoryview]:
        """Context, message control header and bytes of the next fragment."""
        while not self._pdvs:
            with self._network():
                kind, pdu = self._read_pdu()
            if kind != P_DATA:
                self._unexpected(kind)
            at, body = 6, memoryview(pdu)
            while at + PDV_HEAD <= len(body):
                length, number, control = struct.unpack_from(">LBB", body, at)
                if length < 2 or at + 4 + length > len(body):
                    raise ProtocolError(f"{self.peer.words} sent a fragment that is longer than its PDU")
                self._pdvs.append((number, control, body[at + PDV_HEAD : at + 4 + length]))
                at += 4 + length
        return self._pdvs.popleft()

    def _cancel(self, number: int) -> None:
        elements = us_element(0x0100, _CANCEL_RQ) + us_element(0x0120, self._message_id)
        with suppress(OSError):  # whoever leaves early does not care for the association any more
            self._send_command(number, command_set(elements + us_element(0x0800, NO_DATA_SET)))

    @contextmanager
    def _network(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            seconds = self.peer.response_timeout_s
            raise PeerTimeout(f"{self.peer.words} said nothing for {seconds:g} s") from error
        except OSError as error:
            raise self._why_broken(error) from error

    def _unreadable(self, what: str) -> DimseError:
        return ProtocolError(f"{self.peer.words} sent {what} that cannot be read")


_NAMES: Final = {FIND: "C-FIND", MOVE: "C-MOVE", GET: "C-GET"}


def _request(model: str, message_id: int, destination: str | None) -> bytes:
    elements = ui_element(0x0002, model) + us_element(0x0100, _FIELDS[model]) + us_element(0x0110, message_id)
    if destination is not None:
        title = destination.encode("ascii", "replace").ljust(16)
        elements += struct.pack("<HHL", 0, 0x0600, len(title)) + title
    return command_set(elements + us_element(0x0700, MEDIUM) + us_element(0x0800, WITH_DATA_SET))


def _store_response(sop_class: str, sop_instance: str, message_id: int, status: int) -> bytes:
    elements = ui_element(0x0002, sop_class) + us_element(0x0100, _STORE_RSP) + us_element(0x0120, message_id)
    elements += us_element(0x0800, NO_DATA_SET) + us_element(0x0900, status)
    return command_set(elements + ui_element(0x1000, sop_instance))


def _has_data(command: Dataset) -> bool:
    return int(command.get("CommandDataSetType", NO_DATA_SET)) != NO_DATA_SET


def _word(command: Dataset, keyword: str) -> str:
    """The raw value: converting it would have pydicom warn about odd ones, and print them."""
    element = command.get_item(keyword)
    value = None if element is None else element.value
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    return text.strip("\0 ")
