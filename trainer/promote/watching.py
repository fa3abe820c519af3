"""The loop by the calendar."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from models.engine import EngineError
from models.packages import PackageError
from trainer.errors import TrainerError
from trainer.promote.errors import BadSite
from trainer.promote.loop import run
from trainer.promote.settings import CalendarPart, Site
from trainer.promote.steps import News

log = logging.getLogger(__name__)
LATE_S = 3600  # a run that could not begin in time begins up to so much later, once


class Stopped(Exception):
    """The calendar was stopped while a run learned; the run goes on at its next date."""


def trigger_of(calendar: CalendarPart) -> CronTrigger:
    """When the loop runs.

    Raises
    ------
    BadSite
        The calendar is off, names no task, or its dates cannot be read.
    """
    if not calendar.enabled:
        raise BadSite("the calendar is off: set calendar.enabled to true in the site's configuration")
    if not calendar.tasks:
        raise BadSite("the calendar has no task: name some in calendar.tasks")
    try:
        minute, hour, day, month, weekday = calendar.cron.split()
        if any(letter.isdigit() for letter in weekday):
            # cron counts days of the week from Sunday, APScheduler from Monday: a number would be read by half of us
            raise ValueError("the day of the week must be named: mon, tue, wed, thu, fri, sat, sun")
        return CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=calendar.timezone
        )
    except (ValueError, LookupError) as fault:
        raise BadSite(f"calendar.cron '{calendar.cron}' in '{calendar.timezone}' cannot be read: {fault}") from fault


def run_all(site: Site, who: str, news: News, stop: threading.Event) -> None:
    """One run of each task of the calendar; a task that fails is told and the others go on."""

    def told(words: str) -> None:
        if stop.is_set():
            raise Stopped
        news(words)

    for task in site.calendar.tasks:
        try:
            outcome = run(site, task, who, told)
        except Stopped:
            return
        except (TrainerError, PackageError, EngineError, OSError) as fault:
            log.error("A run of the calendar failed", extra={"action": "run", "task": task, "reason": str(fault)})
            news(f"{task}: failed: {fault}")
        else:
            news(f"{task}: {outcome.state}: {'; '.join(outcome.reasons)}")


def keep_calendar(site: Site, who: str, news: News) -> None:
    """Run the loop at its dates until SIGINT or SIGTERM; one run at a time. Raises as `trigger_of`."""
    trigger = trigger_of(site.calendar)
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    scheduler = BackgroundScheduler(timezone=site.calendar.timezone)
    scheduler.add_job(
        run_all, trigger, args=(site, who, news, stop), max_instances=1, coalesce=True, misfire_grace_time=LATE_S
    )
    scheduler.start()
    try:
        news(f"next run {scheduler.get_jobs()[0].next_run_time}")
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        for number, handler in before.items():
            signal.signal(number, handler)
