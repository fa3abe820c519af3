"""A node as its users start it: `echocare-node serve` with a configuration file, in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from integration.dimse import DimseError, Peer, echo
from node.archive import Archive
from node.config import Settings, load_settings
from node.db import DatabaseUnavailable, StudyState, connect, read
from node.jobs import StudyDetail, study_detail
from tests.peers.processes import free_port, wait_until

START_S = 300.0  # seconds on a free machine; a busy one must not make a test fail
RESULTS_S = 600.0
ENDED = frozenset({"done", "failed", "cancelled"})
DELIVERED = frozenset({"accepted", "committed", "failed"})


class RunningNode:
    """One node: its files below one folder, and its processes while it runs."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "echocare-node.yaml"
        self.config.write_text(yaml.safe_dump(_with_ports(configuration)), encoding="utf-8")
        self.settings: Settings = load_settings(self.config, {})
        self.log = folder / "node.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.settings.listener.dicom_port

    @property
    def http_port(self) -> int:
        return self.settings.http.port

    def start(self) -> None:
        """Start it, and wait until it answers C-ECHO."""
        self.launch()
        peer = Peer(ae_title=self.settings.node.ae_title, host="127.0.0.1", port=self.port, connect_timeout_s=2)

        def answers() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"the node ended with {self.process.returncode}:\n{self.logged()[-3000:]}")
            try:
                echo(peer)
            except DimseError:
                return False
            return True

        wait_until(answers, START_S, f"the node answers C-ECHO; its log:\n{self.log}")

    def launch(self) -> None:
        """Start it without waiting for anything."""
        command = [sys.executable, "-m", "node.cli", "serve", "--config", str(self.config)]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)

    def processes(self) -> list[psutil.Process]:
        """All processes of the node, the supervisor first."""
        if self.process is None or self.process.poll() is not None:
            return []
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def kill9(self) -> None:
        """Kill every process of the node at once."""
        family = self.processes()
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        psutil.wait_procs(family, timeout=20)

    def terminate(self, timeout_s: float = 60) -> int:
        """Ask it to stop and wait; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout_s)

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `echocare-node` with this node's configuration."""
        return subprocess.run(
            [sys.executable, "-m", "node.cli", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def detail(self, study: str) -> StudyDetail | None:
        """What the node knows of a study."""
        engine = connect(self.settings.database)
        try:
            with read(engine) as connection:
                return study_detail(connection, study)
        except DatabaseUnavailable:
            return None
        finally:
            engine.dispose()

    def wait_for(
        self, study: str, true: Callable[[StudyDetail], bool], what: str, timeout_s: float = RESULTS_S
    ) -> StudyDetail:
        """Wait until something is true of a study."""
        found: list[StudyDetail] = []

        def look() -> bool:
            assert self.process is None or self.process.poll() is None, f"the node ended:\n{self.logged()[-3000:]}"
            detail = self.detail(study)
            found[:] = [] if detail is None else [detail]
            return detail is not None and true(detail)

        wait_until(look, timeout_s, f"{what}; the node's log is {self.log}")
        return found[0]

    def wait_results(
        self, study: str, timeout_s: float = RESULTS_S, *, instances: int = 1, but_to: tuple[str, ...] = ()
    ) -> StudyDetail:
        """Wait until a study is closed, its jobs have ended and its deliveries are done.

        Parameters
        ----------
        study
            Study Instance UID.
        timeout_s
            Then the test fails.
        instances
            At least so many must have come in.
        but_to
            Destinations whose deliveries are not waited for.
        """

        def settled(detail: StudyDetail) -> bool:
            return (
                detail.overview.instances >= instances
                and not self.incoming()
                and detail.overview.state == StudyState.CLOSED
                and all(revision.routed_at is not None for revision in detail.revisions)
                and all(job.state.value in ENDED for job in detail.jobs)
                and all(each.state.value in DELIVERED for each in detail.deliveries if each.destination not in but_to)
            )

        return self.wait_for(study, settled, "the study's results are there", timeout_s)

    def incoming(self) -> list[Path]:
        """Received files that are not indexed yet."""
        archive = Archive(self.settings.archive_dir)
        try:
            return list(archive.incoming())
        finally:
            archive.close()

    def results(self, detail: StudyDetail) -> dict[str, list[Path]]:
        """The result files of a study by role."""
        found: dict[str, list[Path]] = {}
        for result in detail.results:
            found.setdefault(result.role, []).append(self.settings.results_dir / result.path)
        return found


def _with_ports(given: Mapping[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "node": {"data_dir": "var", "study_quiet_s": 0.5, "min_free_bytes": 0},
        "listener": {"dicom_port": free_port(), "processes": 1},
        "http": {"port": free_port()},
        "models": {"device": "cpu", "threads": 1},
        "jobs": {"poll_s": 0.2},
        "outbox": {"poll_s": 0.2, "backoff_s": 0.2, "backoff_max_s": 1},
    }
    for key, value in given.items():
        filled[key] = {**filled[key], **value} if key in filled else value
    return filled


@contextmanager
def node(folder: Path, configuration: Mapping[str, Any] | None = None) -> Iterator[RunningNode]:
    """A running node; killed at the end of the block if it still runs."""
    one = RunningNode(folder, configuration or {})
    one.start()
    try:
        yield one
    finally:
        one.kill9()
