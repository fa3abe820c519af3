"""Jobs of many threads on one engine: shared passes, faults, memory, priorities, and the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from models.engine import (
    DoesNotFit,
    Engine,
    EngineClosed,
    JobCancelled,
    OutOfMemory,
    PackageFault,
    PackageHung,
    Priority,
)
from models.engine import passes as passes_module
from models.engine import serving as serving_module
from models.findings import Mask
from models.heads.outline import OutlineHead
from models.heads.task import TaskHeads
from tests.models import test_regression
from tests.models.engine.made import frames, made, squares


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def two(tmp_path):
    return made(tmp_path, "first", "second")


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[list[int]]:
    """Batch sizes of each call of a stage."""
    real = getattr(passes_module, name)
    seen: list[int] = []

    def counting(network: object, *given: object) -> object:
        images = given[-1] if name == "encode" else given[0]
        seen.append(len(images))  # type: ignore[arg-type]
        return real(network, *given)

    monkeypatch.setattr(serving_module.passes, name, counting)
    yield seen


def failing_once(monkeypatch: pytest.MonkeyPatch, name: str, fault: Exception, times: int = 1) -> list[int]:
    """Let a stage raise, the first `times` that it is called; batch sizes of all calls."""
    real = getattr(passes_module, name)
    calls: list[int] = []

    def failing(network: object, *given: object) -> object:
        images = given[-1] if name == "encode" else given[0]
        calls.append(len(images))  # type: ignore[arg-type]
        if len(calls) <= times:
            raise fault
        return real(network, *given)

    monkeypatch.setattr(serving_module.passes, name, failing)
    return calls


def batching(packages, monkeypatch, most: int = 4, **options: object) -> Engine:
    """A CPU engine that makes batches as an accelerator does: the twin by which that path is tested."""
    monkeypatch.setattr("models.engine.device.Device.is_cpu", property(lambda self: False))
    monkeypatch.setattr("models.engine.serving.peak_bytes", lambda device: 0)
    return Engine(packages, device="cpu", max_batch=most, **options)


def test_two_tasks_on_the_same_frame__one_encoder_pass(two, monkeypatch):
    with counted(monkeypatch, "encode") as encoded, Engine(two, device="cpu") as engine:
        square = squares(1)
        for task in ("first", "second", "first"):
            engine.look(task, square)
        assert engine.metrics().feature_hits == 2
    assert len(encoded) == 1


def test_two_tasks__different_heads__different_answers(two):
    with Engine(two, device="cpu") as engine:
        (first,), (second,) = (engine.look(task, squares(1)) for task in ("first", "second"))
    assert not np.array_equal(first["mask"], second["mask"])


def test_jobs_of_two_threads__share_batches(two, monkeypatch):
    with counted(monkeypatch, "encode") as encoded, batching(two, monkeypatch, most=4, max_wait_ms=200) as engine:
        with ThreadPoolExecutor(2) as pool:
            told = [pool.submit(engine.look, task, squares(4, seed)) for task, seed in (("first", 1), ("second", 2))]
            assert all(len(each.result()) == 4 for each in told)
        assert engine.metrics().mean_batch > 2
    assert set(encoded) == {4}


@pytest.mark.parametrize("batched", [False, True])
def test_a_square__alone_or_in_company__the_same_numbers(two, monkeypatch, batched):
    given = squares(7)
    with batching(two, monkeypatch) if batched else Engine(two, device="cpu") as engine:
        together = engine.look("first", given)
    with batching(two, monkeypatch) if batched else Engine(two, device="cpu") as engine:
        alone = [engine.look("first", [square])[0] for square in given]
    for one, other in zip(together, alone, strict=True):
        for name in one:
            assert np.array_equal(one[name], other[name]), name


def test_two_packages_of_one_name__name_is_the_later_and_digests_are_both(tmp_path):
    old, new = made(tmp_path, "mass")[0], made(tmp_path, "mass", seed=2)[0]
    assert old.identity.digest != new.identity.digest or old.weights.read_bytes() != new.weights.read_bytes()
    with Engine([old, new], device="cpu") as engine:
        by_name, by_old, by_new = (
            engine.look(name, squares(1))[0]["mask"] for name in ("mass", old.identity.digest, new.identity.digest)
        )
    assert np.array_equal(by_name, by_new)
    assert not np.array_equal(by_old, by_new)


@pytest.mark.parametrize("stage", ["encode", "answer"])
@pytest.mark.parametrize(
    "fault",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_out_of_memory_in_a_batch__halved_and_answered(two, monkeypatch, stage, fault):
    with batching(two, monkeypatch, most=4, max_wait_ms=100) as engine:
        expected = engine.look("first", squares(4))
        assert engine.metrics().out_of_memory == 0
    calls = failing_once(monkeypatch, stage, fault)
    with batching(two, monkeypatch, most=4, max_wait_ms=100) as engine:
        found = engine.look("first", squares(4))
        assert engine.metrics().out_of_memory == 1
    assert calls[:3] == [4, 2, 2]
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one["mask"], other["mask"], atol=1e-5)


def test_out_of_memory_while_loading__others_make_room(two, monkeypatch):
    with Engine(two, device="cpu") as engine:
        engine.look("first", squares(1))
        real = serving_module.ResidentModels.networks
        calls = []

        def failing(self, package):
            calls.append(package.identity.task)
            if len(calls) == 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return real(self, package)

        monkeypatch.setattr(serving_module.ResidentModels, "networks", failing)
        assert len(engine.look("second", squares(1))) == 1
        assert engine.metrics().evictions >= 1


def test_out_of_memory_while_concluding__memory_is_given_up_and_it_is_done_again(tmp_path, monkeypatch):
    packages = made(tmp_path, "number", settings=test_regression.settings().model_dump(mode="json"))
    with Engine(packages, device="cpu") as engine:
        expected = engine.run("number", frames(8)).findings
    real, calls = passes_module.conclude, []

    def failing(*given):
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given)

    monkeypatch.setattr(serving_module.passes, "conclude", failing)
    with Engine(packages, device="cpu") as engine:
        assert [repr(f) for f in engine.run("number", frames(8)).findings] == [repr(f) for f in expected]
        assert engine.metrics().out_of_memory == 1
    assert len(calls) == 2


def test_passes_that_need_more_than_is_left_beside_pinned_weights__are_served_all_the_same(two, monkeypatch):
    with Engine(two, device="cpu") as engine:
        engine.warm_up()
        both = engine.metrics().resident_bytes
    engine = batching(two, monkeypatch, most=2, memory_bytes=both + 1000, pinned=("first", "second"), pass_limit_s=5)
    monkeypatch.setattr("models.engine.serving.peak_bytes", lambda device: 10 * both)
    with engine:
        for task in ("first", "second", "first"):
            assert len(engine.look(task, squares(3))) == 3
        told = engine.metrics()
        assert told.resident_bytes == both + 1000
        assert (told.hung, told.evictions) == (0, 0)


def test_passes_that_need_more_than_is_left__others_make_room(two, monkeypatch):
    with Engine(two, device="cpu") as engine:
        engine.look("first", squares(1))
        one = engine.metrics().resident_bytes
        engine.look("second", squares(1))
        both = engine.metrics().resident_bytes
    engine = batching(two, monkeypatch, most=2, memory_bytes=both, pinned=("first",), pass_limit_s=5)
    monkeypatch.setattr("models.engine.serving.peak_bytes", lambda device: both + 500)
    with engine:
        for task in ("second", "first", "first"):
            assert len(engine.look(task, squares(3))) == 3
        assert engine.metrics().evictions >= 1
        assert one < engine.metrics().resident_bytes <= both


def test_out_of_memory_always__this_job_fails_and_may_be_tried_again(two, monkeypatch):
    failing_once(monkeypatch, "encode", torch.OutOfMemoryError("CUDA out of memory"), times=50)
    with batching(two, monkeypatch, most=2) as engine, pytest.raises(OutOfMemory) as fault:
        engine.look("first", squares(2))
    assert fault.value.retryable


def test_memory_for_one_task_only__takes_turns_and_pinned_stays(two):
    with Engine(two, device="cpu") as engine:
        engine.look("first", squares(1))
        one = engine.metrics().resident_bytes
    with Engine(two, device="cpu", memory_bytes=one + 1000) as engine:
        for task in ("first", "second", "first"):
            assert engine.look(task, squares(1))
        assert engine.metrics().evictions == 2
    with Engine(two, device="cpu", memory_bytes=one + 1000, pinned=("first",)) as engine:
        engine.look("first", squares(1))
        with pytest.raises(DoesNotFit, match="memory_bytes"):
            engine.look("second", squares(1))
        assert engine.look("first", squares(1))


def broken_heads(monkeypatch, task_seed_mask: Callable[[TaskHeads], bool], act: Callable[[], None]) -> None:
    real = TaskHeads.forward

    def forward(self, image, maps):
        if task_seed_mask(self):
            act()
        return real(self, image, maps)

    monkeypatch.setattr(TaskHeads, "forward", forward)


def heads_in(engine: Engine, digest: str) -> TaskHeads:
    return engine._core._server.resident._held[("heads", digest)]


def test_package_that_raises__fails_its_own_jobs_with_the_cause(two, monkeypatch):
    with batching(two, monkeypatch, max_wait_ms=100) as engine:
        engine.warm_up()
        bad = heads_in(engine, two[0].identity.digest)
        broken_heads(monkeypatch, lambda heads: heads is bad, lambda: 1 // 0)
        with ThreadPoolExecutor(2) as pool:
            failing = pool.submit(engine.look, "first", squares(2))
            working = pool.submit(engine.look, "second", squares(2))
            assert len(working.result()) == 2
            with pytest.raises(PackageFault, match="first") as fault:
                failing.result()
    assert isinstance(fault.value.__cause__, ZeroDivisionError)


def test_package_that_raises_what_nobody_expects__fails_at_once_and_the_others_go_on(two, monkeypatch):
    class Odd(Exception):
        pass

    def raising() -> None:
        raise Odd("never seen before")

    with Engine(two, device="cpu", pass_limit_s=60) as engine:
        engine.warm_up()
        bad = heads_in(engine, two[0].identity.digest)
        broken_heads(monkeypatch, lambda heads: heads is bad, raising)
        with pytest.raises(PackageFault, match="never seen before"):
            engine.look("first", squares(1))
        assert engine.look("second", squares(1))
        assert engine.metrics().hung == 0


def test_package_that_gives_no_numbers__fails_its_own_jobs(two):
    with Engine(two, device="cpu") as engine:
        engine.warm_up()
        head = heads_in(engine, two[0].identity.digest).head
        assert isinstance(head, OutlineHead)
        with torch.inference_mode():
            head.segment.out.bias.fill_(float("nan"))
        with pytest.raises(PackageFault, match="not finite"):
            engine.look("first", squares(1))
        assert engine.look("second", squares(1))


def test_package_that_hangs__is_given_up_and_the_others_go_on(two, monkeypatch):
    release = threading.Event()
    with Engine(two, device="cpu", pass_limit_s=0.5) as engine:
        engine.warm_up()
        bad = heads_in(engine, two[0].identity.digest)
        broken_heads(monkeypatch, lambda heads: heads is bad, release.wait)
        try:
            with ThreadPoolExecutor(2) as pool:
                hanging = pool.submit(engine.look, "first", squares(1))
                working = pool.submit(engine.look, "second", squares(6, seed=3))
                with pytest.raises(PackageHung, match="first"):
                    hanging.result(30)
                assert len(working.result(30)) == 6
            with pytest.raises(PackageHung, match="not asked again"):
                engine.look("first", squares(1))
            assert engine.metrics().hung == 1
        finally:
            release.set()


def test_stat_job_behind_a_full_queue__is_next(two, monkeypatch):
    """The core is held in its first pass while the queue fills; then the stat request comes."""
    held, begun = threading.Event(), threading.Event()
    order: list[str] = []
    real = passes_module.answer

    def answer(heads, images, maps):
        begun.set()
        held.wait(30)
        order.append("stat" if heads is stat_heads else "routine")
        return real(heads, images, maps)

    with Engine(two, device="cpu") as engine:
        engine.warm_up()
        stat_heads = heads_in(engine, two[1].identity.digest)
        monkeypatch.setattr(serving_module.passes, "answer", answer)
        with ThreadPoolExecutor(12) as pool:
            routine = [pool.submit(engine.look, "first", squares(3, seed=n)) for n in range(10)]
            assert begun.wait(30)
            waiting = threading.Event()
            while engine.metrics().waiting < 29:
                waiting.wait(0.01)
            stat = pool.submit(engine.look, "second", squares(1, seed=99), Priority.STAT)
            while engine.metrics().waiting < 30:
                waiting.wait(0.01)
            held.set()
            stat.result(30)
            for each in routine:
                each.result(30)
    assert order.index("stat") == 1


def test_submit_and_cancel_at_once__every_job_ends_one_way_or_the_other(two):
    with Engine(two, device="cpu") as engine, ThreadPoolExecutor(8) as pool:
        gone = [threading.Event() for _ in range(16)]
        jobs = [
            pool.submit(engine.run, ("first", "second")[n % 2], frames(6, seed=n), cancelled=event.is_set)
            for n, event in enumerate(gone)
        ]
        for event in gone[::2]:
            event.set()
        ended = [job.exception() for job in jobs]
        assert all(fault is None or isinstance(fault, JobCancelled) for fault in ended)
        assert all(fault is None for fault in ended[1::2])
        assert engine.metrics().waiting == 0


def test_close__jobs_that_wait_are_told(two):
    engine = Engine(two, device="cpu")
    started = threading.Event()

    def endless():
        for number, frame in enumerate(frames(50) * 100):
            if number == 3:
                started.set()
            yield frame

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(engine.run, "first", endless())
        assert started.wait(30)
        engine.close()
        with pytest.raises(EngineClosed):
            job.result(30)
    with pytest.raises(EngineClosed):
        engine.look("first", squares(1))


def test_long_clip__memory_stays_flat(two):
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def clip(count: int):
        rng = np.random.default_rng(5)
        for number in range(1, count + 1):
            frame = frames(1)[0]
            yield type(frame)(pixels=rng.integers(0, 256, (64, 64), np.uint8), frame=number, view=frame.view)

    with Engine(two, device="cpu", feature_bytes=1 << 20) as engine:
        engine.run("first", clip(120))
        before = peak()
        engine.run("first", clip(400))
        assert peak() - before < 30e6


@pytest.mark.parametrize("likely", [False, True])
def test_engine__asked_for_probabilities__gives_them_with_its_masks(tmp_path, likely):
    with Engine(made(tmp_path, "first"), likely=likely) as engine:
        masks = [each for each in engine.run("first", frames(2)).findings if isinstance(each, Mask)]
    assert masks
    for mask in masks:
        known = mask.probabilities()
        assert (known is not None) == likely
        assert known is None or np.array_equal(known > 127, mask.to_array())
