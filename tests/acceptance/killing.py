"""A run of studies through a real node that is killed with -9 again and again, and what must be true afterwards.

Shared by the acceptance test and by `benchmarks/kill.py`, which does it for hours.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa
import yaml
from pydicom import Dataset, dcmread

from integration.dimse import read_sendable
from integration.phantom import Identity, breast_mass, fetal_head, fetal_head_cine, write_cine, write_still
from node.db import DatabaseUnavailable, connect, read
from node.db.tables import delivery, job, result, revision, study
from tests.peers.dcmtk import StoreScp, storescp
from tests.peers.processes import free_port, listens, program

ROWS, COLUMNS = 300, 400
BUSY_LIMIT_S = 30.0  # a kill that wants the node at work waits no longer for it
SETTLE_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much, and which random choices."""

    studies: int = 20
    kills: int = 100
    seed: int = 1
    command: tuple[str, ...] = (str(Path(sys.executable).with_name("echocare-node")), "serve", "--config")


@dataclass(slots=True, kw_only=True)
class Account:
    """What happened, and what was wrong in the end."""

    kills: Counter[str] = field(default_factory=Counter)  # by what was killed
    sent: int = 0  # calls of storescu
    acknowledged: dict[str, Path] = field(default_factory=dict)  # by SOP Instance UID
    acknowledged_between_kills: int = 0  # the rest came when the killing was over
    results: int = 0
    results_between_kills: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(folder: Path, plan: Plan, say: Callable[[str], None] = lambda words: None) -> Account:
    """Send studies to a node, kill it all the while, let it settle, and look at what is there."""
    began = time.monotonic()
    account = Account()
    draw = random.Random(plan.seed)
    files = _write_studies(folder / "sent", plan)
    with storescp(folder / "pacs") as pacs:
        config = _configure(folder, free_port(), pacs)
        node = Node(folder, [*plan.command, str(config)])
        senders = Senders(folder, files, account)
        try:
            _kill_all_the_while(node, senders, draw, plan, account, say)
            senders.release(len(files))
            _settle(folder, node, senders, account)
        finally:
            senders.stop()
            node.kill()
    if not account.faults:
        _check(folder, files, pacs, account)
    account.seconds = time.monotonic() - began
    return account


