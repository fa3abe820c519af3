"""A real Orthanc with its DICOMweb plugin, in a folder of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from pydicom import Dataset, dcmread

from tests.peers.ports import free_port, program, wait_until

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthanc:
    """Where it answers; what it holds."""

    ae_title: str
    dicom_port: int
    http_port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def instances(self, study_uid: str) -> list[dict[str, Any]]:
        """QIDO-RS of a study's instances (PS3.18 10.6); empty while it does not know the study."""
        answer = httpx.get(
            f"{self.url}/dicom-web/studies/{study_uid}/instances",
            headers={"Accept": "application/dicom+json"},
            params={"includefield": "00080016"},
            timeout=30,
        )
        return list(answer.json()) if answer.status_code == 200 else []

    def count(self) -> int:
        """Instances of all studies."""
        return int(httpx.get(f"{self.url}/statistics", timeout=30).json()["CountInstances"])

    def retrieve(self, study_uid: str, series_uid: str, sop_uid: str) -> Dataset:
        """WADO-RS of one instance (PS3.18 10.4), as it lies there."""
        answer = httpx.get(
            f"{self.url}/dicom-web/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}",
            headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
            timeout=60,
        )
        answer.raise_for_status()
        boundary = answer.headers["content-type"].split("boundary=")[1].split(";")[0].strip('"').encode()
        body = answer.content.split(b"--" + boundary)[1].split(b"\r\n\r\n", 1)[1]
        return dcmread(BytesIO(body.removesuffix(b"\r\n")))


@contextmanager
def orthanc(folder: Path, ae_title: str = "ORTHANC") -> Iterator[Orthanc]:
    """Run Orthanc until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    dicom_port, http_port = free_port(), free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [str(PLUGIN)],
        "DicomAet": ae_title,
        "DicomPort": dicom_port,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([program("Orthanc", "orthanc orthanc-dicomweb"), str(path)], stdout=log, stderr=log)
    peer = Orthanc(ae_title=ae_title, dicom_port=dicom_port, http_port=http_port, process=process)

    def answers() -> bool:
        assert process.poll() is None, (folder / "orthanc.log").read_text(errors="replace")[-2000:]
        try:
            return httpx.get(f"{peer.url}/dicom-web/studies?limit=1", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "Orthanc to answer", step_s=0.05)
        yield peer
    finally:
        process.kill()
        process.wait()
