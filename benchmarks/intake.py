"""Intake by C-STORE, side by side: this node (whole, with its index), Orthanc and DCMTK's storescp.

python -m benchmarks.intake [--rounds N] [--json]

DCMTK's storescu sends the same synthetic files to each, over one association and over four at a time. The node and
Orthanc answer when an instance is stored and synced; storescp does not sync. Every run sends new instances of a new
study, the order of receivers rotates from round to round, and what counts is the median over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage
from rich.console import Console
from rich.table import Table

from node.archive import FileMeta
from tests.node.archive.samples import EXPLICIT_LITTLE, encoded
from tests.peers.dcmtk import storescp
from tests.peers.nodes import node
from tests.peers.orthanc import orthanc
from tests.peers.processes import wait_until

NODE, ORTHANC, STORESCP = "echocare-node", "Orthanc", "storescp --fork"
STORESCU = "/usr/bin/storescu"  # DCMTK's; pynetdicom brings one of the same name
ROWS, COLUMNS, CINE_FRAMES = 480, 640, 32
SETTLE_S = 300
# Placeholders of the length that every UID of a run has.
STUDY, SERIES, INSTANCE = (f"2.25.{digit}{0:036d}" for digit in (1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent at a time."""

    name: str
    files: tuple[Path, ...]
    associations: int

    @property
    def title(self) -> str:
        many = "1 association" if self.associations == 1 else f"{self.associations} associations"
        return f"{len(self.files)} {self.name}, {many}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who receives, and how to bring it to rest after a run."""

    name: str
    port: int
    called: str  # AE title
    settle: Callable[[], None]


def write_files(folder: Path, count: int, frames: int) -> tuple[Path, ...]:
    """Ultrasound instances of noise, native: 0.3 MB for a still, 29.5 MB for a cine of 32 RGB frames."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1)
    paths = []
    for number in range(count):
        ds = Dataset()
        ds.SOPClassUID = UltrasoundMultiFrameImageStorage if frames > 1 else UltrasoundImageStorage
        ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = INSTANCE, STUDY, SERIES
        ds.PatientName, ds.PatientID, ds.Modality = "PHANTOM^BENCHMARK", "PHANTOM-0002", "US"
        ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 3 if frames > 1 else 1
        ds.PhotometricInterpretation = "RGB" if frames > 1 else "MONOCHROME2"
        if frames > 1:
            ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = frames, "33", 0x00181063
            ds.PlanarConfiguration = 0
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.PixelRepresentation = 7, 0
        ds.PixelData = noise.bytes(frames * ROWS * COLUMNS * ds.SamplesPerPixel)
        meta = FileMeta(
            sop_class_uid=ds.SOPClassUID,
            sop_instance_uid=INSTANCE,
            transfer_syntax_uid=EXPLICIT_LITTLE,
            calling_ae="BENCH",
            called_ae="ANY",
        )
        path = folder / f"{number:04}.dcm"
        path.write_bytes(meta.encode() + encoded(ds))
        paths.append(path)
    return tuple(paths)


class Renewal:
    """Gives files new UIDs of the same length in place, so that each run sends instances nobody has seen."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._places = {path: self._find(path) for path in files}
        self._next = 1

    @staticmethod
    def _find(path: Path) -> list[tuple[int, int]]:
        head = path.read_bytes()[:4096]
        return [
            (digit, at)
            for digit, uid in enumerate((STUDY, SERIES, INSTANCE), start=1)
            for at in range(len(head))
            if head.startswith(uid.encode(), at)
        ]

    def renew(self, files: Sequence[Path]) -> None:
        run = self._next
        for path in files:
            self._next += 1
            with path.open("r+b") as file:
                for digit, at in self._places[path]:
                    file.seek(at)
                    file.write(f"2.25.{digit}{self._next if digit == 3 else run:036d}".encode())


def send(load: Load, receiver: Receiver) -> float:
    """Seconds until every association has ended well."""
    command = [STORESCU, "--aetitle", "BENCH", "--call", receiver.called, "127.0.0.1", str(receiver.port)]
    started = time.perf_counter()
    senders = [
        subprocess.Popen([*command, *map(str, load.files[first :: load.associations])])
        for first in range(load.associations)
    ]
    codes = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - started
    if any(codes):
        raise SystemExit(f"storescu ended with {codes} while sending {load.title} to {receiver.name}")
    return seconds


