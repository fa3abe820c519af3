"""Pulling from a DICOMweb server that answers in pages, breaks off, or changes while it is asked."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.pulling.bench import FIRST, Bench, bench
from tests.node.pulling.dicomweb_server import Behaviour
from tests.peers.processes import wait_until

ULTRASOUND = ["2.25.11", "2.25.12", "2.25.13"]  # of one series
WORDS = ("web", "--study-uid", FIRST)


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path, server: Behaviour) -> Iterator[Bench]:
    web = {"kind": "dicomweb", "url": server.url, "response_timeout_s": 30}
    with bench(tmp_path, migrated_sqlite, {"web": web}) as made:
        yield made


def came(node: Bench) -> list[str]:
    return sorted(each.sop_instance_uid for each in node.incoming())


def test_pull__server_gives_one_answer_a_page__all_are_found(node: Bench, server: Behaviour) -> None:
    server.most = 1
    pulled = node.pull(*WORDS)
    assert (pulled.exit_code, pulled.fetched) == (0, 4)
    assert came(node) == [*ULTRASOUND, "2.25.14"]
    assert {each.calling_ae for each in node.incoming()} == {"web"}


def test_pull__server_has_more_than_it_will_give__is_told_and_not_taken_for_all(node: Bench, server: Behaviour) -> None:
    server.most, server.heeds_offset = 2, False
    pulled = node.pull(*WORDS)
    assert (pulled.exit_code, pulled.studies[FIRST]["state"]) == (1, "failed")
    assert "has more than it lists at once" in pulled.studies[FIRST]["reason"]


def test_pull__server_that_knows_no_offset_and_gives_all__is_enough(node: Bench, server: Behaviour) -> None:
    server.heeds_offset = False
    assert (node.pull(*WORDS).exit_code, len(came(node))) == (0, 4)


def test_pull__one_part_is_broken__others_are_kept_and_the_next_run_asks_for_that_one_alone(
    node: Bench, server: Behaviour
) -> None:
    server.parts["2.25.12"] = b"this is no DICOM file" * 20
    half = node.pull(*WORDS)
    study = half.studies[FIRST]
    assert (half.exit_code, study["state"], study["missing"]) == (1, "incomplete", ["2.25.12"])
    assert "the prefix DICM is missing" in study["reason"]
    assert (came(node), node.parts()) == (["2.25.11", "2.25.13", "2.25.14"], [])

    server.parts.clear()
    server.retrieved.clear()
    rest = node.pull(*WORDS)
    assert (rest.exit_code, rest.fetched) == (0, 1)
    assert server.retrieved == [f"studies/{FIRST}/series/2.25.100/instances/2.25.12"]


def test_pull__body_breaks_off__nothing_half_is_kept(node: Bench, server: Behaviour) -> None:
    server.cut_body = True
    half = node.pull(*WORDS)
    assert (half.exit_code, half.studies[FIRST]["state"]) == (1, "incomplete")
    assert "ends before its closing boundary" in half.studies[FIRST]["reason"]
    assert node.parts() == []
    assert set(half.studies[FIRST]["missing"]).isdisjoint(came(node))
    server.cut_body = False
    assert (node.pull(*WORDS).exit_code, len(came(node))) == (0, 4)


def test_pull__image_comes_while_it_is_fetched__comes_too(node: Bench, server: Behaviour) -> None:
    late = server.files.pop("2.25.12")
    server.before_retrieval = lambda there: there.files.setdefault("2.25.12", late) and None
    pulled = node.pull(*WORDS)
    assert (pulled.exit_code, pulled.fetched, pulled.studies[FIRST]["instances"]) == (0, 4, 4)
    assert len(came(node)) == 4


def test_pull__image_is_removed_while_it_is_fetched__is_not_missed(node: Bench, server: Behaviour) -> None:
    server.before_retrieval = lambda there: there.files.pop("2.25.12", None) and None
    pulled = node.pull(*WORDS)
    assert (pulled.exit_code, pulled.studies[FIRST]["missing"]) == (0, [])
    assert "2.25.12" not in came(node)


def test_pull__server_says_nothing__ends_after_the_wait(
    tmp_path: Path, migrated_sqlite: Path, server: Behaviour
) -> None:
    import threading

    server.stall = threading.Event()
    web = {"kind": "dicomweb", "url": server.url, "response_timeout_s": 0.3}
    with bench(tmp_path, migrated_sqlite, {"web": web}) as made:
        told = made.pull(*WORDS)
        assert (told.exit_code, told.studies[FIRST]["state"], made.parts()) == (1, "incomplete", [])
    assert "did not answer within 0.3 s" in told.studies[FIRST]["reason"]


def test_pull__interrupted_in_the_middle_of_an_image__leaves_nothing_half_and_goes_on_when_given_again(
    node: Bench, server: Behaviour
) -> None:
    import threading

    server.stall = threading.Event()
    command = [sys.executable, "-m", "node.cli", "pull", *WORDS, "--json", "--config", str(node.config)]
    # As a terminal starts it: where the tests run in the background, a shell has SIGINT ignored.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_until(server.stalled.is_set, 120, "half of an image came")
        wait_until(lambda: bool(node.parts() or node.incoming()), 60, "it is being written")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    document = json.loads(out)
    assert (process.returncode, document["interrupted"]) == (1, True)
    assert node.parts() == []
    server.stall.set()
    server.stall = None
    assert (node.pull(*WORDS).exit_code, len(came(node))) == (0, 4)
