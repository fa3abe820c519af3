"""One large instance by STOW-RS: how fast it comes in, and how much memory the node's process takes for it.

python -m benchmarks.stow_large [--bytes N] [--folder DIR] [--json]

The body is made while it is sent, so that the sender's memory is no part of the figure. The answer comes when the
instance is synced to disk.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.intake import machine
from tests.node.api.serving import large_body, peak_memory, serving_process, settings_of

MB = 10**6


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the instance was not stored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2 * 10**9, help="size of the pixels (2 GB)")
    parser.add_argument("--folder", type=Path, help="where to work; so much is written (a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        with serving_process(settings_of(folder)) as (served, process):
            served.client.timeout = None  # type: ignore[assignment]  # a busy disk takes its time
            served.post(large_body(folder, MB))  # everything that is needed is loaded
            began = time.perf_counter()
            with peak_memory(process) as peak:
                answer = served.post(large_body(folder, options.bytes))
            took_s = time.perf_counter() - began
    figures = {
        "machine": machine(),
        "bytes": options.bytes,
        "status": answer.status_code,
        "seconds": round(took_s, 1),
        "mb_per_s": round(options.bytes / MB / took_s, 1),
        "memory_growth_mb": round(peak[0] / MB, 1),
    }
    Console(stderr=True).print(
        f"{options.bytes / MB:.0f} MB in {took_s:.1f} s, {figures['mb_per_s']} MB/s; the process grew by"
        f" {figures['memory_growth_mb']} MB; status {answer.status_code}; on {figures['machine']}"
    )
    if options.json:
        json.dump(figures, sys.stdout, indent=2)
        sys.stdout.write("\n")
    return int(answer.status_code != 200)


if __name__ == "__main__":
    sys.exit(main())
