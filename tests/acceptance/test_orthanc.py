"""A study put into Orthanc goes to the node by the script that is shipped, and its results come back, once."""

from __future__ import annotations

from pathlib import Path

import yaml

from integration.phantom import SampleStudy
from node.config import load_settings
from tests.peers.nodes import node
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port, wait_until

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "orthanc"
STABLE_S = 1
LIMIT_S = 300
PORT = 11112


def test_study__put_into_orthanc__comes_back_with_results_and_goes_round_no_further(
    tmp_path: Path, sample: SampleStudy
) -> None:
    dicom_port, orthanc_port = free_port(), free_port()
    script = (SHIPPED / "echocare.lua").read_text()
    assert script.count(f", {PORT}\n") == 1
    (tmp_path / "echocare.lua").write_text(script.replace(f", {PORT}\n", f", {dicom_port}\n"))
    extra = {"LuaScripts": [str(tmp_path / "echocare.lua")], "StableAge": STABLE_S}
    with orthanc(tmp_path / "orthanc", dicom_port=orthanc_port, extra=extra) as pacs:
        assert pacs.client.get("/modalities/echocare/configuration").json()["Port"] == dicom_port
        given = yaml.safe_load((SHIPPED / "echocare-node.yaml").read_text())
        given["peers"]["orthanc"]["port"] = orthanc_port
        with node(tmp_path / "node", {**given, "listener": {"dicom_port": dicom_port}}) as running:
            for file in sample.files:
                pacs.client.post("/instances", content=Path(file).read_bytes()).raise_for_status()
            detail = running.wait_results(sample.study_instance_uid, instances=len(sample.files))
            assert len(detail.results) > len(sample.files)
            whole = len(sample.files) + len(detail.results)
            wait_until(lambda: pacs.total() == whole, LIMIT_S, "all results are in Orthanc")
            # the results make the study stable again: the script must find nothing new to send
            (study,) = pacs.client.get("/studies").json()
            wait_until(lambda: pacs.client.get(f"/studies/{study}").json()["IsStable"], LIMIT_S, "stable again")
            jobs = [pacs.client.get(f"/jobs/{each}").json() for each in pacs.client.get("/jobs").json()]
            assert [job["Type"] for job in jobs] == ["DicomModalityStore"]
            assert running.detail(sample.study_instance_uid).overview.instances == len(sample.files)  # type: ignore[union-attr]
            assert pacs.total() == whole


def test_shipped_configuration_of_the_node__loads() -> None:
    settings = load_settings(SHIPPED / "echocare-node.yaml", {})
    assert settings.peers["orthanc"].kind == "dimse"
    assert {name for route in settings.routes for name in route.send_to} == {"orthanc"}


def test_node_that_orthanc_knows_already__stands_as_it_is(tmp_path: Path) -> None:
    extra = {"LuaScripts": [str(SHIPPED / "echocare.lua")]}
    with orthanc(tmp_path, modalities={"echocare": ("127.0.0.1", 4711)}, extra=extra) as pacs:
        assert pacs.client.get("/modalities/echocare/configuration").json()["Port"] == 4711


def test_node__listens_where_the_script_looks_for_it() -> None:
    settings = load_settings(SHIPPED / "echocare-node.yaml", {})
    assert (settings.node.ae_title, settings.listener.dicom_port) == ("ECHOCARE", PORT)
    assert f"'ECHOCARE', '127.0.0.1', {PORT}\n" in (SHIPPED / "echocare.lua").read_text()
