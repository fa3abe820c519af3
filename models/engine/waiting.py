"""Requests that wait for a pass, and which go together next: pure, with the caller's clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.engine.options import Priority

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Generic[Item]):
    """One request in the queue."""

    item: Item
    lane: Hashable  # requests of one lane can share a pass
    priority: Priority
    since: float  # s, the caller's clock
    number: int  # order of arrival


class WaitingRoom(Generic[Item]):
    """Takes requests as they come and gives them out in batches of one lane.

    The request whose turn it is decides the lane; others of that lane fill the batch in their own order. A request's
    rank is its priority less one for each `aging_s` that it has waited, so nothing starves.

    Parameters
    ----------
    aging_s
        Seconds of waiting that raise a request by one priority.
    """

    def __init__(self, aging_s: float) -> None:
        self._aging_s = aging_s
        self._waiting: list[Waiting[Item]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: Item, lane: Hashable, priority: Priority, now: float) -> None:
        """Let a request wait."""
        self._waiting.append(Waiting(item=item, lane=lane, priority=priority, since=now, number=self._count))
        self._count += 1

    def put_back(self, waited: list[Waiting[Item]]) -> None:
        """Let requests wait on that were taken and not served; they keep their place."""
        self._waiting += waited

    def take(self, most: int, now: float) -> list[Waiting[Item]]:
        """The next batch, in order; empty where nobody waits."""
        if not self._waiting:
            return []
        rank = self._rank(now)
        first = min(self._waiting, key=rank)
        lane = sorted((each for each in self._waiting if each.lane == first.lane), key=rank)
        chosen = lane[: max(1, most)]
        taken = {each.number for each in chosen}
        self._waiting = [each for each in self._waiting if each.number not in taken]
        return chosen

    def in_next_lane(self, now: float) -> int:
        """How many requests could go together in the next batch."""
        if not self._waiting:
            return 0
        first = min(self._waiting, key=self._rank(now))
        return sum(each.lane == first.lane for each in self._waiting)

    def remove(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Take out requests that shall not be served."""
        gone = [each.item for each in self._waiting if unwanted(each.item)]
        self._waiting = [each for each in self._waiting if not unwanted(each.item)]
        return gone

    def _rank(self, now: float) -> Callable[[Waiting[Item]], tuple[float, int]]:
        return lambda each: (each.priority - (now - each.since) / self._aging_s, each.number)
