"""Pulling from a PACS that is silent, passes over keys, knows no single images; scripted with pynetdicom."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt

from integration.dimse import Peer
from integration.dimse.questions import FIND, GET, MOVE, Questions, contexts_of
from integration.dimse.retrieve import DimsePacs
from integration.retrieval import Arriving, Refusal, Wanted
from tests.node.pulling.bench import CINE, FIRST, SECOND, Bench, bench, write_studies

LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
Answer = Callable[[Any], Iterator[Any]]


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    return [dcmread(path) for path in write_studies(tmp_path_factory.mktemp("studies")).values()]


class Pacs:
    """Finds by UIDs alone, and passes over all other keys; a test may put another answer in place of each."""

    def __init__(self, instances: list[Dataset]) -> None:
        self.instances = instances
        self.asked: list[str] = []  # level of each retrieval
        self.answers: dict[str, Answer] = {"find": self.find, "get": self.get, "move": self.get}
        self.port = 0

    @property
    def peer(self) -> dict[str, Any]:
        waits = {"response_timeout_s": 0.5, "retrieve_timeout_s": 0.5}
        return {"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": self.port, **waits}

    def matching(self, identifier: Dataset) -> list[Dataset]:
        found = []
        for ds in self.instances:
            asked = {word: identifier.get(word) for word in LEVELS.values() if identifier.get(word)}
            wanted = {word: [value] if isinstance(value, str) else list(value) for word, value in asked.items()}
            if all(ds.get(word) in values for word, values in wanted.items()):
                found.append(ds)
        return found

    def find(self, event: Any) -> Iterator[Any]:
        unique = LEVELS[event.identifier.QueryRetrieveLevel]
        for ds in {str(ds.get(unique)): ds for ds in self.matching(event.identifier)}.values():
            answer = Dataset()
            for element in event.identifier:
                setattr(answer, element.keyword, ds.get(element.keyword, ""))
            yield 0xFF00, answer

    def get(self, event: Any) -> Iterator[Any]:
        self.asked.append(event.identifier.QueryRetrieveLevel)
        found = self.matching(event.identifier)
        yield len(found)
        for ds in found:
            yield 0xFF00, ds


@contextmanager
def served(pacs: Pacs) -> Iterator[Pacs]:
    def answered(name: str) -> Answer:
        return lambda event: pacs.answers[name](event)

    ae = AE("PACS")
    for model in (FIND, GET, MOVE):
        ae.add_supported_context(model)
    for sop_class in {ds.SOPClassUID for ds in pacs.instances}:
        ae.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    handlers = [
        (evt.EVT_C_FIND, answered("find")),
        (evt.EVT_C_GET, answered("get")),
        (evt.EVT_C_MOVE, answered("move")),
    ]
    server: Any = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    pacs.port = server.server_address[1]
    try:
        yield pacs
    finally:
        server.shutdown()


@pytest.fixture
def pacs(instances: list[Dataset]) -> Iterator[Pacs]:
    with served(Pacs(instances)) as made:
        yield made


@pytest.fixture
def silence() -> Iterator[Answer]:
    """An answer that does not come before the test has ended."""
    over = threading.Event()

    def answer(event: Any) -> Iterator[Any]:
        over.wait(30)
        yield 0xC000, None

    yield answer
    over.set()


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path, pacs: Pacs) -> Iterator[Bench]:
    with bench(tmp_path, migrated_sqlite, {"pacs": pacs.peer}) as made:
        yield made


def test_pull__source_says_nothing_to_a_query__ends_after_the_wait(node: Bench, pacs: Pacs, silence: Answer) -> None:
    pacs.answers["find"] = silence
    told = node.pull("pacs", "--study-uid", FIRST)
    assert told.exit_code == 1
    assert "said nothing for 0.5 s" in told.words


def test_pull__source_says_nothing_to_a_retrieval__ends_after_the_wait_and_names_what_is_missing(
    node: Bench, pacs: Pacs, silence: Answer
) -> None:
    pacs.answers["get"] = silence
    told = node.pull("pacs", "--study-uid", SECOND)
    assert (told.exit_code, told.studies[SECOND]["missing"]) == (1, ["2.25.21"])
    assert "said nothing for 0.5 s" in told.studies[SECOND]["reason"]
    assert node.parts() == []
    pacs.answers["get"] = pacs.get
    assert node.pull("pacs", "--study-uid", SECOND).exit_code == 0


def test_pull__source_passes_over_a_key__what_does_not_match_is_not_fetched(node: Bench) -> None:
    pulled = node.pull("pacs", "--patient-id", "TWO")
    assert (pulled.exit_code, set(pulled.studies)) == (0, {SECOND, CINE})
    assert sorted(each.sop_instance_uid for each in node.incoming()) == ["2.25.21", "2.25.31"]
    assert {each.calling_ae for each in node.incoming()} == {"PACS"}


def test_pull__source_knows_no_single_images__is_asked_for_the_series(node: Bench, pacs: Pacs) -> None:
    def by_series_alone(event: Any) -> Iterator[Any]:
        if event.identifier.QueryRetrieveLevel == "IMAGE":
            pacs.asked.append("IMAGE")
            yield 1
            yield 0xA900, None
        else:
            yield from pacs.get(event)

    pacs.answers["get"] = by_series_alone
    words = ["pacs", "--study-uid", FIRST, "--modality", "US"]
    assert node.pull(*words).fetched == 3
    node.incoming()[0].path.unlink()
    pacs.asked.clear()
    rest = node.pull(*words)
    assert (rest.exit_code, rest.fetched, pacs.asked) == (0, 1, ["IMAGE", "SERIES"])
    assert node.index().new == 3


def test_pull__disk_is_full__says_so_and_the_next_run_fetches_it(
    tmp_path: Path, migrated_sqlite: Path, pacs: Pacs
) -> None:
    full = {"data_dir": "var", "min_free_bytes": 2**60}
    with bench(tmp_path, migrated_sqlite, {"pacs": pacs.peer}, node=full) as made:
        told = made.pull("pacs", "--study-uid", SECOND)
        assert (told.exit_code, told.studies[SECOND]["missing"], made.incoming()) == (1, ["2.25.21"], [])
        assert "an image is not kept: not enough free disk space" in told.studies[SECOND]["reason"]
        made.config.write_text(made.config.read_text().replace(str(2**60), "0"))
        assert made.pull("pacs", "--study-uid", SECOND).fetched == 1


def test_pull__source_goes_silent_after_the_images_came__tells_what_came(
    node: Bench, pacs: Pacs, silence: Answer
) -> None:
    def then_silent(event: Any) -> Iterator[Any]:
        yield from pacs.get(event)
        pacs.answers["find"] = silence

    pacs.answers["get"] = then_silent
    pulled = node.pull("pacs", "--study-uid", SECOND)
    assert (pulled.exit_code, pulled.fetched, pulled.studies[SECOND]["state"]) == (0, 1, "complete")


def test_pull__source_refuses_with_a_status__says_which(node: Bench, pacs: Pacs) -> None:
    def refuse(event: Any) -> Iterator[Any]:
        yield 0xA700, None

    pacs.answers["find"] = refuse
    told = node.pull("pacs", "--study-uid", FIRST)
    assert told.exit_code == 1
    assert "C-FIND with status 0xA700, out of resources" in told.words


def test_questions__left_early__cancel_what_was_asked_for(pacs: Pacs) -> None:
    cancelled = threading.Event()

    def endless(event: Any) -> Iterator[Any]:
        while not event.is_cancelled:
            yield 0xFF00, event.identifier
        cancelled.set()
        yield 0xFE00, None

    pacs.answers["find"] = endless
    peer = Peer(ae_title="PACS", host="127.0.0.1", port=pacs.port)
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", FIRST
    with Questions(peer, contexts_of(FIND)) as questions:
        answers = questions.ask(FIND, query)
        assert next(answers).pending
        answers.close()
        assert cancelled.wait(20)


class Measuring:
    """Keeps nothing but the sizes of what it is given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def begin(self, arriving: Arriving) -> Measuring:
        return self

    def take(self, piece: memoryview) -> None:
        self.sizes.append(len(piece))

    def finish(self) -> Refusal | None:
        return None

    def abandon(self) -> None:
        """Nothing is kept."""


def test_get__large_cine__is_handed_on_piece_by_piece(instances: list[Dataset]) -> None:
    ds = copy.deepcopy(instances[0])
    ds.NumberOfFrames, ds.PixelData = 2000, ds.PixelData * 2000
    with served(Pacs([ds])) as large:
        source = DimsePacs(Peer(ae_title="PACS", host="127.0.0.1", port=large.port))
        series = source.series(ds.StudyInstanceUID, Wanted())[0]
        keeper = Measuring()
        assert source.fetch(series, [ds.SOPInstanceUID], keeper, lambda count: None) == ""
    assert sum(keeper.sizes) > len(ds.PixelData)
    assert max(keeper.sizes) <= 131072
