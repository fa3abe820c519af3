"""The listener as a role: its processes, and what is left when they are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from node.archive import Archive
from node.listener import PortUnavailable, TlsFiles, TlsUnusable
from node.listener.slots import Slots
from tests.node.archive.samples import data_set_bytes, encoded, still
from tests.node.listener.caller import associated, calling, echo_command, message, request_bytes, store_command
from tests.node.listener.running import listening

SERVE = """
import sys, threading
from ipaddress import ip_network
from pathlib import Path
from node.listener import serve
from tests.node.listener.running import options
if __name__ == "__main__":
    root, processes = Path(sys.argv[1]), int(sys.argv[2])
    serve(options(root, processes=processes), threading.Event(), lambda port: print(port, flush=True))
"""


@contextmanager
def process(root: Path, processes: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    script = root / "serve.py"
    script.write_text(SERVE)
    repository = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, str(script), str(root / "node"), str(processes)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": repository},
    ) as running:
        assert running.stdout is not None
        try:
            yield running, int(running.stdout.readline())
        finally:
            running.kill()


def await_true(condition: object, timeout_s: float = 30) -> bool:
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit:
        if condition():  # type: ignore[operator]  # a callable, given as a lambda
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("processes", [1, 2])
def test_kill__during_a_transfer__acknowledged_stays_and_the_rest_is_a_part_only(
    tmp_path: Path, processes: int
) -> None:
    done, half = encoded(still("1.2.3.1", side=200)), encoded(still("1.2.3.2", side=900))
    incoming = tmp_path / "node" / "archive" / "incoming"
    with process(tmp_path, processes) as (running, port), associated(port) as caller:
        caller.send(message(3, store_command("1.2.3.1"), done))
        assert caller.response().status == 0
        caller.send(message(3, store_command("1.2.3.2"), half)[:-20_000])
        assert await_true(lambda: any(part.stat().st_size > 100_000 for part in incoming.glob("*.part")))
        family = [running.pid, *(child.pid for child in psutil.Process(running.pid).children(recursive=True))]
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        assert caller.receive() is None
    assert [data_set_bytes(path) for path in sorted(incoming.glob("*.dcm"))] == [done]
    assert len(list(incoming.glob("*.part"))) == 1
    with listening(tmp_path / "node") as node:
        assert node.parts() == []
        assert len(node.received()) == 1


def test_kill__one_of_two_processes__is_replaced_and_its_slots_are_free(tmp_path: Path) -> None:
    with process(tmp_path, 2) as (running, port):
        parent = psutil.Process(running.pid)

        def workers() -> list[psutil.Process]:
            living = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
            return [child for child in living if "spawn_main" in " ".join(child.cmdline())]

        def answers() -> bool:
            with associated(port) as caller:
                caller.send(message(1, echo_command()))
                return caller.response().status == 0

        assert await_true(lambda: len(workers()) == 2)
        assert answers()
        killed = workers()[0]
        killed.kill()
        assert await_true(lambda: len(workers()) == 2 and killed.pid not in [each.pid for each in workers()])
        assert all(answers() for _ in range(10))


def test_kill__parent_only__its_processes_end_too(tmp_path: Path) -> None:
    with process(tmp_path, 2) as (running, port):
        with associated(port):
            children = psutil.Process(running.pid).children(recursive=True)
            running.kill()
            running.wait()
        assert psutil.wait_procs(children, timeout=40)[1] == []
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_limit__two_processes__holds_over_both(tmp_path: Path) -> None:
    with listening(tmp_path, processes=2, max_associations=3) as node:
        callers = []
        for _ in range(3):
            context = associated(node.port)
            context.__enter__()
            callers.append(context)
        for _ in range(6):
            with calling(node.port) as caller:
                caller.send(request_bytes())
                answer = caller.receive()
                assert answer is not None
                assert answer.body == bytes((0, 2, 3, 2))
        for context in callers:
            context.__exit__(None, None, None)


def test_slots__all_taken__none_until_one_is_given_back(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots", 2)
    with slots.one() as first, slots.one() as second:
        assert (first, second) == (True, True)
        with slots.one() as third:
            assert third is False
    with slots.one() as again:
        assert again is True
    slots.close()


def test_serve__port_taken__says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortUnavailable, match=f"port {port}"), listening(tmp_path, port=port):
            pass


def test_serve__tls_files_unusable__says_so(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    files = TlsFiles(cert=tmp_path / "cert.pem", key=tmp_path / "cert.pem", ca=None)
    with pytest.raises(TlsUnusable, match=r"listener\.tls"), listening(tmp_path / "node", tls=files):
        pass


def test_memory__a_large_cine__is_not_held(tmp_path: Path) -> None:
    body = encoded(still("1.2.3.4", side=10_000))
    with process(tmp_path, 1) as (running, port), associated(port) as caller:
        watched = psutil.Process(running.pid)
        before = watched.memory_info().rss
        caller.send(message(3, store_command(), body, most=100_000))
        assert caller.response().status == 0
        assert watched.memory_info().rss - before < 20 * 2**20
        archive = Archive(tmp_path / "node" / "archive")
        (path,) = archive.incoming()
        assert path.stat().st_size > 10**8
