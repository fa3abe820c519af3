"""DCMTK's command-line programs as senders and receivers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.peers.ports import free_port, program, wait_for_port

PACKAGE = "dcmtk"


def storescu(
    port: int, files: Sequence[Path], *options: str, called: str = "ECHOCARE", calling: str = "SENDER"
) -> subprocess.CompletedProcess[str]:
    """Send files over one association; every transfer syntax is proposed as the files have it."""
    command = [program("storescu", PACKAGE), "--verbose", "--aetitle", calling, "--call", called, *options]
    command += ["127.0.0.1", str(port), *map(str, files)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)


def acknowledged(sent: subprocess.CompletedProcess[str]) -> int:
    """Instances that the receiver answered with Success."""
    return (sent.stdout + sent.stderr).count("Received Store Response (Success)")


@contextmanager
def storescp(
    folder: Path, *options: str, port: int | None = None, ae_title: str = "PACS"
) -> Iterator[tuple[int, Path]]:
    """Run storescp until the block ends; gives its port and the folder that it stores into."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [program("storescp", PACKAGE), *options, "--aetitle", ae_title, "--output-directory", str(folder)]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield port, folder
    finally:
        process.kill()
        process.wait()
