"""What is asked for as priors, in either database: once, however many ask at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from node.config import Priors
from node.db import read, write
from node.jobs import list_events, priors_of
from node.pulling.searches import (
    Search,
    ask,
    begin_prior,
    end_prior,
    end_search,
    next_search,
    settle_searches,
    unsettled,
)
from node.studies.priors import comes_as_prior
from tests.node.queued import NOON, closed_revision, seconds

PRIORS = Priors(source="pacs", most=2, within_days=365, wait_s=60)
OLDER = "1.2.31"


@pytest.fixture
def study(engine: sa.Engine) -> str:
    return closed_revision(engine).study_uid


@pytest.fixture
def search(engine: sa.Engine, study: str) -> Search:
    with write(engine) as connection:
        assert ask(connection, study, {"pacs": PRIORS}, NOON) == {"pacs"}
    found = next_search(engine, "pacs")
    assert found is not None
    return found


def test_ask__several_at_once__one_of_them_asks_each_peer(engine: sa.Engine, study: str) -> None:
    start = threading.Barrier(4)

    def asks(_: int) -> list[str]:
        start.wait(10)
        with write(engine) as connection:
            return sorted(ask(connection, study, {"pacs": PRIORS, "web": PRIORS}, NOON))

    with ThreadPoolExecutor(4) as pool:
        new = [source for mine in pool.map(asks, range(4)) for source in mine]
    assert sorted(new) == ["pacs", "web"]
    with read(engine) as connection:
        assert sorted(unsettled(connection, study)) == ["pacs", "web"]
        asked = [each for each in list_events(connection, kind="study", key=study) if "priors_asked" in each.what]
    assert len(asked) == 2


def test_unsettled__by_a_time__are_those_that_jobs_wait_for_then(engine: sa.Engine, search: Search) -> None:
    with read(engine) as connection:
        waited = [unsettled(connection, search.study_uid, NOON + seconds(after)) for after in (59.9, 60, 61)]
    assert waited == [("pacs",), (), ()]


def test_prior__fetched_again_after_a_kill__is_one_and_counts_from_the_first_time(
    engine: sa.Engine, search: Search
) -> None:
    begin_prior(engine, search, OLDER, "PACS", NOON)
    begin_prior(engine, search, OLDER, "OTHER", NOON + seconds(500))
    came = {"PACS": NOON + seconds(10), "OTHER": NOON + seconds(10)}
    with read(engine) as connection:
        assert [each.study_uid for each in priors_of(connection, search.study_uid)] == [OLDER]
        told = {ae: comes_as_prior(connection, OLDER, ae, at) for ae, at in came.items()}
    assert told == {"PACS": False, "OTHER": True}


def test_search__peers_words_hold_what_no_text_can__ends_and_settles_all_the_same(
    engine: sa.Engine, search: Search, tmp_path_factory: pytest.TempPathFactory
) -> None:
    begin_prior(engine, search, OLDER, "PACS", NOON)
    end_prior(engine, search, OLDER, NOON, "disk\0full \ud83d")
    end_search(engine, search.id, NOON, NOON, "no\0way")
    assert next_search(engine, "pacs") is None
    assert settle_searches(engine, tmp_path_factory.mktemp("archive"), NOON, NOON) == 1
    with read(engine) as connection:
        (prior,) = priors_of(connection, search.study_uid)
        (settled,) = [e for e in list_events(connection, kind="study", key=search.study_uid) if "settled" in e.what]
    assert (prior.state, prior.reason, settled.details["reason"]) == ("failed", "disk full ?", "no way")
