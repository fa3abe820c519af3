"""A study put into Orthanc goes to the node by the script that is shipped, and its results come back, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from integration.phantom import SampleStudy
from node.config import load_settings
from tests.peers.nodes import node
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port, wait_until

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "orthanc"
STABLE_S = 1
LIMIT_S = 300


def test_study__put_into_orthanc__comes_back_with_results_and_goes_round_no_further(
    tmp_path: Path, sample: SampleStudy
) -> None:
    shutil.copy(SHIPPED / "echocare.lua", tmp_path / "echocare.lua")
    dicom_port, orthanc_port = free_port(), free_port()
    extra = {"LuaScripts": [str(tmp_path / "echocare.lua")], "StableAge": STABLE_S}
    modalities = {"echocare": ("127.0.0.1", dicom_port)}
    with orthanc(tmp_path / "orthanc", modalities=modalities, dicom_port=orthanc_port, extra=extra) as pacs:
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


@pytest.mark.parametrize("word", ["StableAge", "LuaScripts", "DicomModalities", "echocare", "11112"])
def test_shipped_configuration_of_orthanc__names_what_the_script_needs(word: str) -> None:
    assert word in (SHIPPED / "orthanc.json").read_text()
