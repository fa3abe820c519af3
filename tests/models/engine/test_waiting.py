"""Who goes next, by a clock of the tests' own."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.options import Priority
from models.engine.waiting import WaitingRoom

AGING_S = 10.0
ARRIVALS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(list(Priority)), st.floats(0, 30)), min_size=1, max_size=60
)


def filled(*arrivals: tuple[str, Priority, float]) -> WaitingRoom[int]:
    room: WaitingRoom[int] = WaitingRoom(AGING_S)
    for number, (lane, priority, now) in enumerate(arrivals):
        room.add(number, lane, priority, now)
    return room


def test_take__stat_behind_a_full_queue_of_routine__goes_in_the_next_batch():
    room = filled(*[("a", Priority.ROUTINE, 0.0)] * 100, ("a", Priority.STAT, 1.0))
    assert room.take(4, 1.0)[0].item == 100


def test_take__shadow_that_waited_long__goes_before_a_fresh_stat():
    room = filled(("a", Priority.SHADOW, 0.0), ("a", Priority.STAT, 2 * AGING_S + 1))
    assert [each.item for each in room.take(2, 2 * AGING_S + 1)] == [0, 1]


def test_take__two_lanes__one_batch_is_of_one_lane_and_the_first_of_the_other_is_next():
    room = filled(("a", Priority.ROUTINE, 0), ("b", Priority.ROUTINE, 1), ("a", Priority.ROUTINE, 2))
    assert [each.item for each in room.take(8, 3)] == [0, 2]
    assert [each.item for each in room.take(8, 3)] == [1]
    assert room.take(8, 3) == []


def test_put_back__keeps_its_place():
    room = filled(*[("a", Priority.ROUTINE, 0.0)] * 3)
    taken = room.take(2, 1.0)
    room.put_back(taken[1:])
    assert [each.item for each in room.take(3, 2.0)] == [1, 2]


@given(ARRIVALS, st.integers(1, 8))
def test_take__any_arrivals__everybody_is_served_once_and_batches_are_whole(arrivals, most):
    room = filled(*sorted(arrivals, key=lambda each: each[2]))
    served = []
    while len(room):
        could = room.in_next_lane(31.0)
        batch = room.take(most, 31.0)
        assert len(batch) == min(most, could)
        assert len({each.lane for each in batch}) == 1
        served += [each.item for each in batch]
    assert sorted(served) == list(range(len(arrivals)))


@given(ARRIVALS, st.integers(1, 8))
def test_take__any_arrivals__nobody_of_the_same_lane_overtakes_a_better_or_equal_rank(arrivals, most):
    arrivals = sorted(arrivals, key=lambda each: each[2])
    room = filled(*arrivals)
    order = defaultdict(list)
    while len(room):
        for each in room.take(most, 31.0):
            order[each.lane].append(each.priority - (31.0 - each.since) / AGING_S)
    for ranks in order.values():
        assert ranks == sorted(ranks)


@pytest.mark.parametrize("most", [1, 4])
def test_take__twice_as_many_stat_requests_as_are_served__shadow_still_gets_through(most):
    """The stat request that is served at time t came at t / 2: it has aged too, half as much as the shadow request."""
    room = filled(("a", Priority.SHADOW, 0.0))
    now = 0.0
    for step in range(1, 1000):
        for _ in range(2 * most):
            room.add(step, "a", Priority.STAT, now)
        batch = room.take(most, now)
        if any(each.priority is Priority.SHADOW for each in batch):
            break
        now += 0.5
    assert now <= 4 * AGING_S + 1
