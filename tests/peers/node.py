"""The node itself, as a user starts it, in a folder and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from integration.dimse import DimseError, Peer, echo
from tests.peers.ports import free_port, wait_until

PROGRAM = str(Path(sys.executable).with_name("echocare-node"))


@dataclass(slots=True, kw_only=True)
class NodePeer:
    """A node of a test."""

    folder: Path
    config: Path
    dicom_port: int
    http_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def out(self) -> Path:
        """What the folder peer `out` received."""
        return self.folder / "out"

    @property
    def log(self) -> str:
        return (self.folder / "node.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers C-ECHO."""
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--config", str(self.config)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        wait_until(self._answers, "the node to answer C-ECHO", 90, 0.05)

    def family(self) -> list[psutil.Process]:
        """All processes of the node, the supervisor first."""
        if self.process is None:
            return []
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def terminate(self, timeout_s: float = 30) -> int:
        """Ask it to stop, as a service manager does; its exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        status = self.process.wait(timeout_s)
        self.process = None
        return status

    def kill9(self) -> None:
        """Kill every process at once."""
        if self.process is None:
            return
        family = self.family()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait()
        psutil.wait_procs(family, timeout=10)
        self.process = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the node's own commands with its configuration."""
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment, "COLUMNS": "200"},
        )

    def status(self, *arguments: str) -> Any:
        """`echocare-node status --json`."""
        answer = self.command("status", *arguments, "--config", str(self.config), "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def results(self, study_uid: str) -> list[Path]:
        """The files that the folder peer holds of a study."""
        return sorted((self.out / study_uid).glob("*/*.dcm"))

    def wait_results(self, study_uid: str, count: int, timeout_s: float = 120) -> list[Path]:
        """Wait until the folder peer holds `count` files of a study."""
        wait_until(lambda: len(self.results(study_uid)) >= count, f"{count} results of a study", timeout_s)
        return self.results(study_uid)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-4000:]
        try:
            echo(Peer(ae_title="ECHOCARE", host="127.0.0.1", port=self.dicom_port))
        except DimseError:
            return False
        return True


@contextmanager
def node(
    folder: Path,
    *,
    peers: dict[str, Any] | None = None,
    routes: list[dict[str, Any]] | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[NodePeer]:
    """Run a node until the block ends.

    Parameters
    ----------
    folder
        Of its configuration, its data and the folder peer `out`.
    peers
        Beside `out`.
    routes
        Instead of the built-in ones.
    changes
        Further keys of the configuration, by section.
    environment
        Further variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dicom_port, http_port = free_port(), free_port()
    tree: dict[str, Any] = {
        "node": {"data_dir": "var", "study_quiet_s": 1, "min_free_bytes": "10MB"},
        "listener": {"dicom_port": dicom_port, "processes": 1},
        "http": {"port": http_port},
        "jobs": {"backoff_s": 0.2, "backoff_max_s": 1},
        "outbox": {"backoff_s": 0.2, "backoff_max_s": 1},
        "peers": {"out": {"kind": "folder", "path": "out"}, **(peers or {})},
    }
    if routes is not None:
        tree["routes"] = routes
    for section, keys in (changes or {}).items():
        tree[section] = {**tree.get(section, {}), **keys}
    config = folder / "echocare-node.yaml"
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    peer = NodePeer(
        folder=folder, config=config, dicom_port=dicom_port, http_port=http_port, environment=environment or {}
    )
    try:
        peer.start()
        yield peer
    finally:
        peer.kill9()
