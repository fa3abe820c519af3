"""How a batch of results gets to a destination: by C-STORE, or as files in a folder.

Both are safe to repeat: the same instance sent again replaces itself.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from integration.dimse import DimseError, Outcome, Peer, PeerTimeout, PeerUnreachable, TlsFiles, read_sendable, store
from node.archive.durable import sync_folder
from node.config import DimsePeer, Settings
from node.jobs import AS_IT_IS, AsSent, Delivery
from node.outbox.errors import DeliveryError, FolderUnwritable, ResultMissing

COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one delivery."""

    delivery: Delivery
    error: DimseError | DeliveryError | None = None  # None: the destination has it
    sent: AsSent = AS_IT_IS  # what it has, and what it remarked

    @property
    def destination_down(self) -> bool:
        """Whether the destination itself is the trouble, so that other deliveries would fail just so."""
        return isinstance(self.error, (PeerUnreachable, PeerTimeout, FolderUnwritable))


class Sender(Protocol):
    """A way to a destination."""

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Sent]:
        """Send in order; one outcome for each, as soon as it is known."""
        ...


class DimseSender:
    """Sends by C-STORE; where `simplify` is set, SR documents also as what the peer takes of them."""

    def __init__(self, peer: Peer, results: Path, *, simplify: bool = True) -> None:
        self._peer = peer
        self._results = results
        self._simplify = simplify

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Sent]:
        """Send in one association where that goes well."""
        by_path = {self._results / delivery.path: delivery for delivery in deliveries}
        for path in [path for path in by_path if not path.is_file()]:
            yield Sent(delivery=by_path.pop(path), error=_missing())
        for outcome in store(list(by_path), self._peer, simplify=self._simplify):
            yield Sent(delivery=by_path[outcome.path], error=outcome.error, sent=_as_sent(outcome))
            if isinstance(outcome.error, PeerTimeout):
                return  # what was not tried costs no attempt


class FolderSender:
    """Writes `<study>/<series>/<instance>.dcm`, each file whole and then renamed into place."""

    def __init__(self, folder: Path, results: Path) -> None:
        self._folder = folder
        self._results = results

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Sent]:
        """Copy one after the other."""
        for delivery in deliveries:
            try:
                self._copy(delivery)
            except DeliveryError as error:
                yield Sent(delivery=delivery, error=error)
            else:
                yield Sent(delivery=delivery)

    def _copy(self, delivery: Delivery) -> None:
        try:
            source = (self._results / delivery.path).open("rb")
        except OSError as error:
            raise _missing() from error
        folder = self._folder / delivery.study_uid / delivery.series_uid
        # The part's name is the same for every attempt, so that a kill leaves at most one, and the next replaces it.
        part = folder / f".{delivery.sop_instance_uid}.part"
        try:
            with source:
                _make_folders(folder)
                with part.open("wb") as target:
                    shutil.copyfileobj(source, target, COPY_BYTES)
                    target.flush()
                    os.fsync(target.fileno())
                part.replace(folder / f"{delivery.sop_instance_uid}.dcm")
                sync_folder(folder)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "unknown")
            raise FolderUnwritable(
                f"the destination folder cannot be written: {reason}; check its disk, owner and rights"
            ) from error


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents to last, with the rights that the process's umask gives."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sender_for(settings: Settings, destination: str) -> Sender:
    """The way to a configured destination."""
    configured = settings.peers[destination]
    if configured.kind == "folder":
        return FolderSender(configured.path, settings.results_dir)
    return DimseSender(dimse_peer(configured, settings.calling_ae(destination)), settings.results_dir)


def dimse_peer(configured: DimsePeer, calling_ae: str) -> Peer:
    """A peer of the configuration as `integration.dimse` takes it."""
    tls = configured.tls
    return Peer(
        ae_title=configured.ae_title,
        host=configured.host,
        port=configured.port,
        calling_ae=calling_ae,
        connect_timeout_s=configured.connect_timeout_s,
        response_timeout_s=configured.response_timeout_s,
        max_pdu_bytes=configured.max_pdu_bytes,
        tls=TlsFiles(ca=tls.ca, cert=tls.cert, key=tls.key) if tls.enabled else None,
    )


def _as_sent(outcome: Outcome) -> AsSent:
    instead = outcome.instead
    if instead is None:
        return AsSent(note=outcome.note)
    file = read_sendable(outcome.path)
    own = instead.sop_instance_uid == file.sop_instance_uid
    return AsSent(
        note=outcome.note,
        sop_class=None if own else instead.sop_class_uid,
        sop_instance_uid=None if own else instead.sop_instance_uid,
        transfer_syntax=None if instead.transfer_syntax == file.transfer_syntax else instead.transfer_syntax,
    )


def _missing() -> ResultMissing:
    return ResultMissing("the result's file is not in the results folder any more; run its job again")
