"""DCMTK's programs as peers: storescp and dcmqrscp to send to, storescu and echoscu to send with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread

from tests.peers.processes import free_port, listens, program, running

PROPOSALS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""The option of storescu that proposes a transfer syntax; without one it proposes the uncompressed ones."""

TAKEN = """[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Taken]
{contexts}
[[Profiles]]
[Chosen]
PresentationContexts = Taken
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreScp:
    """A running storescp."""

    port: int
    folder: Path  # it writes one file for each instance here

    @property
    def peer(self) -> dict[str, Any]:
        """As a peer in the node's configuration."""
        return {"kind": "dimse", "ae_title": "STORESCP", "host": "127.0.0.1", "port": self.port}

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@contextmanager
def storescp(
    folder: Path, *options: str, port: int | None = None, taken: Sequence[str] | None = None
) -> Iterator[StoreScp]:
    """Start a storescp.

    Parameters
    ----------
    folder
        Where it stores; made if missing.
    *options
        Further options: `--fork`; `--refuse` every association, `--abort-during` a store, `--abort-after` it.
    port
        None takes a free one.
    taken
        SOP classes that it takes, uncompressed, and no others; None: all, in every transfer syntax.
    """
    chosen = port or free_port()
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    accepts = ["+xa"]
    if taken is not None:
        accepts = ["-xf", str(folder / "taken.cfg"), "Chosen"]
        lines = [f"PresentationContext{number} = {uid}\\Plain" for number, uid in enumerate(taken, 1)]
        (folder / "taken.cfg").write_text(TAKEN.format(contexts="\n".join(lines)))
    command = [
        program("storescp", "dcmtk"), *options, "--aetitle", "STORESCP", *accepts, "--output-directory",
        str(received), str(chosen),
    ]  # fmt: skip
    with running(command, folder / "storescp.log", lambda: listens(chosen)):
        yield StoreScp(port=chosen, folder=received)


@contextmanager
def dcmqrscp(folder: Path, *options: str, destinations: Mapping[str, int] | None = None) -> Iterator[int]:
    """Start a dcmqrscp with an empty archive called QRSCP; gives its port.

    Parameters
    ----------
    folder
        For its archive, its configuration and its log.
    *options
        Further options, such as those for transfer syntaxes.
    destinations
        AE titles that it moves to, each with a port of this machine.
    """
    port = free_port()
    storage = folder / "qr"
    storage.mkdir(parents=True, exist_ok=True)
    configuration = folder / "dcmqrscp.cfg"
    known = "".join(f"{title} = ({title}, 127.0.0.1, {number})\n" for title, number in (destinations or {}).items())
    configuration.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{known}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQRSCP {storage} RW (1000, 1024mb) ANY\nAETable END\n"
    )
    command = [program("dcmqrscp", "dcmtk"), *options, "-c", str(configuration)]
    with running(command, folder / "dcmqrscp.log", lambda: listens(port)):
        yield port


def storescu(
    port: int, files: Sequence[Path], *options: str, called: str = "ECHOCARE", calling: str = "US1"
) -> subprocess.CompletedProcess[str]:
    """Send files as a modality would, one association for each transfer syntax among them; the last answer.

    The first association that fails ends it.
    """
    by_proposal: dict[str, list[str]] = {}
    for path in files:
        by_proposal.setdefault(_proposal(path), []).append(str(path))
    done = None
    for proposal, paths in by_proposal.items():
        command = [
            program("storescu", "dcmtk"), "-v", "-aec", called, "-aet", calling, *([proposal] if proposal else []),
            *options, "127.0.0.1", str(port), *paths,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=120,
            check=False,
            text=True,
            errors="replace",
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        if done.returncode:
            break
    assert done is not None, "no files were given"
    return done


def echoscu(port: int, called: str = "ECHOCARE", calling: str = "US1") -> bool:
    """Whether C-ECHO is answered with success."""
    command = [program("echoscu", "dcmtk"), "-to", "5", "-aec", called, "-aet", calling, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def _proposal(path: Path) -> str:
    meta = dcmread(path, specific_tags=["TransferSyntaxUID"], stop_before_pixels=True, force=True).file_meta
    return PROPOSALS.get(str(meta.get("TransferSyntaxUID", "")), "")
