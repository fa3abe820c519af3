"""Cutting P-DATA into command sets and data sets.

A message is a command set in one or more fragments, then perhaps a data set in one or more. A PDU holds one or more
fragments, and a fragment never crosses a PDU's end. Command sets are gathered, being small; a data set's bytes are
handed on as they come, so that its size does not matter.

References
----------
DICOM PS3.8 9.3.5 (P-DATA-TF), Annex E (message control header), PS3.7 6.3.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from node.listener.errors import Aborted, AbortReason, Released, Violation
from node.listener.wire import PDU_HEADER, PDV_HEADER, PduType, Reader

MOST_COMMAND_BYTES: Final = 64 * 1024
_COMMAND: Final = 1
_LAST: Final = 2


@dataclass(frozen=True, slots=True)
class _Fragment:
    context_id: int
    is_command: bool
    is_last: bool
    length: int  # bytes of the message, without the control header


class Messages:
    """The messages of one association, in turn.

    Parameters
    ----------
    reader
        Where the bytes come from.
    context_ids
        Accepted presentation contexts.
    max_pdu_bytes
        The size that was announced to the peer; 0 for no limit.
    """

    def __init__(self, reader: Reader, context_ids: Container[int], max_pdu_bytes: int) -> None:
        self._reader = reader
        self._context_ids = context_ids
        self._max_pdu_bytes = max_pdu_bytes
        self._pdu_left = 0

    def waits(self, timeout_s: float) -> bool:
        """Whether there is something to read, now or within the time."""
        return bool(self._pdu_left) or self._reader.waits(timeout_s)

    def next_command(self) -> tuple[int, bytes]:
        """Wait for the next command set.

        Returns
        -------
        tuple[int, bytes]
            Presentation context and the encoded command set.

        Raises
        ------
        Released, Aborted, Closed, TimedOut
            The association ends.
        Violation
            The peer sent something else.
        """
        command = bytearray()
        context_id: int | None = None
        while True:
            fragment = self._next_fragment()
            if not fragment.is_command:
                raise Violation("a data set came without a command", AbortReason.INVALID_PARAMETER)
            if context_id not in (None, fragment.context_id):
                raise Violation("a message changed its presentation context", AbortReason.INVALID_PARAMETER)
            context_id = fragment.context_id
            if len(command) + fragment.length > MOST_COMMAND_BYTES:
                raise Violation("a command set is too long", AbortReason.INVALID_PARAMETER)
            for piece in self._pieces(fragment.length):
                command += piece
            if fragment.is_last:
                return context_id, bytes(command)

    def data_set(self, context_id: int) -> Iterator[memoryview]:
        """The bytes of the data set that belongs to the command just read, in pieces.

        A piece holds until the next one is asked for. The iterator must be used up before the next command.

        Raises
        ------
        Released, Aborted, Closed, TimedOut, Violation
            As for `next_command`; the data set is incomplete then.
        """
        while True:
            fragment = self._next_fragment()
            if fragment.is_command or fragment.context_id != context_id:
                raise Violation("a data set was interrupted by another message", AbortReason.INVALID_PARAMETER)
            yield from self._pieces(fragment.length)
            if fragment.is_last:
                return

    def _pieces(self, length: int) -> Iterator[memoryview]:
        while length:
            piece = self._reader.some(length)
            length -= len(piece)
            yield piece

    def _next_fragment(self) -> _Fragment:
        while not self._pdu_left:
            self._pdu_left = self._next_data_pdu()
        if self._pdu_left < PDV_HEADER.size:
            raise Violation("a PDU ends within a fragment's header", AbortReason.INVALID_PARAMETER)
        length, context_id, control = PDV_HEADER.unpack(self._reader.exactly(PDV_HEADER.size))
        if length < 2 or length + 4 > self._pdu_left:
            raise Violation("a fragment's length does not fit its PDU", AbortReason.INVALID_PARAMETER)
        if context_id not in self._context_ids:
            raise Violation("a presentation context was used that is not accepted", AbortReason.INVALID_PARAMETER)
        self._pdu_left -= length + 4
        return _Fragment(context_id, bool(control & _COMMAND), bool(control & _LAST), length - 2)

    def _next_data_pdu(self) -> int:
        kind, length = PDU_HEADER.unpack(self._reader.exactly(PDU_HEADER.size))
        if kind == PduType.DATA:
            if self._max_pdu_bytes and length > self._max_pdu_bytes:
                raise Violation("a PDU is longer than was agreed", AbortReason.INVALID_PARAMETER)
            if not length:
                raise Violation("a P-DATA-TF PDU is empty", AbortReason.INVALID_PARAMETER)
            return int(length)
        if kind == PduType.RELEASE_RQ:
            raise Released
        if kind == PduType.ABORT:
            raise Aborted
        if kind in (PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC, PduType.ASSOCIATE_RJ, PduType.RELEASE_RP):
            raise Violation("a PDU came that has no place in an association", AbortReason.UNEXPECTED_PDU)
        raise Violation("a PDU of unknown type came", AbortReason.UNRECOGNIZED_PDU)
