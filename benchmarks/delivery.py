"""Time from a job's end to the acceptance of its results by a peer that is there: DCMTK's storescp, by C-STORE.

python -m benchmarks.delivery [--stills N] [--json]

Each phantom still goes to a real node by DCMTK's storescu, one after another. The clock is the node's own: it starts
with the time that stands in the database as the job's end, and stops with the last of the times at which the peer's
answers to its results (SEG, SR and SC) came. Between the two lie the sync of both transactions, the wake-up of the
outbox, and one association.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from pydicom import dcmread

from benchmarks.latency import OBJECTS, ROUTE
from integration.phantom import Identity, fetal_head, write_still
from node.jobs import StudyDetail
from tests.peers.dcmtk import StoreScp, storescp, storescu
from tests.peers.nodes import RunningNode, node
from tests.peers.processes import wait_until

ASKED_S = 0.2
LIMIT_S = 300.0  # for one still, on a machine as busy as may be


def measure(count: int) -> list[float]:
    """Seconds of `count` + 1 stills; the first also pays for what is loaded once."""
    with tempfile.TemporaryDirectory() as name, storescp(Path(name) / "scp", "--fork") as scp:
        configuration = {
            "node": {"study_quiet_s": 0.2},
            "peers": {"pacs": scp.peer},
            "routes": [ROUTE],
            "models": {"device": "cpu"},
        }
        with node(Path(name) / "node", configuration) as here:
            return [one(here, scp, number, Path(name)) for number in range(count + 1)]


def one(here: RunningNode, scp: StoreScp, number: int, folder: Path) -> float:
    """Seconds of one still."""
    scene = fetal_head(number, rows=600, columns=800)
    path = write_still(scene, folder / f"{number}.dcm", Identity(study=f"delivery {number}"))
    study = str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)
    wanted = len(scp.files) + OBJECTS
    sent = storescu(here.port, [path])
    assert sent.returncode == 0, sent.stderr

    def accepted() -> bool:
        found = here.detail(study)
        return found is not None and sum(each.accepted_at is not None for each in found.deliveries) >= OBJECTS

    wait_until(lambda: len(scp.files) >= wanted, LIMIT_S, f"storescp has the results of still {number}")
    wait_until(accepted, LIMIT_S, f"results of still {number} are accepted")
    found = here.detail(study)
    assert found is not None
    return seconds(found)


def seconds(found: StudyDetail) -> float:
    """From the job's end to the last acceptance."""
    (job,) = found.jobs
    assert job.finished_at is not None
    accepted = max(each.accepted_at for each in found.deliveries if each.accepted_at is not None)
    return (accepted - job.finished_at).total_seconds()


def main() -> None:
    """Measure and print the median and the worst."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--stills", type=int, default=20)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    first, *warm = measure(given.stills)
    if given.json:
        print(json.dumps({"seconds": warm, "first": first, "asked": ASKED_S}))
        return
    print(
        f"job done to results accepted by storescp: median {statistics.median(warm):.3f} s, "
        f"worst of {len(warm)} {max(warm):.3f} s, first after start {first:.3f} s; asked: {ASKED_S:g} s"
    )


if __name__ == "__main__":
    main()
