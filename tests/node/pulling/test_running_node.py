"""A node as its users start it, beside a real Orthanc: priors and the images of a work item come by themselves."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from node.db import connect, read
from node.jobs import StudyDetail, list_events
from tests.node.pulling.prior_bench import BEFORE, CURRENT, LAST, older_studies, part_10
from tests.node.worker.bench import still
from tests.node.workitems.items import encoded, item
from tests.node.workitems.test_fetching import had_at
from tests.peers.dcmtk import storescu
from tests.peers.nodes import ENDED, RunningNode, node
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port, listens, wait_until

pytestmark = [pytest.mark.xdist_group("pulling"), pytest.mark.timeout(2400)]
ASSIGNED = "1.2.5"
WORKITEM = "1.2.826.9.1"
WAIT_S = 900.0


def test_node__beside_a_pacs__fetches_priors_and_what_a_work_item_names(tmp_path: Path) -> None:
    port = free_port()
    extra = {"DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True}
    with orthanc(tmp_path / "orthanc", modalities={"ECHOCARE": ("127.0.0.1", port)}, extra=extra) as there:
        for ds in (*older_studies(), still(ASSIGNED, 1, PatientID="ANOTHER")):
            there.client.post("/instances", content=part_10(ds)).raise_for_status()
        configuration = {
            "listener": {"dicom_port": port, "processes": 1},
            "peers": {"pacs": {**there.peer, "retrieve": "move"}, "out": {"kind": "folder", "path": "out"}},
            "routes": [
                {
                    "name": "fetal",
                    "when": f'instance.StudyInstanceUID != "{ASSIGNED}"',
                    "task": "fetal-head",
                    "send_to": ["out"],
                    "priors": {"wait_s": WAIT_S},
                }
            ],
            "workitems": {"send_to": ["out"]},
        }
        with node(tmp_path / "node", configuration) as running:
            wait_until(lambda: listens(running.http_port), WAIT_S, f"it answers by HTTP; {running.log}")
            path = tmp_path / "current.dcm"
            path.write_bytes(part_10(still(CURRENT, 1)))
            assert storescu(running.port, [path]).returncode == 0
            root = f"http://127.0.0.1:{running.http_port}/dicom-web/workitems"
            asked = encoded(item(study=ASSIGNED, InputInformationSequence=inputs_at("ORTHANC")))
            headers = {"Content-Type": "application/dicom+json"}
            assert httpx.post(f"{root}?workitem={WORKITEM}", content=asked, headers=headers).status_code == 201

            detail = running.wait_for(CURRENT, done, "the study's job is done", WAIT_S)
            assert {each.study_uid: each.state.value for each in detail.priors} == {LAST: "here", BEFORE: "here"}
            assert [job.state.value for job in detail.jobs] == ["done"]
            assert "study.priors_late" not in events(running)
            wait_until(lambda: state(root) == "COMPLETED", WAIT_S, f"the work item is done; {running.log}")
            for uid in (LAST, BEFORE):
                prior = running.detail(uid)
                assert prior is not None
                assert (prior.overview.prior, prior.jobs, prior.results) == (True, (), ())
            wait_until(lambda: {each.name for each in out(running)} == {CURRENT, ASSIGNED}, WAIT_S, "results are out")


def inputs_at(title: str) -> list[object]:
    (found,) = had_at(title)
    found.StudyInstanceUID = ASSIGNED
    return [found]


def done(detail: StudyDetail) -> bool:
    return bool(detail.jobs) and all(job.state.value in ENDED for job in detail.jobs)


def state(root: str) -> str:
    answer = httpx.get(f"{root}/{WORKITEM}", headers={"Accept": "application/dicom+json"})
    return str(answer.json()[0]["00741000"]["Value"][0])


def out(running: RunningNode) -> list[Path]:
    folder = running.folder / "out"
    return list(folder.iterdir()) if folder.exists() else []


def events(running: RunningNode) -> list[str]:
    engine = connect(running.settings.database)
    try:
        with read(engine) as connection:
            return [each.what for each in list_events(connection, kind="study", key=CURRENT)]
    finally:
        engine.dispose()
