"""Time from a still's last byte to its results in Orthanc, the quiet timer subtracted.

python -m benchmarks.latency [--stills N]

Each phantom still goes to a real node by DCMTK's storescu, one after another. The clock starts when storescu has ended
with Success and stops when Orthanc holds all results of the still: SEG, SR and SC.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from integration.phantom import Identity, fetal_head, write_still
from tests.peers.dcmtk import storescu
from tests.peers.nodes import node
from tests.peers.orthanc import orthanc
from tests.peers.processes import wait_until

QUIET_S = 1.0
LIMIT_S = 60.0
OBJECTS = 3
ROUTE = {"name": "fetal", "when": 'instance.Modality == "US"', "task": "fetal-head", "send_to": ["pacs"]}


def measure(count: int) -> list[float]:
    """Seconds of `count` + 1 stills; the first also pays for what is loaded once."""
    seconds = []
    with tempfile.TemporaryDirectory() as name, orthanc(Path(name) / "orthanc") as pacs:
        configuration = {
            "node": {"study_quiet_s": QUIET_S},
            "peers": {"pacs": pacs.peer},
            "routes": [ROUTE],
            "models": {"device": "cpu"},
        }
        with node(Path(name) / "node", configuration) as here:
            for number in range(count + 1):
                scene = fetal_head(number, rows=600, columns=800)
                path = write_still(scene, Path(name) / f"{number}.dcm", Identity(study=f"latency {number}"))
                wanted = pacs.total() + OBJECTS
                sent = storescu(here.port, [path])
                start = time.monotonic()
                assert sent.returncode == 0, sent.stderr
                wait_until(lambda wanted=wanted: pacs.total() >= wanted, LIMIT_S, f"results of still {number}")
                seconds.append(time.monotonic() - start - QUIET_S)
    return seconds


def main() -> None:
    """Measure and print the median and the worst."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--stills", type=int, default=10)
    first, *warm = measure(options.parse_args().stills)
    print(
        f"still to results in Orthanc, quiet timer subtracted: median {statistics.median(warm):.2f} s, "
        f"worst of {len(warm)} {max(warm):.2f} s, first after start {first:.2f} s"
    )


if __name__ == "__main__":
    main()
