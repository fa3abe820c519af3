"""What the listener needs to know, taken from the settings once."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from node.listener.sop_classes import INSTANCE_AVAILABILITY, PERFORMED_STEP, STORAGE_COMMITMENT

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
class ServiceOptions:
    """What the services beside storage need to know: those that tell when an exam is complete and who keeps it."""

    database: str
    sop_classes: frozenset[str]  # which are offered
    quiet_s: float  # seconds without a new instance after which an exam is complete
    hold_s: float  # the same while a step of the exam is in progress
    keep_s: float  # seconds for which what was said of instances that have not come is remembered
    commitment_completes: bool  # a storage commitment request says that the exam is complete
    max_attempts: int  # of a delivery that an archive accepts and does not commit to
    backoff_s: float  # before its next delivery, doubled with each
    backoff_max_s: float


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
    services: ServiceOptions | None = None  # None: C-ECHO and C-STORE only
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
            services=service_options(settings),
        )

    @property
    def service_classes(self) -> frozenset[str]:
        """SOP classes other than storage that are offered."""
        return frozenset() if self.services is None else self.services.sop_classes

    def allows(self, calling_ae: str, address: str) -> bool:
        """Whether this caller, from this address, is on the allow list."""
        where = address_of(address)
        return any(
            entry.ae in (ANY_AE, calling_ae) and where.version == entry.net.version and where in entry.net
            for entry in self.allow
        )


def service_options(settings: Settings) -> ServiceOptions:
    """Take the part of the services beside storage of the node's settings."""
    listener, node = settings.listener, settings.node
    offered = {
        PERFORMED_STEP: listener.mpps,
        INSTANCE_AVAILABILITY: listener.availability,
        STORAGE_COMMITMENT: listener.commitment,
    }
    return ServiceOptions(
        database=settings.database,
        sop_classes=frozenset(uid for uid, is_offered in offered.items() if is_offered),
        quiet_s=node.study_quiet_s,
        hold_s=node.step_hold_s,
        keep_s=node.announced_keep_s,
        commitment_completes=node.commitment_completes,
        max_attempts=settings.outbox.max_attempts,
        backoff_s=settings.outbox.backoff_s,
        backoff_max_s=settings.outbox.backoff_max_s,
    )


def address_of(text: str) -> Address:
    """The address of a caller; an IPv4 one that a socket of IPv6 maps is told as IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
