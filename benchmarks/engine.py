"""The engine beside itself: jobs together and one after another, a start, an urgent job, a very long clip.

python -m benchmarks.engine [--frames N]

Four rows: eight jobs at once against the same eight in turn; from the start of a process to its first finding; how long
a `stat` job waits behind a full queue of `routine` jobs, in passes; and the memory of a clip of N frames.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

from integration.phantom import fetal_head
from models.engine import Engine, FrameInput, Priority
from models.packages import discover

JOBS = 8
FRAMES = 6
ROUNDS = 3
LOOKS = 15
TASK = "fetal-head"
FIRST = """
import time
start = time.perf_counter()
from models.engine import Engine, FrameInput
from models.packages import discover
import numpy as np
with Engine(discover()[0], device="cpu") as engine:
    pixels = np.load({path!r})
    rows, columns = pixels.shape[:2]
    found = engine.run("fetal-head", [FrameInput(pixels=pixels, frame=1, view=(0, 0, columns - 1, rows - 1))])
print(time.perf_counter() - start)
"""


def clip(count: int, first: int = 0) -> Iterator[FrameInput]:
    """Different frames of phantoms, each number a little brighter or darker than the one before."""
    scenes = [fetal_head(seed) for seed in range(first, first + 2)]
    for number in range(1, count + 1):
        scene = scenes[number % len(scenes)]
        region = scene.regions[0]
        pixels = scene.pixels.copy()
        pixels[:2, :2] = number % 251
        yield FrameInput(pixels=pixels, frame=number, view=(region.left, region.top, region.right, region.bottom))


def together() -> str:
    """Eight jobs at once against the same in turn."""
    jobs = [list(clip(FRAMES, first=job)) for job in range(JOBS)]
    ratios = []
    for _ in range(ROUNDS):
        seconds = []
        for threads in (1, JOBS):
            with Engine(discover()[0], device="auto") as engine, ThreadPoolExecutor(threads) as pool:
                engine.warm_up()
                start = time.perf_counter()
                for job in [pool.submit(engine.run, TASK, frames) for frames in jobs]:
                    job.result()
                seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return f"{JOBS} jobs at once against in turn: {statistics.median(ratios):.2f} x (median of {ROUNDS})"


def first_finding(folder: Path) -> str:
    """From nothing loaded to the first finding, in a fresh process."""
    path = folder / "frame.npy"
    np.save(path, fetal_head(0).pixels)
    inside, whole = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", FIRST.format(path=str(path))], check=True, capture_output=True, text=True
        )
        whole.append(time.perf_counter() - start)
        inside.append(float(done.stdout))
    return (
        f"start to first finding: {statistics.median(inside):.2f} s, "
        f"with the interpreter's own start and end {statistics.median(whole):.2f} s (median of {ROUNDS})"
    )


def urgent() -> str:
    """How long one look of a stat job waits behind a full queue of routine jobs, against one pass."""
    with Engine(discover()[0], device="auto") as engine, ThreadPoolExecutor(JOBS) as pool:
        engine.warm_up()
        size = engine.package(TASK).card.input.size
        squares = np.random.default_rng(0).integers(0, 256, (2, LOOKS, size, size), np.uint8)
        alone = [_seconds(engine, square) for square in squares[0]]
        stop = Event()
        for job in range(JOBS):
            pool.submit(engine.run, TASK, clip(10_000, first=job), cancelled=stop.is_set)
        while engine.metrics().waiting < JOBS:
            time.sleep(0.01)
        behind = [_seconds(engine, square) for square in squares[1]]
        told = engine.metrics()
        stop.set()
    a_pass = told.milliseconds["encode"] + told.milliseconds["heads"]
    wait = 1000 * (statistics.median(behind) - statistics.median(alone))
    return (
        f"one look of a stat job: alone {1000 * statistics.median(alone):.0f} ms, behind {JOBS} routine jobs "
        f"{1000 * statistics.median(behind):.0f} ms: it waits {wait / a_pass:.1f} passes of {a_pass:.0f} ms"
    )


def _seconds(engine: Engine, square: NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    engine.look(TASK, [square], priority=Priority.STAT)
    return time.perf_counter() - start


def long_clip(count: int) -> str:
    """Memory of a clip of many frames."""

    def resident() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    seen: list[float] = []

    def watched() -> Iterator[FrameInput]:
        for frame in clip(count):
            if frame.frame % (count // 10) == 0:
                seen.append(resident())
            yield frame

    with Engine(discover()[0], device="auto") as engine:
        engine.run(TASK, watched())
    mask = 800 * 600 / 8 * count / 2**20
    return (
        f"a clip of {count} frames: {seen[0]:.0f} MiB resident after a tenth, {seen[-1]:.0f} MiB at the end; "
        f"its masks alone are up to {mask:.0f} MiB"
    )


def main() -> None:
    """Measure and print."""
    import tempfile

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=500)
    given = options.parse_args()
    print(together(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        print(first_finding(Path(name)), flush=True)
    print(urgent(), flush=True)
    print(long_clip(given.frames), flush=True)


if __name__ == "__main__":
    main()
