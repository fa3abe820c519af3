"""Who may use a hand next."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from models.engine.hands import Hands
from models.engine.options import Priority


def test_held__waiting_stat_goes_before_routine_that_waited_longer():
    hands, order, queued = Hands(1), [], threading.Semaphore(0)

    def use(name: str, priority: Priority) -> None:
        queued.release()
        with hands.held(priority):
            order.append(name)

    with ThreadPoolExecutor(3) as pool, hands.held(Priority.ROUTINE):
        jobs = []
        for number, (name, priority) in enumerate(
            [("first", Priority.ROUTINE), ("second", Priority.ROUTINE), ("urgent", Priority.STAT)], 1
        ):
            jobs.append(pool.submit(use, name, priority))
            queued.acquire()
            while len(hands._waiting) < number:
                threading.Event().wait(0.001)
        assert order == []
    assert order == ["urgent", "first", "second"]


def test_held__never_more_than_there_are_and_free_after_a_fault():
    hands, inside, most = Hands(2), [], []

    def use() -> None:
        with hands.held(Priority.ROUTINE):
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            raise ValueError

    with ThreadPoolExecutor(8) as pool:
        faults = [pool.submit(use).exception() for _ in range(100)]
    assert all(isinstance(fault, ValueError) for fault in faults)
    assert max(most) <= 2
