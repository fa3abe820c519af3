"""Whom to talk to, and how."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from integration.dimse.errors import PeerTimeout, PeerUnreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files of DICOM TLS (BCP 195: TLS 1.2 or newer)."""

    ca: Path | None = None  # certificates that the peer must be signed by; None: the system's
    cert: Path | None = None  # our certificate chain, for peers that ask for one
    key: Path | None = None  # private key of `cert`


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A DICOM application entity and how long to wait for it."""

    ae_title: str  # called AE title
    host: str
    port: int
    calling_ae: str = "ECHOCARE"
    connect_timeout_s: float = 5.0  # TCP, TLS and A-ASSOCIATE, each
    response_timeout_s: float = 60.0  # for one DIMSE response, and for the peer to take more data
    max_pdu_bytes: int = 131072  # largest PDU that is announced, and that is sent to peers without a limit
    tls: TlsFiles | None = None

    @property
    def words(self) -> str:
        """The peer for a message."""
        return f"{self.ae_title} at {self.host}:{self.port}"


def connect(peer: Peer) -> socket.socket:
    """Open the transport connection.

    Raises
    ------
    PeerUnreachable
        Nobody listens there, the name does not resolve, or TLS does not come about.
    PeerTimeout
        No connection within `connect_timeout_s`.
    """
    try:
        plain = socket.create_connection((peer.host, peer.port), timeout=peer.connect_timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TimeoutError as error:
        raise PeerTimeout(f"{peer.words} did not take the connection within {peer.connect_timeout_s:g} s") from error
    except OSError as error:
        raise PeerUnreachable(f"no connection to {peer.words}: {error.strerror or error}") from error
    if peer.tls is None:
        return plain
    try:
        return tls_context(peer.tls).wrap_socket(plain, server_hostname=peer.host)
    except TimeoutError as error:
        plain.close()
        raise PeerTimeout(f"{peer.words} did not finish the TLS handshake in time") from error
    except (ssl.SSLError, OSError) as error:
        plain.close()
        raise PeerUnreachable(f"TLS with {peer.words} failed: {error}") from error


def acknowledge_at_once(connection: socket.socket) -> None:
    """Acknowledge what came, and what comes next, without delay; the kernel forgets it soon, so ask before each read.

    A peer that writes a PDU in two pieces and leaves Nagle's algorithm on, as DCMTK does, sends the second only after
    the first was acknowledged: 40 ms for each answer.
    """
    if hasattr(socket, "TCP_QUICKACK"):  # Linux has it
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """How this side does TLS with the files of a peer."""
    context = ssl.create_default_context(cafile=files.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A peer is known by the certificates in `ca`, which a site makes for its AEs; their names are rarely host names.
    context.check_hostname = files.ca is None
    if files.cert is not None:
        context.load_cert_chain(files.cert, files.key)
    return context