def measure(loads: Sequence[Load], receivers: Sequence[Receiver], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Files per second by load and receiver, one number a round."""
    renewal = Renewal([path for load in loads for path in load.files])
    rates: dict[str, dict[str, list[float]]] = {
        load.title: {receiver.name: [] for receiver in receivers} for load in loads
    }
    for turn in range(rounds):
        for load in loads:
            first = turn % len(receivers)
            for receiver in (*receivers[first:], *receivers[:first]):
                renewal.renew(load.files)
                os.sync()
                seconds = send(load, receiver)
                rates[load.title][receiver.name].append(len(load.files) / seconds)
                receiver.settle()
    return rates


def start(stack: ExitStack, folder: Path) -> list[Receiver]:
    """The three receivers, each in a folder of its own on the same disk."""
    # Without routes: intake and index are measured, not inference.
    ours = stack.enter_context(node(folder / "node", {"routes": [], "listener": {"processes": "auto"}}))
    pacs = stack.enter_context(orthanc(folder / "orthanc"))
    scp = stack.enter_context(storescp(folder / "storescp", "--fork"))

    def settle_node() -> None:
        wait_until(lambda: not ours.incoming(), SETTLE_S, "the node indexed what came")

    def settle_orthanc() -> None:
        for study in pacs.client.get("/studies").json():
            pacs.client.delete(f"/studies/{study}", timeout=SETTLE_S)

    def settle_storescp() -> None:
        for path in scp.files:
            path.unlink()

    return [
        Receiver(name=NODE, port=ours.port, called="ECHOCARE", settle=settle_node),
        Receiver(name=ORTHANC, port=pacs.dicom_port, called="ORTHANC", settle=settle_orthanc),
        Receiver(name=STORESCP, port=scp.port, called="STORESCP", settle=settle_storescp),
    ]


def machine() -> str:
    """Processor, cores and load, for the record."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return f"{names[0] if names else 'unknown processor'}, {cores} cores, load {os.getloadavg()[0]:.1f} at the start"


def report(rates: dict[str, dict[str, list[float]]], loads: Sequence[Load], where: str) -> list[dict[str, object]]:
    """Print the table; the same as plain data."""
    table = Table("load", "receiver", "files/s", "MB/s", "node is", title=f"Intake by C-STORE on {where}")
    rows: list[dict[str, object]] = []
    for load in loads:
        megabytes = sum(path.stat().st_size for path in load.files) / len(load.files) / 1e6
        medians = {name: statistics.median(values) for name, values in rates[load.title].items()}
        for name, rate in medians.items():
            ratio = medians[NODE] / rate
            table.add_row(
                load.title, name, f"{rate:.1f}", f"{rate * megabytes:.0f}", "" if name == NODE else f"{ratio:.2f} x"
            )
            rows.append(
                {
                    "load": load.title, "receiver": name, "files_per_s": rate, "mb_per_s": rate * megabytes,
                    "node_ratio": ratio, "rounds": rates[load.title][name],
                }
            )  # fmt: skip
    Console(stderr=True).print(table)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and, on request, the same as JSON; 1 when Orthanc is faster in any load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts (3)")
    parser.add_argument("--stills", type=int, default=300, help="stills of 0.3 MB (300)")
    parser.add_argument("--cines", type=int, default=20, help="cines of 29.5 MB (20)")
    parser.add_argument("--folder", type=Path, help="where to work; about 10 GB are written (a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    options = parser.parse_args(arguments)
    # DCMTK waits for small segments to be acknowledged unless told otherwise: told so on both sides.
    os.environ["TCP_NODELAY"] = "1"
    where = machine()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary, ExitStack() as stack:
        folder = Path(temporary)
        stills = write_files(folder / "stills", options.stills, 1)
        cines = write_files(folder / "cines", options.cines, CINE_FRAMES)
        loads = [
            Load(name=name, files=files, associations=associations)
            for name, files in (("stills", stills), ("cines", cines))
            for associations in (1, 4)
        ]
        rows = report(measure(loads, start(stack, folder), options.rounds), loads, where)
    if options.json:
        json.dump({"machine": where, "rounds": options.rounds, "rows": rows}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    return int(any(row["receiver"] == ORTHANC and row["node_ratio"] <= 1 for row in rows))  # type: ignore[operator]  # a float, always


if __name__ == "__main__":
    sys.exit(main())
