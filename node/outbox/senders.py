"""How a batch of results gets to a destination: by C-STORE, over HTTP, or as files in a folder.

All are safe to repeat: the same instance sent again replaces itself.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from integration.dimse import DimseError, Outcome, Peer, PeerTimeout, PeerUnreachable, TlsFiles, read_sendable, store
from integration.web import Given, Login, Server, WebError
from node.archive.durable import sync_folder
from node.config import DicomwebPeer, DimsePeer, OrthancPeer, Settings
from node.jobs import AS_IT_IS, AsSent, Delivery
from node.outbox.errors import DeliveryError, FolderUnwritable, ResultMissing, SecretMissing

COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one delivery."""

    delivery: Delivery
    error: DimseError | WebError | DeliveryError | None = None  # None: the destination has it
    sent: AsSent = AS_IT_IS  # what it has, and what it remarked

    @property
    def destination_down(self) -> bool:
        """Whether the destination itself is the trouble, so that other deliveries would fail just so."""
        if isinstance(self.error, WebError):
            return self.error.down
        return isinstance(self.error, (PeerUnreachable, PeerTimeout, FolderUnwritable, SecretMissing))


class Sender(Protocol):
    """A way to a destination."""

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Sent]:
        """Send in order; one outcome for each that was tried, as soon as it is known."""
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


class WebStore(Protocol):
    """A server that takes files."""

    def store(self, paths: Sequence[Path]) -> Iterator[Given]:
        """Store files; an outcome for each that was tried."""
        ...


class WebSender:
    """Sends over HTTP: by STOW-RS, or by the interface of an Orthanc."""

    def __init__(
        self,
        configured: DicomwebPeer | OrthancPeer,
        results: Path,
        way: Callable[[Server, Login | None], AbstractContextManager[WebStore]],
    ) -> None:
        self._configured = configured
        self._results = results
        self._way = way

    def send(self, deliveries: Sequence[Delivery]) -> Iterator[Sent]:
        """Send over one connection where that goes well; the login is read anew."""
        by_path = {self._results / delivery.path: delivery for delivery in deliveries}
        for path in [path for path in by_path if not path.is_file()]:
            yield Sent(delivery=by_path.pop(path), error=_missing())
        try:
            with self._way(web_server(self._configured), login_of(self._configured)) as server:
                for given in server.store(list(by_path)):
                    yield Sent(delivery=by_path[given.path], error=given.error, sent=AsSent(note=given.note))
        except (SecretMissing, WebError) as error:  # before anything was sent
            yield from (Sent(delivery=delivery, error=error) for delivery in by_path.values())


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
    if configured.kind == "dimse":
        peer = dimse_peer(configured, settings.calling_ae(destination))
        return DimseSender(peer, settings.results_dir, simplify=configured.fall_back)
    if configured.kind == "dicomweb":
        from integration.dicomweb.sending import StowServer  # here, because only some nodes need it

        return WebSender(configured, settings.results_dir, StowServer)
    from integration.orthanc import OrthancServer

    return WebSender(configured, settings.results_dir, OrthancServer)


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


def web_server(configured: DicomwebPeer | OrthancPeer) -> Server:
    """A server of the configuration as `integration.web` takes it."""
    tls = configured.tls
    return Server(
        url=configured.url,
        ca=tls.ca,
        cert=tls.cert,
        key=tls.key,
        connect_timeout_s=configured.connect_timeout_s,
        response_timeout_s=configured.response_timeout_s,
    )


def login_of(configured: DicomwebPeer | OrthancPeer) -> Login | None:
    """Who we are to a server, with the secret read from where the configuration says.

    Raises
    ------
    SecretMissing
        It is not there.
    """
    login = configured.login
    for file in filter(None, (login.password_file, login.token_file)):
        try:
            return Login(user=login.user, secret=file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as fault:
            raise SecretMissing(f"the file with the login cannot be read: {file}") from fault
    for name in filter(None, (login.password_env, login.token_env)):
        if not os.environ.get(name):
            raise SecretMissing(f"the environment variable with the login is not set: {name}")
        return Login(user=login.user, secret=os.environ[name])
    return None


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
