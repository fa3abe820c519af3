"""When results may be sent to a destination: times of day, on days of the week, in local time.

Each end of such a time is a cron trigger of APScheduler, which knows what becomes of 02:30 in the nights in which
clocks change. A time is open while its end comes before its next beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.triggers.cron import CronTrigger
from tzlocal import get_localzone

from node.config import Settings, Span, parse_hours

TICK = timedelta(microseconds=1)  # the triggers look for a time from now on, now included


class Opening:
    """Tells when a destination is open.

    Parameters
    ----------
    hours
        As the configuration has them; none: always open.
    zone
        None: the machine's.
    """

    def __init__(self, hours: Sequence[str], zone: tzinfo | None = None) -> None:
        zone = zone or get_localzone()
        self._spans = tuple(_triggers(parse_hours(each), zone) for each in hours)

    def opens_at(self, now: datetime) -> datetime:
        """When it is open next: `now`, where it is."""
        coming = []
        for begin, end in self._spans:
            opens = _next(begin, now)
            if _next(end, now) <= opens:
                return now
            coming.append(opens)
        return min(coming, default=now)


def opens_at(settings: Settings, destination: str, now: datetime) -> datetime:
    """When results may be sent to a destination next; `now`, where they may, or where it is configured no more."""
    peer = settings.peers.get(destination)
    return now if peer is None else Opening(peer.hours).opens_at(now)


def _triggers(span: Span, zone: tzinfo) -> tuple[CronTrigger, CronTrigger]:
    over_midnight = span.end <= span.begin or span.end == (24, 0)
    ends_on = sorted((day + over_midnight) % 7 for day in span.days)
    hour, minute = span.end
    return _at(span.days, span.begin, zone), _at(ends_on, (hour % 24, minute), zone)


def _at(days: Sequence[int], time: tuple[int, int], zone: tzinfo) -> CronTrigger:
    return CronTrigger(day_of_week=",".join(map(str, days)), hour=time[0], minute=time[1], second=0, timezone=zone)


def _next(trigger: CronTrigger, now: datetime) -> datetime:
    found: datetime | None = trigger.get_next_fire_time(None, now + TICK)
    if found is None:
        raise RuntimeError("a time of every week comes again")
    return found.astimezone(UTC)  # of two times of one zone Python compares the clocks, which go back once a year
