"""Peak memory of what a worker does with a 300-frame 1024 x 768 RGB cine: decode, look, measure, write.

python -m benchmarks.worker_memory [--frames N]

The work runs in a process of its own, so that making the cine does not count; VmHWM of that process is printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from integration.phantom import Identity, Look, fetal_head_cine, write_cine

DRAWN = 6  # different frames; they repeat


def work(path: Path, folder: Path) -> None:
    """One job's work in this process; prints seconds and the peak."""
    from integration.pixels import in_physical_units, open_image
    from integration.results import ResultRequest, write_results
    from models.engine import Engine
    from models.packages import discover
    from node.worker.running import frame_inputs

    packages, _ = discover(())
    engine = Engine(packages, device="cpu")
    start = time.monotonic()
    source = open_image(path)
    found = engine.run("fetal-head", frame_inputs(source))
    looked = time.monotonic()
    request = ResultRequest(
        source=source,
        findings=in_physical_units(found.findings, source.calibration),
        task=found.identity,
        job_identity="ab" * 32,
        revision_number=1,
        created_at=datetime.now(UTC),
    )
    objects = write_results(request, folder)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(
        f"worker, {source.number_of_frames} frames of {source.columns} x {source.rows} RGB: "
        f"peak {int(peak.split()[1]) / 1024:.0f} MiB, looking {looked - start:.1f} s, "
        f"writing {', '.join(made.role for made in objects)} {time.monotonic() - looked:.1f} s"
    )


def main() -> None:
    """Make the cine and hand it to a fresh process."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=300)
    options.add_argument("--work", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.work:
        work(*given.work)
        return
    with tempfile.TemporaryDirectory() as name:
        drawn = list(fetal_head_cine(3, DRAWN, 768, 1024, look=Look(colour=True)))
        frames = (drawn[number % DRAWN] for number in range(given.frames))
        path = write_cine(frames, Path(name) / "cine.dcm", Identity(study="memory"))
        command = [sys.executable, "-m", "benchmarks.worker_memory", "--work", str(path), name]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
