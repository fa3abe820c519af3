"""The configuration of a site, and its calendar."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from trainer.promote.errors import BadSite
from trainer.promote.settings import CalendarPart, Site, read_site


def written(folder, text):
    path = folder / "echocare-site.yaml"
    path.write_text(text)
    return path


def test_configuration__paths__are_relative_to_the_file_and_the_calendar_is_off(tmp_path):
    site = read_site(written(tmp_path, "folder: here\ncohort: {archive: var/archive, since: 2026-01-01}\n"))
    assert site.promoted == tmp_path / "here" / "promoted"
    assert site.cohort.archive == tmp_path / "var" / "archive"
    assert site.calendar.enabled is False
    assert site.automatic is False


def test_configuration__several_faults__are_told_at_once(tmp_path):
    with pytest.raises(BadSite) as told:
        read_site(written(tmp_path, "folders: x\ndecide: {margin: -3}\nshadow: {node: 'ftp://x'}\n"))
    for words in ("folders", "decide.margin", "shadow.node"):
        assert words in str(told.value)


def test_configuration__no_file__says_which(tmp_path):
    with pytest.raises(BadSite, match=r"nowhere\.yaml"):
        read_site(tmp_path / "nowhere.yaml")


def test_calendar__of_a_week__next_date_is_the_sunday_that_was_named():
    from trainer.promote.watching import trigger_of

    trigger = trigger_of(CalendarPart(enabled=True, cron="30 3 * * sun", tasks=("carotid",)))
    at = trigger.get_next_fire_time(None, datetime(2026, 11, 24, tzinfo=UTC))
    assert at == datetime(2026, 11, 29, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"enabled": False}, "is off"),
        ({"tasks": ()}, "no task"),
        ({"cron": "0 3 * * 0"}, "must be named"),
        ({"cron": "0 3 *"}, "cannot be read"),
        ({"cron": "0 77 * * sun"}, "cannot be read"),
        ({"timezone": "Mars/Olympus"}, "cannot be read"),
    ],
)
def test_calendar__that_cannot_be_kept__is_refused_in_words(changes, says):
    from trainer.promote.watching import trigger_of

    given = {"enabled": True, "tasks": ("carotid",), **changes}
    with pytest.raises(BadSite, match=says):
        trigger_of(CalendarPart(**given))


def test_calendar__one_task_fails__the_others_still_run(tmp_path):
    from trainer.promote.watching import run_all

    told: list[str] = []
    site = Site(folder=tmp_path, calendar=CalendarPart(enabled=True, tasks=("no-such", "nor-this")))
    run_all(site, "calendar", told.append, threading.Event())
    assert [words.split(":")[0] for words in told] == ["no-such", "nor-this"]
    assert all("failed" in words for words in told)
