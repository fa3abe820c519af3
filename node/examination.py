"""Checks of the machine, the configuration and the neighbours; each says in words what it found."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from node.config import DicomwebPeer, DimsePeer, FolderPeer, ObjectKind, OrthancPeer, Settings, Tls
from node.errors import NodeError

BUILT: Final = datetime(2026, 11, 1, tzinfo=UTC)  # no clock is right that shows an earlier time
MOST_SKEW_S: Final = 5.0
SHORT_LIFE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    sound: bool
    words: str


class _Unsound(Exception):
    """What a check found wrong, in words."""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at everything that the node needs; a fault of one check holds up no other."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("data folder", lambda: _folder(settings.data_dir)),
        ("disk", lambda: _disk(settings)),
        ("database", lambda: _database(settings)),
        ("device", lambda: _device(settings)),
        ("task packages", lambda: _packages(settings)),
        ("routes", lambda: _routes(settings)),
        ("view before routing", lambda: _view(settings)),
        ("letters of printed reports", lambda: _letters(settings)),
        ("clock", lambda: _clock(settings)),
        ("port for DICOM", lambda: _dicom_port(settings)),
        ("port for HTTP", lambda: _http_port(settings)),
        ("certificate of the listener", lambda: _certificate(settings.listener.tls)),
    ]
    for name, peer in settings.peers.items():
        if isinstance(peer, FolderPeer):
            checks.append((f"peer {name}", lambda peer=peer: _folder(peer.path)))  # type: ignore[misc]
            continue
        if isinstance(peer, DicomwebPeer | OrthancPeer):
            checks.append((f"peer {name}", lambda peer=peer: _server(peer)))  # type: ignore[misc]
        else:
            checks.append((f"peer {name}", lambda name=name, peer=peer: _peer(settings, name, peer)))  # type: ignore[misc]
        if peer.tls.enabled:
            checks.append((f"certificate for {name}", lambda peer=peer: _certificate(peer.tls)))  # type: ignore[misc]
    for title, look in checks:
        try:
            yield Check(name=title, sound=True, words=look())
        except (_Unsound, NodeError, OSError) as error:
            yield Check(name=title, sound=False, words=str(error))


def _folder(folder: Path) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return f"{folder} can be written"


def _disk(settings: Settings) -> str:
    state = os.statvfs(settings.data_dir)
    free, reserve = state.f_bavail * state.f_frsize, settings.node.min_free_bytes
    words = f"{free / 1e9:.1f} GB free, intake stops under {reserve / 1e9:.1f} GB (node.min_free_bytes)"
    if free < reserve:
        raise _Unsound(words)
    return words


def _database(settings: Settings) -> str:
    import sqlalchemy as sa

    from node.db import connect, read
    from node.jobs import counts

    engine = connect(settings.database)
    try:
        if not sa.inspect(engine).has_table("job"):
            return "answers; it has no tables yet, the node makes them at its start"
        with read(engine) as connection:
            totals = counts(connection)
    except sa.exc.DBAPIError as error:
        raise _Unsound(f"does not answer ({type(error.orig).__name__}); check `database`") from error
    finally:
        engine.dispose()
    dead = totals.jobs.get("failed", 0)  # type: ignore[call-overload]
    return f"answers; {totals.instances} instances" + (f"; {dead} jobs failed, see `jobs list`" if dead else "")


def _device(settings: Settings) -> str:
    import torch

    wanted = settings.models.device
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise _Unsound(f"models.device is {wanted}, and there is no usable GPU")
    if wanted == "cpu" or not torch.cuda.is_available():
        return f"CPU, {len(os.sched_getaffinity(0))} cores"
    number = int(wanted.partition(":")[2] or 0)
    free, total = torch.cuda.mem_get_info(number)
    return f"{torch.cuda.get_device_name(number)}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free"


def _packages(settings: Settings) -> str:
    from node.installed import installed

    packages, refusals = installed(settings)
    if refusals or not packages:
        raise _Unsound("; ".join(each.reason for each in refusals) or "there is no task package")
    return ", ".join(
        f"{each.identity.task} {each.identity.version}"
        + (f" ({each.use} data)" if each.limited else "")
        + (" (a trial)" if each.identity.trial else "")
        for each in packages
    )


def _routes(settings: Settings) -> str:
    from node.installed import installed
    from node.routing import compile_routes

    routes = compile_routes(settings, [package.identity for package in installed(settings)[0]])
    return ", ".join(rule.route.name for rule in routes.rules) or "none: nothing is computed"


def _view(settings: Settings) -> str:
    from node.installed import installed
    from node.looking import lookers_of, unmet
    from node.routing import compile_routes

    packages = installed(settings)[0]
    routes = compile_routes(settings, [package.identity for package in packages])
    lookers = lookers_of(packages, routes)
    lacking = unmet(routes, lookers)
    if lacking:
        raise _Unsound("; ".join(lacking))
    looking = ", ".join(each.identity.task for each in lookers.each)
    return f"{looking} looks at each image" if looking else "no route asks for it"


def _letters(settings: Settings) -> str:
    named = [settings.results.objects if route.objects is None else route.objects for route in settings.routes]
    if not any(ObjectKind.PDF in objects for objects in named if objects is not None):
        return "no route prints a report"
    from integration.results.pdf.letters import SCRIPTS, letters

    lacking = letters().lacking
    if lacking:
        raise _Unsound(
            f"names in {' and '.join(lacking)} letters cannot be printed:"
            " apt-get install fonts-dejavu-core fonts-droid-fallback"
        )
    return f"names in {', '.join(SCRIPTS)} letters can be printed"


def _clock(settings: Settings) -> str:
    now = datetime.now(UTC)
    if now < BUILT:
        raise _Unsound(f"shows {now:%Y-%m-%d %H:%M} UTC, which is before this software was made")
    with tempfile.NamedTemporaryFile(dir=settings.data_dir, prefix=".doctor-") as file:
        skew_s = os.stat(file.name).st_mtime - time.time()
    if abs(skew_s) > MOST_SKEW_S:
        raise _Unsound(f"differs by {skew_s:.0f} s from that of the data folder's file system")
    return f"{now:%Y-%m-%d %H:%M} UTC"


def _dicom_port(settings: Settings) -> str:
    from integration.dimse import DimseError, Peer, echo

    address, port = str(settings.listener.bind), settings.listener.dicom_port
    if _is_free(address, port):
        return f"{port} is free"
    ours = Peer(ae_title=settings.node.ae_title, host=_reachable(address), port=port, connect_timeout_s=3)
    try:
        echo(ours)
    except DimseError as error:
        raise _Unsound(f"{port} is taken, and no node answers there: {error}; set listener.dicom_port") from error
    return f"{port}: a node answers C-ECHO"


def _http_port(settings: Settings) -> str:
    address, port = str(settings.http.bind), settings.http.port
    if _is_free(address, port):
        return f"{port} is free"
    import http.client

    connection = http.client.HTTPConnection(_reachable(address), port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        if connection.getresponse().status == 200:
            return f"{port}: a node answers"
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    raise _Unsound(f"{port} is taken, and no node answers there; set http.port")


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError as error:
            raise _Unsound(f"{port} is not ours to take: choose one above 1023") from error
        except OSError:
            return False
    return True


def _reachable(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound


def _peer(settings: Settings, name: str, peer: DimsePeer) -> str:
    from integration.dimse import DimseError, echo
    from node.outbox import dimse_peer

    try:
        echo(dimse_peer(peer, settings.calling_ae(name)))
    except DimseError as error:
        raise _Unsound(str(error)) from error
    return f"{peer.ae_title} at {peer.host}:{peer.port} answers C-ECHO"


def _server(peer: DicomwebPeer | OrthancPeer) -> str:
    from integration.web import WebError, reach
    from node.outbox import login_of, web_server

    server = web_server(peer)
    try:
        reach(server, login_of(peer), "/studies?limit=1" if peer.kind == "dicomweb" else "/system")
    except WebError as error:
        raise _Unsound(str(error)) from error
    return f"{server.words} answers"


def _certificate(tls: Tls) -> str:
    if tls.cert is None:
        return "no TLS" if tls.ca is None else "none of ours; the other side's is checked"
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(tls.cert.read_bytes())
    except ValueError as error:
        raise _Unsound(f"{tls.cert} is not a PEM certificate") from error
    ends = min(each.not_valid_after_utc for each in chain)
    begins = max(each.not_valid_before_utc for each in chain)
    left = ends - datetime.now(UTC)
    if begins > datetime.now(UTC):
        raise _Unsound(f"{tls.cert} is valid only from {begins:%Y-%m-%d}")
    if left < SHORT_LIFE:
        gone = "is past its end" if left < timedelta(0) else f"ends in {left.days} days"
        raise _Unsound(f"{tls.cert} {gone} ({ends:%Y-%m-%d})")
    return f"valid till {ends:%Y-%m-%d}"
