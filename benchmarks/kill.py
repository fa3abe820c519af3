"""Kill a node thousands of times while studies go through it, and show that nothing is lost or doubled.

    .venv/bin/python -m benchmarks.kill --kills 5000 --studies 1000 --seed 3

Exit code 0 when nothing was wrong, else 1; what was wrong is printed, and the folder with everything is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.acceptance.killing import Plan, run


def main() -> int:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="echocare-kill-"))
    account = run(folder, Plan(studies=given.studies, kills=given.kills, seed=given.seed), print)
    for what, count in sorted(account.kills.items()):
        print(f"{count:6} kills of: {what}")
    print(f"{len(account.acknowledged)} instances acknowledged in {account.sent} attempts, {account.results} results")
    print(f"{account.seconds:.0f} s, {len(account.faults)} faults")
    for fault in account.faults:
        print(f"  {fault}")
    if account.faults:
        print(f"everything is kept in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
