"""One association as requestor: negotiation with pynetdicom's PDU classes, data on a plain blocking socket.

pynetdicom's own requestor runs a reactor thread that polls with sleeps, which costs tens of milliseconds for each
message; here the calling thread does everything and waits only for the network.

References
----------
DICOM PS3.8 9.3 (PDUs), PS3.7 9.3 (DIMSE messages).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from io import BytesIO
from typing import BinaryIO, Final, NoReturn, Self

from pydicom import Dataset
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_RELEASE_RP, A_RELEASE_RQ

from integration.dimse.errors import AssociationAborted, DimseError, PeerTimeout, ProtocolError
from integration.dimse.pdus import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    COMMAND,
    LAST,
    MOST_CONTEXTS,
    P_DATA,
    PDV_HEAD,
    RELEASE_RP,
    RELEASE_RQ,
    Command,
    Context,
    abort_pdu,
    associate_rq,
    numbered,
    p_data_head,
    rejection,
)
from integration.dimse.peer import Peer, acknowledge_at_once, connect

MOST_COMMAND_BYTES: Final = 1 << 20
MOST_SEND_PDU: Final = 1 << 20  # a peer that announces more, or no limit, gets this


class Association:
    """An open association; leaving the `with` block releases it, or aborts it after an error."""

    def __init__(self, peer: Peer, contexts: Iterable[Context], provided: Collection[str] = ()) -> None:
        """`provided` are the SOP classes of which this side is the SCP (role selection, PS3.7 D.3.3.4)."""
        wanted = tuple(dict.fromkeys(contexts))
        if not 0 < len(wanted) <= MOST_CONTEXTS:
            raise ValueError(f"an association has 1 to {MOST_CONTEXTS} presentation contexts, not {len(wanted)}")
        self.peer = peer
        self._message_id = 0
        self._socket = connect(peer)
        try:
            self.accepted: Mapping[Context, int] = self._negotiate(wanted, provided)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def release(self) -> None:
        """End the association; whatever the peer makes of it, everything was said before."""
        try:
            self._socket.settimeout(self.peer.connect_timeout_s)
            self._socket.sendall(A_RELEASE_RQ().encode())
            until = time.monotonic() + self.peer.connect_timeout_s
            while time.monotonic() < until:
                kind, _ = self._read_pdu()
                if kind in (RELEASE_RP, ABORT):
                    break
                if kind == RELEASE_RQ:
                    self._socket.sendall(A_RELEASE_RP().encode())
        except (OSError, DimseError):
            return
        finally:
            self._socket.close()

    def abort(self) -> None:
        """End the association at once."""
        try:
            self._socket.settimeout(1.0)
            self._socket.sendall(abort_pdu())
        except OSError:
            return
        finally:
            self._socket.close()

    def request(self, context: int, command: Command, data: BinaryIO | None = None) -> Dataset:
        """Send one DIMSE request and wait for its response.

        Parameters
        ----------
        context
            Id of an accepted presentation context.
        command
            What is asked for.
        data
            The data set, encoded in the context's transfer syntax, from its current position to its end.

        Returns
        -------
        Dataset
            The response's command set.

        Raises
        ------
        AssociationAborted, PeerTimeout, ProtocolError
            The association is of no use any more.
        """
        self._message_id = self._message_id % 0xFFFF + 1
        try:
            self._socket.settimeout(self.peer.response_timeout_s)
            self._send_command(context, command.encoded(self._message_id, with_data=data is not None))
            if data is not None:
                self._send_data(context, data)
            return self._read_response()
        except TimeoutError as error:
            seconds = self.peer.response_timeout_s
            raise PeerTimeout(f"{self.peer.words} did not answer within {seconds:g} s") from error
        except OSError as error:
            raise self._why_broken(error) from error

    def _negotiate(self, wanted: Sequence[Context], provided: Collection[str]) -> Mapping[Context, int]:
        peer = self.peer
        try:
            self._socket.sendall(associate_rq(peer, wanted, provided))
            kind, body = self._read_pdu()
        except TimeoutError as error:
            seconds = peer.connect_timeout_s
            raise PeerTimeout(f"{peer.words} did not answer the association request within {seconds:g} s") from error
        except OSError as error:
            raise AssociationAborted(f"{peer.words} closed the connection on the association request") from error
        if kind == ASSOCIATE_RJ:
            raise rejection(peer, body)
        if kind != ASSOCIATE_AC:
            self._unexpected(kind)
        accept = A_ASSOCIATE_AC()
        try:
            accept.decode(body)
            results = {item.context_id: item for item in accept.presentation_context if item.result == 0}
            limit = accept.user_information.maximum_length or 0 if accept.user_information else 0
        except Exception as error:  # pynetdicom raises whatever the bytes lead to
            raise ProtocolError(f"{peer.words} sent an association acceptance that cannot be read") from error
        room = min(limit or peer.max_pdu_bytes, MOST_SEND_PDU)
        self._chunk = max(room - PDV_HEAD, 1) & ~1 or 2
        return {
            context: number
            for number, context in numbered(wanted)
            if number in results and results[number].transfer_syntax in (context.transfer_syntax, None, "")
        }

    def _send_command(self, context: int, encoded: bytes) -> None:
        for start in range(0, len(encoded), self._chunk):
            part = encoded[start : start + self._chunk]
            last = LAST if start + self._chunk >= len(encoded) else 0
            self._socket.sendall(p_data_head(context, COMMAND | last, len(part)) + part)

    def _send_data(self, context: int, data: BinaryIO) -> None:
        part = data.read(self._chunk)
        while True:
            following = data.read(self._chunk)
            head = p_data_head(context, 0 if following else LAST, len(part))
            self._socket.sendall(head + part)
            if not following:
                return
            part = following

    def _read_response(self) -> Dataset:
        encoded = bytearray()
        until = self._until()
        while True:
            kind, body = self._read_pdu()
            if kind != P_DATA:
                self._unexpected(kind)
            if time.monotonic() > until:
                raise TimeoutError("a response of ever more pieces")
            at = 6
            while at + PDV_HEAD <= len(body):
                length, _, control = struct.unpack_from(">LBB", body, at)
                if not control & COMMAND or len(encoded) + length > MOST_COMMAND_BYTES:
                    raise ProtocolError(f"{self.peer.words} answered with something other than a command set")
                encoded += body[at + PDV_HEAD : at + 4 + length]
                at += 4 + length
                if control & LAST:
                    return self._decoded(bytes(encoded))

    def _decoded(self, encoded: bytes) -> Dataset:
        try:
            response = decode(BytesIO(encoded), True, True)
            answers = int(response.MessageIDBeingRespondedTo)
            _ = int(response.Status)
        except Exception as error:  # pydicom raises whatever the bytes lead to
            raise ProtocolError(f"{self.peer.words} sent a response that cannot be read") from error
        if answers != self._message_id:
            raise ProtocolError(f"{self.peer.words} answered message {answers}, not {self._message_id}")
        return response

    def _read_pdu(self) -> tuple[int, bytes]:
        head = self._read(6)
        kind, length = head[0], int.from_bytes(head[2:], "big")
        if length > max(self.peer.max_pdu_bytes, MOST_COMMAND_BYTES):
            raise ProtocolError(f"{self.peer.words} sent a PDU of {length} bytes")
        return kind, head + self._read(length)

    def _read(self, length: int) -> bytes:
        """So many bytes; both the next of them and all of them have to come within the socket's timeout."""
        parts = bytearray()
        until = self._until()
        while len(parts) < length:
            if parts and time.monotonic() > until:
                raise TimeoutError("a few bytes at a time")
            acknowledge_at_once(self._socket)
            part = self._socket.recv(min(length - len(parts), 1 << 18))
            if not part:
                raise ConnectionResetError("closed by the other side")
            parts += part
        return bytes(parts)

    def _until(self) -> float:
        return time.monotonic() + (self._socket.gettimeout() or self.peer.response_timeout_s)

    def _unexpected(self, kind: int) -> NoReturn:
        if kind == ABORT:
            raise AssociationAborted(f"{self.peer.words} aborted the association")
        if kind == RELEASE_RQ:
            raise AssociationAborted(f"{self.peer.words} released the association while a request was open")
        raise ProtocolError(f"{self.peer.words} sent a PDU of type {kind} out of turn")

    def _why_broken(self, error: OSError) -> DimseError:
        """A peer that aborts while we are sending is heard only after the sending failed."""
        try:
            self._socket.settimeout(0.5)
            kind, _ = self._read_pdu()
        except (OSError, DimseError):
            return AssociationAborted(f"the connection to {self.peer.words} broke: {error.strerror or error}")
        if kind == ABORT:
            return AssociationAborted(f"{self.peer.words} aborted the association")
        return AssociationAborted(f"{self.peer.words} closed the association while data was being sent")
