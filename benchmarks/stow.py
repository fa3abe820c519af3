"""Intake by STOW-RS, side by side: this node (whole, with its index) and Orthanc's DICOMweb plugin.

python -m benchmarks.stow [--rounds N] [--stills N] [--request N] [--json]

The same synthetic stills go to each in requests of some, one after another over one connection. The node answers when
every instance of a request is stored and synced; Orthanc with its defaults. Every run sends new instances of a new
study, the order of receivers rotates from round to round, and what counts is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.intake import NODE, ORTHANC, SETTLE_S, Renewal, machine, write_files
from tests.peers.nodes import node
from tests.peers.orthanc import orthanc
from tests.peers.processes import wait_until

BOUNDARY = "benchmark"
HEADERS = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
PART = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
END = f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who receives, and how to bring it to rest after a run."""

    name: str
    client: httpx.Client
    settle: Callable[[], None]


def bodies(files: Sequence[Path], of: int) -> list[bytes]:
    """Bodies of requests with so many files each."""
    groups = [files[at : at + of] for at in range(0, len(files), of)]
    return [b"".join(PART + path.read_bytes() + b"\r\n" for path in group) + END for group in groups]


def send(requests: Sequence[bytes], receiver: Receiver) -> float:
    """Seconds until every request was answered well."""
    started = time.perf_counter()
    for body in requests:
        answer = receiver.client.post("/dicom-web/studies", content=body, headers=HEADERS)
        if answer.status_code != 200:
            raise SystemExit(f"{receiver.name} answered {answer.status_code}: {answer.text[:500]}")
    return time.perf_counter() - started


def measure(files: Sequence[Path], of: int, receivers: Sequence[Receiver], rounds: int) -> dict[str, list[float]]:
    """Files per second by receiver, one number a round."""
    renewal = Renewal(files)
    rates: dict[str, list[float]] = {receiver.name: [] for receiver in receivers}
    for turn in range(rounds):
        first = turn % len(receivers)
        for receiver in (*receivers[first:], *receivers[:first]):
            renewal.renew(files)
            requests = bodies(files, of)
            os.sync()
            rates[receiver.name].append(len(files) / send(requests, receiver))
            receiver.settle()
    return rates


def start(stack: ExitStack, folder: Path) -> list[Receiver]:
    """Both receivers, each in a folder of its own on the same disk."""
    # Without routes: intake and index are measured, not inference.
    ours = stack.enter_context(node(folder / "node", {"routes": []}))
    pacs = stack.enter_context(orthanc(folder / "orthanc"))
    url = f"http://127.0.0.1:{ours.http_port}"
    client = stack.enter_context(httpx.Client(base_url=url, timeout=SETTLE_S, trust_env=False))

    def answers() -> bool:
        try:
            return client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, SETTLE_S, "the node answers by HTTP")

    def settle_node() -> None:
        wait_until(lambda: not ours.incoming(), SETTLE_S, "the node indexed what came")

    def settle_orthanc() -> None:
        for study in pacs.client.get("/studies").json():
            pacs.client.delete(f"/studies/{study}", timeout=SETTLE_S)

    pacs.client.timeout = httpx.Timeout(SETTLE_S)
    return [
        Receiver(name=NODE, client=client, settle=settle_node),
        Receiver(name=ORTHANC, client=pacs.client, settle=settle_orthanc),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and, on request, the same as JSON; 1 when Orthanc is faster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts (3)")
    parser.add_argument("--stills", type=int, default=1000, help="stills of 0.3 MB (1000)")
    parser.add_argument("--request", type=int, default=50, help="stills in a request (50)")
    parser.add_argument("--folder", type=Path, help="where to work; about 4 GB are written (a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    options = parser.parse_args(arguments)
    where = machine()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary, ExitStack() as stack:
        folder = Path(temporary)
        files = write_files(folder / "stills", options.stills, 1)
        rates = measure(files, options.request, start(stack, folder), options.rounds)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    table = Table("receiver", "files/s", "node is", title=f"{options.stills} stills by STOW-RS on {where}")
    for name, rate in medians.items():
        table.add_row(name, f"{rate:.1f}", "" if name == NODE else f"{medians[NODE] / rate:.2f} x")
    Console(stderr=True).print(table)
    if options.json:
        json.dump({"machine": where, "rounds": rates}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    return int(medians[NODE] <= medians[ORTHANC])


if __name__ == "__main__":
    sys.exit(main())
