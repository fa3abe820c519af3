"""What the listener needs to know, taken from the settings once."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from node.config import Settings

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

DRAIN_S = 20.0
ANY_AE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One entry of the allow list."""

    ae: str  # calling AE title, or "*" for any
    net: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files for DICOM TLS."""

    cert: Path
    key: Path
    ca: Path | None  # who must have signed the caller's certificate; None asks for none


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOptions:
    """Everything that decides how the listener behaves."""

    ae_title: str
    bind: str
    port: int  # 0 takes a free one
    processes: int
    max_associations: int  # over all processes
    max_pdu_bytes: int  # announced to peers; longer P-DATA PDUs are refused
    idle_timeout_s: float
    artim_timeout_s: float
    called_ae_check: bool
    storage_sop_classes: frozenset[str] | None  # None: every one that is known
    allow: tuple[Caller, ...]  # empty: nobody
    tls: TlsFiles | None
    archive_dir: Path
    data_dir: Path
    min_free_bytes: int
    drain_s: float = DRAIN_S  # how long associations may go on after the listener was told to stop

    @classmethod
    def from_settings(cls, settings: Settings) -> ListenerOptions:
        """Take the listener's part of the node's settings."""
        listener = settings.listener
        tls = listener.tls
        return cls(
            ae_title=settings.node.ae_title,
            bind=str(listener.bind),
            port=listener.dicom_port,
            processes=listener.process_count,
            max_associations=listener.max_associations,
            max_pdu_bytes=listener.max_pdu_bytes,
            idle_timeout_s=listener.idle_timeout_s,
            artim_timeout_s=listener.artim_timeout_s,
            called_ae_check=listener.called_ae_check,
            storage_sop_classes=(
                None if listener.storage_sop_classes is None else frozenset(listener.storage_sop_classes)
            ),
            allow=tuple(Caller(ae=entry.ae, net=entry.net) for entry in listener.allow),
            tls=None if tls.cert is None or tls.key is None else TlsFiles(cert=tls.cert, key=tls.key, ca=tls.ca),
            archive_dir=settings.archive_dir,
            data_dir=settings.data_dir,
            min_free_bytes=settings.node.min_free_bytes,
        )

    def allows(self, calling_ae: str, address: str) -> bool:
        """Whether this caller, from this address, is on the allow list."""
        where = _address(address)
        return any(
            entry.ae in (ANY_AE, calling_ae) and where.version == entry.net.version and where in entry.net
            for entry in self.allow
        )


def _address(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
