"""Results of a later revision name those that they replace, and say what changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from tests.node.worker.bench import PACKAGE, Bench, still


@pytest.fixture
def bench(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, migrated_sqlite)
    yield made
    made.close()


def texts(ds: Dataset) -> Iterator[str]:
    for item in ds.get("ContentSequence", ()):
        if item.ValueType == "TEXT":
            yield item.TextValue
        yield from texts(item)


def reports(paths: set[Path]) -> list[Dataset]:
    read = (dcmread(path, stop_before_pixels=True) for path in paths)
    return [ds for ds in read if ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"]


def image(ds: Dataset) -> str:
    """The image that a report is about."""
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def test_second_revision__by_another_package__tells_what_it_replaces(bench: Bench) -> None:
    bench.receive_ds(still())
    bench.receive_ds(still(number=2))
    bench.settle()
    first = set(bench.delivered("1.2.3"))
    before: dict[str, set[str]] = {}
    for ds in reports(first):
        before.setdefault(image(ds), set()).add(ds.SOPInstanceUID)
    assert len(before) == 2
    bench.install(replace(PACKAGE, version="2", digest="sha256:" + "c" * 64))
    bench.scheduler.start()
    bench.receive_ds(still(number=3))
    bench.settle()
    later = reports(set(bench.delivered("1.2.3")) - first)
    replacing = [ds for ds in later if "PredecessorDocumentsSequence" in ds]
    assert {image(ds) for ds in replacing} == set(before)
    for ds in replacing:
        (study,) = ds.PredecessorDocumentsSequence
        named = {
            one.ReferencedSOPInstanceUID
            for series in study.ReferencedSeriesSequence
            for one in series.ReferencedSOPSequence
        }
        assert before[image(ds)] <= named
        assert not any(others <= named for uid, others in before.items() if uid != image(ds))
        assert any("replaces the result of revision 1" in text for text in texts(ds))
    for ds in later:
        if ds not in replacing:  # of the image that came late
            assert not any("replaces" in text for text in texts(ds))
            assert any("added by revision 2" in text for text in texts(ds))
