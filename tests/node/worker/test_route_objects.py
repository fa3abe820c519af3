"""A route writes the objects that it names, down to its destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from tests.node.worker.bench import Bench, still

CLIP = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "NumberOfFrames": 7, "FrameTime": "33.3"}


@pytest.fixture
def make(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def start(objects: list[str] | None) -> Bench:
        route = {"name": "fetal", "task": "fetal-head", "send_to": ["out"], "objects": objects}
        made.append(Bench(tmp_path, migrated_sqlite, routes=[route]))
        return made[-1]

    yield start
    for bench in made:
        bench.close()


def _delivered(bench: Bench) -> dict[str, Dataset]:
    found = [dcmread(path) for path in bench.delivered("1.2.3")]
    return {str(ds.Modality): ds for ds in found}


def test_route__names_its_objects__these_alone_reach_the_destination(make: Callable[..., Bench]) -> None:
    bench = make(["PR", "PDF", "KOS"])
    bench.receive_ds(still(**CLIP))
    bench.settle()
    delivered = _delivered(bench)
    assert set(delivered) == {"PR", "DOC", "KO"}
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in delivered["KO"].ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert delivered["DOC"].SOPInstanceUID in named


def test_route__names_none__clip_gets_key_frames_and_no_presentation_state(make: Callable[..., Bench]) -> None:
    bench = make(None)
    bench.receive_ds(still(**CLIP))
    bench.settle()
    assert {"SEG", "SR", "US", "KO"} == set(_delivered(bench))
