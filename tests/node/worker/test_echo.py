"""The report of a heart is one, however often its study is sent or its job is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests.integration.results.hearts import by_discs, piles
from tests.node.worker.bench import Answer, Bench, DiscEngine, still

CLIP = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "NumberOfFrames": 5, "FrameTime": "33.3"}
SIMPLIFIED = "1.2.840.10008.5.1.4.1.1.88.72"


@dataclass
class HeartEngine(DiscEngine):
    """Finds an ejection fraction and the two volumes that it is of."""

    def run(self, task: str, frames: Iterator[Any], *, priority: Any, cancelled: Callable[[], bool]) -> Any:
        self.seen.append(sum(1 for _ in frames))
        return Answer(identity=self.identity, findings=(*by_discs(), *piles()))


@pytest.fixture
def bench(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, migrated_sqlite, engine=HeartEngine())
    yield made
    made.close()


def echoes(folder: Path) -> dict[str, bytes]:
    """Reports by TID 5300 below a folder."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*.dcm")}
    return {name: data for name, data in found.items() if SIMPLIFIED.encode() in data[:1000]}


def test_echo__study_sent_again__is_not_written_again(bench: Bench) -> None:
    kept = []
    for _ in range(2):
        bench.receive_ds(still(TimezoneOffsetFromUTC="+0100", **CLIP))
        bench.settle()
        kept.append(echoes(bench.out))
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]
    assert bench.engine.seen == [5]


def test_echo__job_killed_before_its_end_and_run_again__is_the_same_file(bench: Bench) -> None:
    bench.receive_ds(still(TimezoneOffsetFromUTC="+0100", **CLIP))
    bench.later(2)
    bench.scheduler.step()
    finish = bench.worker._finished
    bench.worker._finished = lambda *_: None  # type: ignore[method-assign] - killed between writing and telling
    bench.worker.step(bench.wake)
    first = echoes(bench.settings.results_dir)
    bench.worker._finished = finish  # type: ignore[method-assign]
    bench.later(120)
    bench.settle()
    assert bench.engine.seen == [5, 5]
    assert len(first) == 1
    assert echoes(bench.settings.results_dir) == first
    (delivered,) = echoes(bench.out)
    read = dcmread(next(bench.out.rglob(delivered)))
    assert read.SOPClassUID == SIMPLIFIED
