"""What the headers of an answer over HTTP say."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from integration.web import again_after_s

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sat, 28 Nov 2026 12:02:00 GMT", 120),
        ("Saturday, 28-Nov-26 12:02:00 GMT", 120),
        ("Sat Nov 28 12:02:00 2026", 120),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 28 Nov 2026 12:02:00 -0000", 120),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("9" * 400, None),
        ("Sat, 99 Nov 2026 99:00:00 GMT", None),
    ],
)
def test_again_after__every_form_of_it__is_seconds_or_nothing(said: str, seconds: float | None) -> None:
    assert again_after_s({"Retry-After": said}, NOON) == seconds


def test_again_after__clock_of_the_server_is_wrong__counts_from_its_own() -> None:
    headers = httpx.Headers({"retry-after": "Fri, 01 Jan 2021 00:01:00 GMT", "date": "Fri, 01 Jan 2021 00:00:00 GMT"})
    assert again_after_s(headers, NOON) == 60


def test_again_after__not_said__is_nothing() -> None:
    assert again_after_s(httpx.Headers(), NOON) is None