def _kill_all_the_while(
    node: Node, senders: Senders, draw: random.Random, plan: Plan, account: Account, say: Callable[[str], None]
) -> None:
    pause = threading.Event()
    for number in range(plan.kills):
        node.start()
        senders.release(1 + number * plan.studies // plan.kills)
        what = draw.choices(["node early", "node busy", "one process"], weights=[25, 15, 60])[0]
        if what != "node early":
            node.wait_until_heard(senders.port, BUSY_LIMIT_S)
        if what == "node busy":
            node.wait_until_busy(BUSY_LIMIT_S)
        pause.wait(draw.uniform(0.0, {"node early": 2.5, "node busy": 0.7, "one process": 1.2}[what]))
        if what == "one process":
            account.kills[f"one {node.kill_one(draw)}"] += 1
        else:
            node.kill()
            account.kills[what] += 1
        account.acknowledged_between_kills = len(account.acknowledged)
        account.results_between_kills = len(list((node.folder / "out").rglob("*.dcm")))
        if (number + 1) % 10 == 0:
            say(
                f"{number + 1} kills, {account.acknowledged_between_kills} instances acknowledged, "
                f"{account.results_between_kills} results delivered"
            )


class Node:
    """The node as a group of processes."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._done_before = 0

    def start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()
        self._done_before = _count(self.folder, job.c.state == "done")
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """Kill every process of the node at once, and wait until they are gone."""
        if self._process is None:
            return
        family = self._family()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait()
        psutil.wait_procs(family, timeout=10)
        self._process = None

    def kill_one(self, draw: random.Random) -> str:
        """Kill one process, the supervisor or one below it; its role."""
        family = sorted(self._family(), key=lambda member: member.pid)
        if not family:
            return "process that was gone"
        victim = draw.choice(family)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        if self._process is not None and victim.pid == self._process.pid:
            return "supervisor"
        log = (self.folder / "node.log").read_text(errors="replace")
        roles = re.findall(rf"role=(\w+) pid={victim.pid}\]", log)
        return roles[-1] if roles else "process below a role"

    def wait_until_heard(self, port: int, limit_s: float) -> None:
        """Wait until its DICOM port takes connections."""
        pause, deadline = threading.Event(), time.monotonic() + limit_s
        while not listens(port) and time.monotonic() < deadline:
            self.start()
            pause.wait(0.05)

    def wait_until_busy(self, limit_s: float) -> None:
        """Wait until this start of the node has done a job, or has nothing to do."""
        pause, deadline = threading.Event(), time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if _count(self.folder, job.c.state == "done") > self._done_before:
                return
            if self._done_before and not _count(self.folder, job.c.state.in_(("ready", "leased"))):
                return
            pause.wait(0.05)

    def _family(self) -> list[psutil.Process]:
        if self._process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            return [top, *top.children(recursive=True)]
        return []


class Senders:
    """DCMTK's storescu, called for each file until it says that the file was taken."""

    def __init__(self, folder: Path, studies: list[list[Path]], account: Account) -> None:
        self.port = yaml.safe_load((folder / "echocare-node.yaml").read_text())["listener"]["dicom_port"]
        self._program = program("storescu", "dcmtk")
        self._account = account
        self._stop = threading.Event()
        self._gates = [threading.Event() for _ in studies]
        self._threads = [
            threading.Thread(target=self._send, args=(gate, files), daemon=True)
            for gate, files in zip(self._gates, studies, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def release(self, count: int) -> None:
        for gate in self._gates[:count]:
            gate.set()

    @property
    def done(self) -> bool:
        """Whether everything was acknowledged."""
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._stop.set()
        for gate, thread in zip(self._gates, self._threads, strict=True):
            gate.set()
            thread.join()

    def _send(self, gate: threading.Event, files: list[Path]) -> None:
        gate.wait()
        for path in files:
            while not self._stop.is_set() and not self._acknowledged(path):
                self._stop.wait(0.05)

    def _acknowledged(self, path: Path) -> bool:
        limits = ["--timeout", "3", "--acse-timeout", "5", "--dimse-timeout", "10"]
        called = subprocess.run(
            [
                self._program,
                *limits,
                "--aetitle",
                "SENDER",
                "--call",
                "ECHOCARE",
                "127.0.0.1",
                str(self.port),
                str(path),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        self._account.sent += 1
        if called.returncode != 0:
            return False
        self._account.acknowledged[read_sendable(path).sop_instance_uid] = path
        return True


def _settle(folder: Path, node: Node, senders: Senders, account: Account) -> None:
    """Let the node run undisturbed until there is nothing left to do."""
    pause, deadline = threading.Event(), time.monotonic() + SETTLE_LIMIT_S
    while time.monotonic() < deadline:
        node.start()
        pause.wait(0.1)
        open_ones = (
            len(list((folder / "var" / "archive" / "incoming").glob("*.dcm"))),
            _count(folder, study.c.state == "open"),
            _count(folder, revision.c.routed_at.is_(None)),
            _count(folder, job.c.state.in_(("ready", "leased"))),
            _count(folder, delivery.c.state.in_(("ready", "leased"))),
        )
        if senders.done and _count(folder, study.c.state == "closed") and not any(open_ones):
            return
    account.faults.append(f"after {SETTLE_LIMIT_S:g} s there is still work: {open_ones}, all sent: {senders.done}")


def _check(folder: Path, files: list[list[Path]], pacs: StoreScp, account: Account) -> None:
    sent = {read_sendable(path).sop_instance_uid: path for paths in files for path in paths}
    for uid in sent.keys() - account.acknowledged.keys():
        account.faults.append(f"{sent[uid].name} was never acknowledged")
    for uid, path in account.acknowledged.items():
        kept = list((folder / "var" / "archive" / "instances").glob(f"*/*/{uid}-*.dcm"))
        if [_data_set(each) for each in kept] != [_data_set(path)]:
            account.faults.append(f"{path.name} is {len(kept)} times in the archive, or with other bytes")
    delivered = {path.stem: path for path in (folder / "out").rglob("*.dcm")}
    account.results = len(delivered)
    at_pacs = {read_sendable(path).sop_instance_uid for path in pacs.files}
    if at_pacs != delivered.keys():
        account.faults.append(f"the destinations differ by {len(at_pacs ^ delivered.keys())} results")
    _check_against_index(folder, delivered, account)
    _check_sets(sent, delivered, account)


def _check_against_index(folder: Path, delivered: dict[str, Path], account: Account) -> None:
    engine = connect(f"sqlite:///{folder}/var/node.db")
    with read(engine) as connection:
        known = {row.sop_instance_uid: row.sha256 for row in connection.execute(sa.select(result))}
        states = Counter(connection.execute(sa.select(job.c.state)).scalars())
    engine.dispose()
    if states.keys() != {"done"}:
        account.faults.append(f"jobs ended as {dict(states)}")
    written = {uid: hashlib.sha256(path.read_bytes()).hexdigest() for uid, path in delivered.items()}
    if written != known:
        account.faults.append(f"{len(written.items() ^ known.items())} results are missing, too many, or other bytes")


def _check_sets(sent: dict[str, Path], delivered: dict[str, Path], account: Account) -> None:
    """Every image has one set of results, and the same image has the same set in every study."""
    sets: dict[str, Counter[tuple[str, str, str]]] = {uid: Counter() for uid in sent}
    for path in delivered.values():
        ds = dcmread(path, stop_before_pixels=True)
        sources = _references(ds) & sent.keys()
        if len(sources) != 1:
            account.faults.append(f"a {ds.Modality} names {len(sources)} of the images that were sent")
            continue
        sets[sources.pop()][ds.ManufacturerModelName, ds.SOPClassUID, ds.SeriesDescription] += 1
    expected: dict[str, Counter[tuple[str, str, str]]] = {}
    for uid, found in sets.items():
        kind = sent[uid].stem
        if not found or max(found.values()) > 1:
            account.faults.append(f"an image '{kind}' has no results, or some twice: {sorted(found.values())}")
        if expected.setdefault(kind, found) != found:
            account.faults.append(f"one image '{kind}' has other results than the next")


def _references(ds: Dataset) -> set[str]:
    found = set()
    for element in ds.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            found.add(str(element.value))
    return found


def _data_set(path: Path) -> bytes:
    return path.read_bytes()[read_sendable(path).offset :]


def _count(folder: Path, condition: sa.ColumnElement[bool]) -> int:
    """How many rows there are; 0 while there is no database yet."""
    path = folder / "var" / "node.db"
    if not path.exists():
        return 0
    engine = connect(f"sqlite:///{path}")
    try:
        with read(engine) as connection:
            return int(connection.execute(sa.select(sa.func.count()).where(condition)).scalar_one())
    except (DatabaseUnavailable, sa.exc.DBAPIError):
        return 0  # locked, or not migrated yet
    finally:
        engine.dispose()


def _write_studies(folder: Path, plan: Plan) -> list[list[Path]]:
    """Studies of the same pictures under different names: a head still each, a breast still, a short clip."""
    head, breast = fetal_head(7, ROWS, COLUMNS), breast_mass(7, malignant=True, rows=ROWS, columns=COLUMNS)
    clip = list(fetal_head_cine(7, 3, ROWS, COLUMNS))
    studies = []
    for number in range(plan.studies):
        at = folder / f"{number:02}"
        about = {"study": f"kill/{plan.seed}/{number}", "patient_id": f"PHANTOM-{number:04}"}
        paths = [write_still(head, at / "head.dcm", Identity(**about))]
        if number % 2 == 0:
            paths.append(write_still(breast, at / "breast.dcm", Identity(**about, series_number=2)))
        if number % 4 == 1:
            paths.append(write_cine(clip, at / "clip.dcm", Identity(**about, series_number=3)))
        studies.append(paths)
    return studies


def _configure(folder: Path, dicom_port: int, pacs: StoreScp) -> Path:
    path = folder / "echocare-node.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "node": {"data_dir": "var", "study_quiet_s": 1, "min_free_bytes": "10MB"},
                "listener": {"dicom_port": dicom_port, "processes": 1},
                "http": {"port": free_port()},
                "peers": {
                    "out": {"kind": "folder", "path": "out"},
                    "pacs": pacs.peer,
                },
                # Kills of single processes count against the job they interrupt; here they are many.
                "jobs": {"max_attempts": 1000, "backoff_max_s": 1},
                "outbox": {"max_attempts": 1000, "backoff_max_s": 1},
                "models": {"threads": 1},
            }
        ),
        encoding="utf-8",
    )
    return path
