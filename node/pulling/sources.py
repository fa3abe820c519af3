"""From a peer of the configuration to a source that can be asked."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Final, Literal

from integration.dicomweb import DicomwebPacs
from integration.dimse.retrieve import DimsePacs, Listening, offers_get
from integration.retrieval import Remote
from node.config import DicomwebPeer, DimsePeer, OrthancPeer, Settings
from node.outbox.senders import dimse_peer, login_of, web_server
from node.pulling.errors import NobodyListens, SourceUnusable

MOST_AE_CHARACTERS: Final = 16
ORTHANC_ROOT: Final = "dicom-web"  # of the DICOMweb plugin, by default
LOOK_S: Final = 3.0


def remote_of(settings: Settings, name: str, by: Literal["auto", "get", "move"] | None = None) -> Remote:
    """The source of that name.

    Parameters
    ----------
    settings
        The node's settings.
    name
        Of a peer.
    by
        How images are fetched from a DIMSE peer; None: as its key `retrieve` says.

    Raises
    ------
    SourceUnusable
        There is no such peer, or it cannot be asked for studies so.
    NobodyListens
        C-MOVE would bring images here, and no node runs.
    RetrievalError
        The source does not answer.
    """
    configured = settings.peers.get(name)
    if configured is None:
        known = ", ".join(sorted(settings.peers)) or "none"
        raise SourceUnusable(f"there is no peer {name} in the configuration; it has: {known}")
    if isinstance(configured, DicomwebPeer | OrthancPeer):
        server = replace(web_server(configured), url=dicomweb_root(configured))
        return DicomwebPacs(server, login_of(configured))
    if not isinstance(configured, DimsePeer):
        raise SourceUnusable(f"peer {name} is of kind {configured.kind}, which holds no studies to be asked for")
    peer = dimse_peer(configured, settings.calling_ae(name))
    way = by or configured.retrieve
    if way == "auto":
        way = "get" if offers_get(peer) else "move"
    if way == "get":
        return DimsePacs(peer, timeout_s=configured.retrieve_timeout_s)
    _require_listener(settings)
    ours = Listening(ae_title=settings.node.ae_title, port=settings.listener.dicom_port)
    return DimsePacs(peer, ours, configured.retrieve_timeout_s)


def dicomweb_root(peer: DicomwebPeer | OrthancPeer) -> str:
    """The root of a server's DICOMweb services."""
    return f"{peer.url}/{ORTHANC_ROOT}" if isinstance(peer, OrthancPeer) else peer.url


def sender_of(settings: Settings, name: str) -> str:
    """What rules see as `calling_ae` of what is fetched: the AE title of a DIMSE peer, else its name."""
    configured = settings.peers[name]
    title = configured.ae_title if isinstance(configured, DimsePeer) else name
    return title[:MOST_AE_CHARACTERS]


def _require_listener(settings: Settings) -> None:
    bound = str(settings.listener.bind)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104 - compared, not bound
    port = settings.listener.dicom_port
    try:
        socket.create_connection((host, port), timeout=LOOK_S).close()
    except OSError as fault:
        raise NobodyListens(
            f"C-MOVE brings images to this node's port {port}, where nobody listens: start the node, or fetch by C-GET"
        ) from fault
