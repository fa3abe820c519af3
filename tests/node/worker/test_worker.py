"""Jobs from received bytes to delivered results: good ones, and every row of bad input."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node.db import JobState
from node.jobs import cancel
from tests.node.worker.bench import PACKAGE, Bench, DiscEngine, encoded, still

GOOD = "1.2.9"


@pytest.fixture
def make(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def start(engine: DiscEngine | None = None, **sections: object) -> Bench:
        made.append(Bench(tmp_path, migrated_sqlite, engine, **sections))
        return made[-1]

    yield start
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def only_job(bench: Bench, study: str = "1.2.3") -> object:
    (job,) = bench.jobs(study)
    return job


def roles(paths: list[Path]) -> list[str]:
    return sorted(str(dcmread(path, stop_before_pixels=True).Modality) for path in paths)


def test_worker__still__results_at_the_destination(bench: Bench) -> None:
    bench.receive_ds(still())
    bench.settle()
    assert only_job(bench).state is JobState.DONE
    delivered = bench.delivered("1.2.3")
    assert "SEG" in roles(delivered)
    assert "SR" in roles(delivered)
    assert {str(dcmread(path).PatientID) for path in delivered} == {"PHANTOM-0001"}


def test_worker__cine__every_frame_is_looked_at(bench: Bench) -> None:
    bench.receive_ds(still(SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", NumberOfFrames=7, FrameTime="33.3"))
    bench.settle()
    assert bench.engine.seen == [7]
    assert only_job(bench).state is JobState.DONE


def test_worker__killed_before_the_end_and_run_again__same_bytes(make: Callable[..., Bench]) -> None:
    kept: list[dict[str, bytes]] = []

    bench = make()
    bench.receive_ds(still())
    bench.later(2)
    bench.scheduler.step()
    finish = bench.worker._finished
    bench.worker._finished = lambda *_: None  # type: ignore[method-assign] - killed between writing and telling
    bench.worker.step(bench.wake)
    folder = bench.settings.results_dir
    kept.append({path.name: path.read_bytes() for path in folder.rglob("*.dcm")})
    bench.worker._finished = finish  # type: ignore[method-assign]
    bench.later(120)
    bench.scheduler.step()
    bench.later(1)
    bench.worker.step(bench.wake)
    kept.append({path.name: path.read_bytes() for path in folder.rglob("*.dcm")})
    assert only_job(bench).state is JobState.DONE
    assert kept[0]
    assert kept[0] == kept[1]


def shadow_route() -> list[dict[str, object]]:
    return [{"name": "quiet", "when": "true", "task": "fetal-head", "send_to": ["out"], "mode": "shadow"}]


def test_worker__shadow_route__results_kept_and_not_delivered(make: Callable[..., Bench]) -> None:
    bench = make(routes=shadow_route())
    bench.receive_ds(still())
    bench.settle()
    assert only_job(bench).state is JobState.DONE
    assert list(bench.settings.results_dir.rglob("*.dcm"))
    assert bench.delivered("1.2.3") == []


def without_pixels() -> Dataset:
    ds = still()
    del ds.PixelData
    return ds


def truncated() -> bytes:
    return encoded(still())[:-3000]


def garbage() -> bytes:
    whole = encoded(still())
    return whole[:300] + bytes(range(256)) * 40


US_IMAGE, EXPLICIT, JPEG = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"


@pytest.mark.parametrize(
    ("data_set", "words"),
    [
        pytest.param(lambda: encoded(without_pixels()), "PixelData", id="no-pixel-data"),
        pytest.param(lambda: encoded(still(NumberOfFrames="0")), "NumberOfFrames", id="zero-frames"),
        pytest.param(lambda: encoded(still(Rows=1, Columns=1)), "1 x 1", id="one-by-one"),
        pytest.param(truncated, "", id="truncated"),
        pytest.param(lambda: encoded(still(Rows=60000, Columns=60000, PixelData=b"\0" * 64)), "larger", id="huge"),
    ],
)
def test_worker__bad_image__failed_with_the_reason_and_others_go_on(
    bench: Bench, data_set: Callable[[], bytes], words: str
) -> None:
    bench.receive(data_set(), sop_class=US_IMAGE, uid="1.2.3.1.1", transfer_syntax=EXPLICIT)
    bench.receive_ds(still(GOOD))
    bench.settle()
    job = only_job(bench)
    assert job.state is JobState.FAILED
    assert job.attempt == 1
    assert job.error
    assert words in job.error
    assert only_job(bench, GOOD).state is JobState.DONE
    assert bench.delivered(GOOD)
    assert bench.delivered("1.2.3") == []


def test_worker__wrong_transfer_syntax__failed_with_the_reason_and_others_go_on(bench: Bench) -> None:
    bench.receive(encoded(still()), sop_class=US_IMAGE, uid="1.2.3.1.1", transfer_syntax=JPEG)
    bench.receive_ds(still(GOOD))
    bench.settle()
    job = only_job(bench)
    assert job.state is JobState.FAILED
    assert "Transfer Syntax" in (job.error or "")
    assert only_job(bench, GOOD).state is JobState.DONE


def test_worker__garbage_after_a_valid_header__no_results_and_others_go_on(bench: Bench) -> None:
    bench.receive(garbage(), sop_class=US_IMAGE, uid="1.2.3.1.1", transfer_syntax=EXPLICIT)
    bench.receive_ds(still(GOOD))
    bench.settle()
    assert all(job.state is JobState.FAILED and job.error for job in bench.jobs("1.2.3"))
    assert bench.delivered("1.2.3") == []
    assert only_job(bench, GOOD).state is JobState.DONE


def test_worker__sixteen_bits__done(bench: Bench) -> None:
    bench.receive_ds(still(BitsAllocated=16, BitsStored=12, HighBit=11))
    bench.settle()
    assert only_job(bench).state is JobState.DONE


@pytest.mark.slow
def test_worker__eight_thousand_square__done(bench: Bench) -> None:
    bench.receive_ds(still(Rows=8000, Columns=8000))
    bench.settle()
    assert only_job(bench).state is JobState.DONE


@pytest.mark.slow
def test_worker__three_thousand_frames__done(bench: Bench) -> None:
    cine = still(SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", NumberOfFrames=3000, FrameTime="20", Rows=64, Columns=64)
    bench.receive_ds(cine)
    bench.settle()
    assert bench.engine.seen == [3000]
    assert only_job(bench).state is JobState.DONE


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "OTHER"),
        ("PatientID", ""),
        ("PatientName", "OTHER^NAME"),
        ("PatientBirthDate", "19700101"),
        ("IssuerOfPatientID", "OTHER-HOSPITAL"),
    ],
)
def test_worker__patients_differ_inside_a_study__stopped_naming_the_attribute_only(
    bench: Bench, keyword: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = still(PatientBirthDate="19800101", IssuerOfPatientID="OURS")
    second = still(number=2, PatientBirthDate="19800101", IssuerOfPatientID="OURS")
    setattr(second, keyword, value)
    bench.receive_ds(first)
    bench.receive_ds(second)
    bench.receive_ds(still(GOOD))
    bench.settle()
    jobs = bench.jobs("1.2.3")
    assert [(job.state, job.error_code, job.attempt) for job in jobs] == [
        (JobState.FAILED, "worker.patient_disagreement", 1)
    ] * 2
    assert keyword in (jobs[0].error or "")
    for secret in ("OTHER", "PHANTOM", "19800101"):
        assert secret not in (jobs[0].error or "")
        assert secret not in caplog.text
    assert bench.delivered("1.2.3") == []
    assert only_job(bench, GOOD).state is JobState.DONE


def test_worker__same_name_in_two_character_sets__agrees(bench: Bench) -> None:
    first = still(SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg")
    second = still(number=2, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg^^^")
    bench.receive_ds(first)
    bench.receive_ds(second)
    bench.settle()
    assert {job.state for job in bench.jobs("1.2.3")} == {JobState.DONE}


def test_worker__name_and_birth_date_empty__copied_as_they_are(bench: Bench) -> None:
    bench.receive_ds(still(PatientName=""))
    bench.receive_ds(still(number=2, PatientName="PHANTOM^SAMPLE", PatientBirthDate="19800101"))
    bench.settle()
    assert {job.state for job in bench.jobs("1.2.3")} == {JobState.DONE}
    names = {str(dcmread(path).PatientName) for path in bench.delivered("1.2.3")}
    assert names == {"", "PHANTOM^SAMPLE"}


@pytest.mark.parametrize("raised", [MemoryError(), OSError(errno.ENOSPC, "x")])
def test_worker__out_of_memory_or_disk__tried_again_and_done(make: Callable[..., Bench], raised: Exception) -> None:
    left = [raised]

    def once(task: str) -> None:
        if left:
            raise left.pop()

    bench = make(DiscEngine(before=once))
    bench.receive_ds(still())
    bench.settle()
    job = only_job(bench)
    assert job.state is JobState.DONE
    assert job.attempt == 2


def test_worker__unexpected_exception__failed_after_all_attempts_and_its_words_stay_out(
    make: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "MARKED" + "^NAME"

    def burst(task: str) -> None:
        raise KeyError(secret)  # the traceback shows this line, so the value must not stand in it

    bench = make(DiscEngine(before=burst))
    bench.receive_ds(still())
    bench.settle()
    job = only_job(bench)
    assert job.state is JobState.FAILED
    assert job.attempt == 2
    assert "unexpected KeyError" in (job.error or "")
    assert "MARKED" not in (job.error or "")
    formatter = logging.Formatter()
    assert not any("MARKED" in formatter.format(record) for record in caplog.records)
    assert any(record.exc_info for record in caplog.records)


def test_worker__cancelled_while_it_runs__no_results(make: Callable[..., Bench]) -> None:
    bench: Bench

    def cancel_it(task: str) -> None:
        (job,) = bench.jobs("1.2.3")
        cancel(bench.database, job.id, who="test", now=bench.now)

    bench = make(DiscEngine(before=cancel_it))
    bench.receive_ds(still())
    bench.settle()
    assert only_job(bench).state is JobState.CANCELLED
    assert bench.delivered("1.2.3") == []


def test_worker__package_replaced_since_the_job_was_made__failed_with_the_reason(bench: Bench) -> None:
    bench.receive_ds(still())
    bench.later(2)
    bench.scheduler.step()
    bench.worker._runner.packages.clear()  # type: ignore[attr-defined]
    bench.worker.step(bench.wake)
    assert only_job(bench).error_code == "worker.package_changed"


def test_worker__own_results_sent_back_by_the_destination__nothing_more_runs(bench: Bench) -> None:
    bench.receive_ds(still())
    bench.settle()
    (done,) = bench.jobs("1.2.3")
    for path in bench.delivered("1.2.3"):
        bench.receive_file(path)
    bench.settle()
    assert [job.id for job in bench.jobs("1.2.3")] == [done.id]


def test_worker__package_replaced_while_jobs_wait__the_new_one_does_them(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.receive_ds(still("1.2.4"))
    bench.settle()
    bench.receive_ds(still())
    bench.later(2)
    bench.scheduler.step()
    newer = replace(PACKAGE, version="2", digest="sha256:" + "c" * 64)
    bench.install(newer)
    bench.scheduler.start()
    bench.settle()
    assert sorted((job.state, job.package_digest[0]) for job in bench.jobs("1.2.3")) == [
        (JobState.CANCELLED, "a"),
        (JobState.DONE, "c"),
    ]
    assert bench.delivered("1.2.3")
    assert [job.state for job in bench.jobs("1.2.4")] == [JobState.DONE]
