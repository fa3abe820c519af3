from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest

from node.wake import STALE_S, Wake, engine_socket, socket_folder


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A data folder whose path is too long for a socket."""
    return tmp_path.joinpath(*["a" * 40] * 4)


def _ring(folder: Path) -> None:
    with Wake(folder) as bell:
        bell.ring("scheduler")


def test_wait__rung_before__returns_at_once_and_only_once(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter, Wake(tmp_path) as bell:
        bell.ring("scheduler")
        bell.ring("scheduler")
        assert waiter.wait(10)
        assert not waiter.wait(0)


def test_wait__nobody_rings__is_over_after_its_time(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter:
        start = time.monotonic()
        assert not waiter.wait(0.03)
        assert time.monotonic() - start >= 0.03


def test_wait__another_thread_rings_meanwhile__wakes(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter, Wake(tmp_path) as bell:
        threading.Timer(0.02, bell.ring, ["scheduler"]).start()
        assert waiter.wait(10)


def test_ring__from_another_process__wakes(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter:
        process = multiprocessing.get_context("spawn").Process(target=_ring, args=(tmp_path,))
        process.start()
        assert waiter.wait(60)
        process.join(60)


def test_ring__other_role__wakes_nobody(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter, Wake(tmp_path, "worker") as bell:
        bell.ring("worker2")
        bell.ring("api")
        assert not waiter.wait(0)


def test_ring__two_waiters_of_one_role__wakes_both(tmp_path: Path) -> None:
    with Wake(tmp_path, "worker") as one, Wake(tmp_path, "worker") as two, Wake(tmp_path) as bell:
        bell.ring("worker")
        assert one.wait(10)
        assert two.wait(10)


def test_ring__thousands_that_nobody_reads__never_blocks(tmp_path: Path) -> None:
    with Wake(tmp_path, "scheduler") as waiter, Wake(tmp_path) as bell:
        for _ in range(5000):
            bell.ring("scheduler")
        assert waiter.wait(0)
        assert not waiter.wait(0)


def test_ring__waiter_was_killed__removes_what_it_left(tmp_path: Path) -> None:
    dead = Wake(tmp_path, "scheduler")
    left = dead._path
    dead._socket.close()
    with Wake(tmp_path) as bell:
        assert left is not None
        assert left.exists()
        bell.ring("scheduler")
    assert not left.exists()


def test_wake__folder_too_deep_for_a_socket__still_works(deep: Path) -> None:
    with Wake(deep, "scheduler") as waiter, Wake(deep) as bell, Wake(deep.with_name("b"), "scheduler") as stranger:
        bell.ring("scheduler")
        assert waiter.wait(10)
        assert not stranger.wait(0)


def sockets_below(deep: Path) -> Path:
    folder = socket_folder(deep)
    assert folder.parent == Path(tempfile.gettempdir())
    return folder


def test_wake__folder_too_deep_for_a_socket__leaves_nothing_behind(deep: Path) -> None:
    with Wake(deep) as bell:
        bell.ring("scheduler")
        assert not sockets_below(deep).exists()
    with Wake(deep, "scheduler"):
        with Wake(deep, "worker"):
            pass
        assert sockets_below(deep).exists()
    assert not sockets_below(deep).exists()


def test_wake__folder_goes_while_one_starts__starts(deep: Path) -> None:
    """Many come and go at once: whoever leaves last removes the folder, and nobody stumbles over that."""
    faults: list[BaseException] = []

    def come_and_go() -> None:
        try:
            for _ in range(30):
                with Wake(deep, "worker"):
                    pass
        except BaseException as fault:  # noqa: BLE001 - shown by the test
            faults.append(fault)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert not sockets_below(deep).exists()


def test_wake__others_were_killed__what_they_left_is_removed_and_the_living_stay(deep: Path) -> None:
    killed, living, fresh = deep.with_name("killed"), deep.with_name("living"), deep.with_name("fresh")
    for left in (killed, fresh):
        dead = Wake(left, "scheduler")
        dead._socket.close()
    engine = socket.socket(socket.AF_UNIX)
    engine.bind(str(engine_socket(killed)))
    engine.close()
    engine_socket(killed).with_suffix(".key").write_bytes(b"key")
    long_ago = time.time() - STALE_S - 1
    with Wake(living, "scheduler") as waiter:
        for data_dir in (killed, living):
            os.utime(sockets_below(data_dir), (long_ago, long_ago))
        with Wake(deep, "scheduler"):
            assert not sockets_below(killed).exists()
            assert sockets_below(fresh).exists()  # somebody may be at it
        with Wake(living) as bell:
            bell.ring("scheduler")
        assert waiter.wait(10)
    shutil.rmtree(sockets_below(fresh))


@pytest.mark.parametrize("what", ["a link", "open to others"])
def test_wake__folder_in_the_temporary_folder_is_not_ours_alone__is_refused(
    deep: Path, tmp_path: Path, what: str
) -> None:
    folder = sockets_below(deep)
    if what == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    try:
        with pytest.raises(PermissionError), Wake(deep, "scheduler"):
            pass
    finally:
        folder.unlink() if folder.is_symlink() else folder.rmdir()
