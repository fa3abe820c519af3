"""`pull` as its user sees it: what it says, and its exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from node.db import read
from node.jobs import study_detail
from node.roles import SCHEDULER
from node.routing import compile_routes
from node.scheduler import Scheduler
from node.wake import Wake
from tests.node.pulling.bench import CINE, FIRST, SECOND, Bench, bench
from tests.node.pulling.dicomweb_server import Behaviour
from tests.node.services.site import PACKAGE

Invoke = Callable[..., Result]


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path, server: Behaviour) -> Iterator[Bench]:
    peers = {"web": {"kind": "dicomweb", "url": server.url}, "out": {"kind": "folder", "path": "out"}}
    routes = [{"name": "all", "when": 'instance.Modality == "US"', "task": "fetal-head", "send_to": ["out"]}]
    with bench(tmp_path, migrated_sqlite, peers, routes=routes) as made:
        yield made


def pull(invoke: Invoke, node: Bench, *words: str) -> Result:
    return invoke("pull", *words, "--config", node.config)


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_pull__dry_run_then_pull__tables_say_what_would_be_and_what_was(invoke: Invoke, node: Bench) -> None:
    listed = pull(invoke, node, "web", "--study-uid", FIRST, "--dry-run")
    assert listed.exit_code == 0
    assert "4 images of 1 study would be fetched from web by WADO-RS" in listed.stdout
    done = pull(invoke, node, "web", "--study-uid", FIRST)
    assert done.exit_code == 0
    assert f"{FIRST} 20260301 OT, US 4 0 4 0 complete" in words_of(done.stdout)
    assert "4 images of 1 study fetched from web by WADO-RS" in done.stdout


def test_pull__something_is_missing__is_named_and_the_exit_code_is_one(
    invoke: Invoke, node: Bench, server: Behaviour
) -> None:
    server.parts["2.25.21"] = b"broken" * 50
    done = pull(invoke, node, "web", "--study-uid", SECOND, "--study-uid", CINE)
    assert done.exit_code == 1
    assert f"missing of study {SECOND}: 2.25.21" in done.stderr
    assert "incomplete: " in words_of(done.stdout)
    assert "1 image of 2 studies fetched" in done.stdout


def test_pull__no_study_matches__says_so_and_is_no_failure(invoke: Invoke, node: Bench) -> None:
    done = pull(invoke, node, "web", "--study-uid", "2.25.99")
    assert (done.exit_code, done.stdout.strip()) == (0, "no study of web matches")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--study-uid", FIRST], "no peer nowhere in the configuration; it has: out, web"),
        (["out", "--study-uid", FIRST], "of kind folder, which holds no studies"),
        (["web"], "nothing says which studies"),
        (["web", "--date", "March"], "March is no day"),
        (["web", "--date", "2026-03-02..2026-03-01"], "is no range of days"),
        (["web", "--where", "StudyDescription"], "is not KEYWORD=VALUE"),
        (["web", "--where", "StudyDescripton=x"], "StudyDescripton is no keyword"),
        (["web", "--where", "Modality=US"], "use --modality"),
        (["web", "--where", "ReferencedSOPSequence=x"], "holds nothing that can be asked for"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_pull__wrong_usage__says_what_and_exits_with_two(
    invoke: Invoke, node: Bench, words: list[str], said: str
) -> None:
    done = pull(invoke, node, *words)
    assert (done.exit_code, said in words_of(done.stderr)) == (2, True), done.stderr


def test_pull__study__opens_it_closes_it_and_routes_it_as_one_that_was_sent(invoke: Invoke, node: Bench) -> None:
    with Wake(node.settings.data_dir, SCHEDULER) as wake:
        assert pull(invoke, node, "web", "--study-uid", FIRST).exit_code == 0
        assert wake.wait(0), "the scheduler was rung"
        later = [timedelta(0)]
        routes = compile_routes(node.settings, [PACKAGE])
        scheduler = Scheduler(
            node.settings, node.engine, node.archive, routes, wake, clock=lambda: datetime.now(UTC) + later[0]
        )
        scheduler.step()
        later[0] = timedelta(seconds=node.settings.node.study_quiet_s + 1)
        scheduler.step()
    with read(node.engine) as connection:
        detail = study_detail(connection, FIRST)
    assert detail is not None
    assert (detail.overview.instances, detail.overview.state.value, len(detail.jobs)) == (4, "closed", 3)


def test_pull__nothing_that_names_a_patient_is_said(invoke: Invoke, node: Bench) -> None:
    for extra in ([], ["--json"], ["--dry-run"]):
        done = pull(invoke, node, "web", "--study-uid", FIRST, *extra)
        assert not [word for word in ("PHANTOM", "ONE", "A1") if word in done.stdout + done.stderr]
