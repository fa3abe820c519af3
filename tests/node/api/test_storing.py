"""STOW-RS against the node's own port: with a kept client, with Orthanc, and with what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset

from node.archive.beginning import DEFLATED
from node.roles import SCHEDULER
from node.wake import Wake
from tests.integration.results.sources import write_source
from tests.node.api.serving import BOUNDARY, Served, serving, settings_of
from tests.peers.orthanc import orthanc


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    with serving(settings_of(tmp_path, *getattr(request, "param", ()))) as made:
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A still and a cine."""
    folder = tmp_path_factory.mktemp("files")
    for number, frames in enumerate((1, 3)):
        path = folder / f"{number}.dcm"
        write_source(path, frames=frames)
        ds = pydicom.dcmread(path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.{number}"
        ds.save_as(path)
    return sorted(folder.glob("*.dcm"))


def body_of(*contents: bytes, end: bool = True) -> bytes:
    parts = [f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + each + b"\r\n" for each in contents]
    return b"".join(parts) + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


def data_set_of(path: Path) -> bytes:
    """The bytes after the File Meta Information."""
    content = path.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]


def answered(response: httpx.Response) -> Dataset:
    assert response.headers["content-type"] == "application/dicom+json"
    return Dataset.from_json(response.json())


def test_store__dicomweb_client__instances_lie_in_the_archive_byte_for_byte_and_the_scheduler_wakes(
    served: Served, files: list[Path]
) -> None:
    sent = [pydicom.dcmread(path) for path in files]
    with Wake(served.settings.data_dir, SCHEDULER) as wake:
        answer = DICOMwebClient(served.url).store_instances(sent)
        assert wake.wait(5)
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == {
        ds.SOPInstanceUID for ds in sent
    }
    found = {each.sop_instance_uid: each for each in served.incoming()}
    assert set(found) == {ds.SOPInstanceUID for ds in sent}
    assert {each.calling_ae for each in found.values()} == {"STOW-RS"}


def test_store__files_as_they_lie__are_kept_to_the_byte(served: Served, files: list[Path]) -> None:
    assert served.post(body_of(*(path.read_bytes() for path in files))).status_code == 200
    kept = [data_set_of(each.path) for each in served.incoming()]
    assert sorted(kept) == sorted(data_set_of(path) for path in files)


def test_store__orthanc_sends_a_study__it_arrives(served: Served, files: list[Path], tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as pacs:
        ids = [pacs.client.post("/instances", content=path.read_bytes()).json()["ID"] for path in files]
        pacs.client.put("/dicom-web/servers/node", json={"Url": served.url}).raise_for_status()
        sent = pacs.client.post("/dicom-web/servers/node/stow", json={"Resources": ids, "Synchronous": True})
        assert sent.status_code == 200, sent.text
    assert len(served.incoming()) == len(files)


def test_store__one_bad_among_good__is_told_and_the_good_are_kept(served: Served, files: list[Path]) -> None:
    good = files[0].read_bytes()
    other = pydicom.dcmread(files[1])
    other.file_meta.MediaStorageSOPClassUID = "1.2.3"
    buffer = BytesIO()
    other.save_as(buffer)
    answer = served.post(body_of(b"no file", good, buffer.getvalue()))
    assert answer.status_code == 202
    said = answered(answer)
    assert len(said.ReferencedSOPSequence) == 1
    assert [item.FailureReason for item in said.FailedSOPSequence] == [0xC000, 0x0122]
    assert "SOP class" in answer.headers["warning"]
    assert len(served.incoming()) == 1


def test_store__into_a_study__takes_its_own_instances_alone(served: Served, files: list[Path]) -> None:
    study = pydicom.dcmread(files[0]).StudyInstanceUID
    wrong = served.post(body_of(files[0].read_bytes()), "studies/1.2.3")
    assert (wrong.status_code, [i.FailureReason for i in answered(wrong).FailedSOPSequence]) == (409, [0xA900])
    assert served.incoming() == []
    assert served.post(body_of(files[0].read_bytes()), f"studies/{study}").status_code == 200


def test_store__body_breaks_off__is_400_and_no_half_instance_stays(served: Served, files: list[Path]) -> None:
    answer = served.post(body_of(files[0].read_bytes(), end=False)[:-1000])
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert (served.incoming(), served.left_over()) == ([], [])


def test_store__body_that_stops_coming__ends_after_the_idle_time(served: Served, files: list[Path]) -> None:
    halt = threading.Event()

    def stalling() -> Iterator[bytes]:
        yield body_of(files[0].read_bytes(), end=False)[:-1000]
        halt.wait(20)

    try:
        answer = served.post(stalling())
        assert answer.status_code == 408
    except httpx.TransportError:  # the node may close before the client looks for an answer
        pass
    finally:
        halt.set()
    assert (served.incoming(), served.left_over()) == ([], [])
    assert served.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("served", [(f"{{data_dir: var, min_free_bytes: {2**60}}}",)], indirect=True)
def test_store__disk_full__is_out_of_resources(served: Served, files: list[Path]) -> None:
    answer = served.post(body_of(files[0].read_bytes()))
    assert answer.status_code == 409
    assert [item.FailureReason for item in answered(answer).FailedSOPSequence] == [0xA700]
    assert served.incoming() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/dicom"}, 415),
        ({"Content-Type": 'multipart/related; type="application/dicom"'}, 400),
        ({"Accept": "application/dicom+xml"}, 406),
    ],
)
def test_store__request_that_is_not_taken__says_so(served: Served, headers: dict[str, str], status: int) -> None:
    answer = served.post(body_of(b""), **headers)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}


def test_store__deflated__is_taken(served: Served, files: list[Path]) -> None:
    ds = pydicom.dcmread(files[0])
    ds.file_meta.TransferSyntaxUID = DEFLATED
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    study = str(ds.StudyInstanceUID)
    assert served.post(body_of(buffer.getvalue()), f"studies/{study}").status_code == 200
    assert [each.transfer_syntax_uid for each in served.incoming()] == [DEFLATED]
