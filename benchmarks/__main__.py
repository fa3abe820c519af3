"""`make bench`: every measurement of the README, one after another, in processes of their own."""

from __future__ import annotations

import subprocess
import sys

MODULES = tuple(
    f"benchmarks.{name}"
    for name in ("intake", "stow", "seg_write", "latency", "delivery", "worker_memory", "encoder", "engine")
)


def main() -> int:
    """Run them all; the number of those that failed."""
    failed = 0
    for module in MODULES:
        print(f"\n== {module}", flush=True)
        failed += subprocess.run([sys.executable, "-m", module], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
