"""When and how fast results go to a destination."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.outbox.hours import Opening
from node.outbox.pace import Pace

BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        ([], "2026-11-28 12:00", "2026-11-28 12:00"),
        (["22:00-06:00"], "2026-11-28 12:00", "2026-11-28 22:00"),
        (["22:00-06:00"], "2026-11-28 22:00", "2026-11-28 22:00"),
        (["22:00-06:00"], "2026-11-29 05:59", "2026-11-29 05:59"),
        (["22:00-06:00"], "2026-11-29 06:00", "2026-11-29 22:00"),
        (["mon-fri 22:00-06:00"], "2026-11-28 05:00", "2026-11-28 05:00"),  # the night of Friday goes on on Saturday
        (["mon-fri 22:00-06:00"], "2026-11-28 23:00", "2026-11-30 22:00"),
        (["sat,sun 00:00-24:00"], "2026-11-28 23:59", "2026-11-28 23:59"),
        (["sat,sun 00:00-24:00"], "2026-11-29 00:00", "2026-11-29 00:00"),
        (["sat,sun 00:00-24:00"], "2026-11-30 00:00", "2026-12-05 00:00"),
        (["00:00-24:00"], "2026-11-28 00:00", "2026-11-28 00:00"),
        (["fri-mon 10:00-11:00"], "2026-12-01 10:30", "2026-12-04 10:00"),
        (["06:00-07:00", "12:00-13:00"], "2026-11-28 08:00", "2026-11-28 12:00"),
        (["06:00-07:00", "12:00-13:00"], "2026-11-28 12:30", "2026-11-28 12:30"),
        (["22:00-06:00"], "2026-10-25 05:59", "2026-10-25 05:59"),  # the night of twenty-five hours
        (["22:00-06:00"], "2026-10-25 06:00", "2026-10-25 22:00"),
        (["02:30-04:00"], "2026-03-29 01:00", "2026-03-29 03:30"),  # there is no 02:30 in this night
    ],
)
def test_opening__at_a_local_time__is_open_or_says_when_it_opens(hours: list[str], now: str, opens: str) -> None:
    assert Opening(hours, BERLIN).opens_at(local(now)) == local(opens)


@given(begin=st.integers(0, 1439), length=st.integers(1, 1440), minute=st.integers(0, 7 * 1440 - 1))
def test_opening__any_daily_time__is_open_within_it_alone(begin: int, length: int, minute: int) -> None:
    end = begin + length
    shown = 1440 if end == 1440 else end % 1440
    if shown == begin:  # a whole day is written 00:00-24:00
        return
    text = f"{begin // 60:02}:{begin % 60:02}-{shown // 60:02}:{shown % 60:02}"
    now = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minute)
    is_open = Opening([text], UTC).opens_at(now) == now
    assert is_open == ((minute % 1440 - begin) % 1440 < length)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, seconds: float, size: int = 1000, most: int = 50) -> int:
    """How many results of a size a courier sends in a time."""
    until, count = clock.now + seconds, 0
    while clock.now < until:
        taken = pace.take(most)
        for _ in range(taken):
            pace.sent(size)
        count += taken
        clock.now += 0.01 if taken else max(0.001, pace.wait_s())
    return count


@pytest.mark.parametrize("per_minute", [6, 60, 600, 6000])
def test_pace__results_a_minute__are_kept_to(per_minute: int) -> None:
    clock = Clock()
    count = run(Pace(per_minute, None, clock), clock, 300)
    assert per_minute * 5 * 0.98 <= count <= per_minute * 5 + max(1, per_minute / 60) + 1


@pytest.mark.parametrize("size", [100, 50_000, 3_000_000])
def test_pace__bytes_a_second__are_kept_to_on_average(size: int) -> None:
    clock = Clock()
    count = run(Pace(None, 100_000, clock), clock, 300, size=size)
    limit = 100_000 * 301 + size
    assert count * size <= limit
    assert count * size >= min(limit * 0.95 - size, 300 / 0.01 * size * 0.95)


def test_pace__reserved_and_not_sent__is_given_back() -> None:
    clock = Clock()
    pace = Pace(60, None, clock)
    assert pace.take(50) == 1
    assert pace.take(50) == 0
    pace.give_back(1)
    assert pace.take(50) == 1


def test_pace__idle_for_long__does_not_burst() -> None:
    clock = Clock()
    pace = Pace(120, None, clock)
    clock.now += 3600
    assert pace.take(50) == 2


def test_pace__destination_asks_to_be_left_alone__nothing_goes_till_then_and_no_longer_than_it_asked() -> None:
    clock = Clock()
    pace = Pace(None, None, clock)
    pace.rest(30)
    pace.rest(10)
    assert (pace.take(50), pace.wait_s()) == (0, 30)
    clock.now += 30
    assert (pace.take(50), pace.wait_s()) == (50, 0)


def test_pace__no_limits__never_waits() -> None:
    pace = Pace(None, None)
    assert pace.take(50) == 50
    assert pace.wait_s() == 0
