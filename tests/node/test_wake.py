from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

from node.wake import Wake


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


def test_wake__folder_too_deep_for_a_socket__still_works(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a" * 40] * 4)
    with Wake(deep, "scheduler") as waiter, Wake(deep) as bell, Wake(deep.with_name("b"), "scheduler") as stranger:
        bell.ring("scheduler")
        assert waiter.wait(10)
        assert not stranger.wait(0)
