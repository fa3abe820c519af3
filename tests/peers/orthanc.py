"""A real Orthanc with its DICOMweb plugin, on ports and in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread

from tests.peers.processes import free_port, program, running

PLUGINS = (Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc"))
AE_TITLE = "ORTHANC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthanc:
    """A running Orthanc."""

    dicom_port: int
    http_port: int
    client: httpx.Client = field(repr=False)

    @property
    def peer(self) -> dict[str, Any]:
        """As a peer in the node's configuration."""
        return {"kind": "dimse", "ae_title": AE_TITLE, "host": "127.0.0.1", "port": self.dicom_port}

    def instances(self, study: str) -> list[dict[str, Any]]:
        """QIDO-RS: the instances of a study, by DICOM tag."""
        answer = self.client.get(f"/dicom-web/studies/{study}/instances", params={"includefield": "all"})
        if answer.status_code == 204 or not answer.content:
            return []
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def uids(self, study: str) -> set[str]:
        """SOP Instance UIDs of a study, by QIDO-RS."""
        return {instance["00080018"]["Value"][0] for instance in self.instances(study)}

    def retrieve(self, study: str, series: str, instance: str) -> Dataset:
        """WADO-RS: one instance."""
        answer = self.client.get(
            f"/dicom-web/studies/{study}/series/{series}/instances/{instance}",
            headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
        )
        answer.raise_for_status()
        head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + answer.content).get_payload()
        assert isinstance(parts, list)
        assert len(parts) == 1
        part = parts[0]
        assert isinstance(part, Message)
        body = part.get_payload(decode=True)
        assert isinstance(body, bytes)
        return dcmread(BytesIO(body))

    def total(self) -> int:
        """How many instances it holds."""
        return int(self.client.get("/statistics").json()["CountInstances"])


@contextmanager
def orthanc(
    folder: Path,
    *,
    modalities: Mapping[str, tuple[str, int]] | None = None,
    dicom_port: int | None = None,
    http_port: int | None = None,
    extra: Mapping[str, Any] | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[Orthanc]:
    """Start an Orthanc and stop it at the end of the block.

    Parameters
    ----------
    folder
        For its storage, its configuration and its log.
    modalities
        AE titles with address and port that it knows.
    dicom_port, http_port
        None takes a free one.
    extra
        Further keys of its configuration.
    login
        User and password, where `extra` asks for one.
    """
    plugin = next((path for place in PLUGINS for path in place.glob("libOrthancDicomWeb.so*")), None)
    if plugin is None:
        pytest.fail("Orthanc's DICOMweb plugin is missing: make setup, or apt-get install orthanc-dicomweb")
    http_port, port = http_port or free_port(), dicom_port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "orthanc.json"
    configuration.write_text(
        json.dumps(
            {
                "Name": "test",
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "HttpPort": http_port,
                "DicomPort": port,
                "DicomAet": AE_TITLE,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAlwaysAllowStore": True,
                "DicomCheckCalledAet": True,
                "UnknownSopClassAccepted": True,
                "OverwriteInstances": True,
                "DicomModalities": {
                    name: [name.upper(), address, number] for name, (address, number) in (modalities or {}).items()
                },
                "Plugins": [str(plugin)],
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
                **(extra or {}),
            }
        )
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{http_port}", timeout=60, trust_env=False, auth=login) as client:

        def ready() -> bool:
            try:
                return client.get("/system").status_code == 200
            except httpx.HTTPError:
                return False

        command = [program("Orthanc", "orthanc"), str(configuration)]
        with running(command, folder / "orthanc.log", ready):
            yield Orthanc(dicom_port=port, http_port=http_port, client=client)
