"""Sources by their addresses."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from integration.live.device import DeviceSource
from integration.live.errors import BadSource
from integration.live.folder import FolderSource
from integration.live.frame import FrameSource, SourceOptions
from integration.live.tcp import TcpSource
from integration.live.udp import UdpSource

LOOPBACK = "127.0.0.1"
KINDS = "folder:PATH, tcp://HOST:PORT, udp://HOST:PORT or device:NUMBER"


def open_source(address: str, options: SourceOptions) -> FrameSource:
    """Open the source that an address names.

    Parameters
    ----------
    address
        `folder:PATH` watches a folder; `tcp://HOST:PORT` and `udp://HOST:PORT` listen on an address of this machine,
        loopback where HOST is left out; `device:NUMBER` is a capture device.
    options
        Limits, and the scale of what is not DICOM.

    Raises
    ------
    BadSource
        The address is of no known kind, or not whole.
    SourceUnavailable
        What it names cannot be opened.
    """
    kind, _, rest = address.partition(":")
    match kind.lower():
        case "folder" if rest:
            return FolderSource(Path(rest).expanduser(), options)
        case "device" if rest.isascii() and rest.isdigit() and len(rest) <= 3:
            return DeviceSource(int(rest), options)
        case "tcp":
            return TcpSource(*_host_and_port(address), options)
        case "udp":
            return UdpSource(*_host_and_port(address), options)
    raise BadSource(f"'{address}' is no source of frames: give {KINDS}")


def _host_and_port(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise BadSource(f"'{address}' is no source of frames ({error}): give {KINDS}") from error
    if port is None or not address[4:].startswith("//") or _more_than_host_and_port(parts):
        raise BadSource(f"'{address}' is no source of frames: give {KINDS}, where HOST may be left out for {LOOPBACK}")
    return parts.hostname or LOOPBACK, port


def _more_than_host_and_port(parts: SplitResult) -> bool:
    return parts.path not in ("", "/") or bool(parts.query or parts.fragment or parts.username)
