"""A PACS as a source, by DICOMweb and by C-MOVE: a real Orthanc gives what was asked for, and no less is told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from integration.dimse import Peer
from integration.dimse.receiving import Receiving
from integration.dimse.retrieve import DimsePacs
from integration.retrieval import Wanted, days, is_uid
from tests.peers.orthanc import AE_TITLE, Orthanc, orthanc
from tests.peers.processes import free_port
from tests.trainer.data.made import SECRETS, dicom_file
from trainer.cli import app
from trainer.data.dicom_folder import DicomFolder, Taking
from trainer.data.errors import BadAddress, HalfFetched
from trainer.data.fetching import fetch, folder_for, remote_at
from trainer.data.pictures import Item
from trainer.errors import MissingData

pytestmark = pytest.mark.xdist_group("fetching")  # one Orthanc, and one port that it sends to
PORT = free_port()
RECEIVE = f"ECHOCARE@127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Two studies of March, of one image and of a cine, and one of May."""
    folder = tmp_path_factory.mktemp("pacs")
    with orthanc(folder / "orthanc", modalities={"ECHOCARE": ("127.0.0.1", PORT)}) as there:
        for seed, (day, frames) in enumerate([("20260301", 1), ("20260302", 3), ("20260501", 1)], 1):
            path = dicom_file(folder / f"{seed}.dcm", seed=seed, frames=frames, patient=f"ZZID{seed}", StudyDate=day)
            there.client.post("/instances", content=path.read_bytes()).raise_for_status()
        yield there


@pytest.fixture(params=["dicomweb", "dimse"])
def address(request, pacs: Orthanc) -> str:
    if request.param == "dicomweb":
        return f"http://127.0.0.1:{pacs.http_port}/dicom-web"
    return f"dimse://{AE_TITLE}@127.0.0.1:{pacs.dicom_port}"


def files(folder: Path) -> dict[str, bytes]:
    """Pixel data by SOP Instance UID."""
    found = [dcmread(path) for path in folder.rglob("*.dcm")]
    return {str(ds.SOPInstanceUID): ds.PixelData for ds in found}


def test_fetch__days_asked_for__all_of_their_images_as_the_pacs_has_them(address, pacs, tmp_path):
    told = []
    count = fetch(
        remote_at(address, RECEIVE),
        tmp_path / "there",
        date(2026, 3, 1),
        date(2026, 3, 31),
        lambda done, of: told.append((done, of)),
    )
    found = files(tmp_path / "there")
    assert count == len(found) == 2
    assert told[-1] == (2, 2)
    stored = [pacs.client.get(f"/instances/{uid}/file").content for uid in pacs.client.get("/instances").json()]
    assert all(any(pixels in content for content in stored) for pixels in found.values())
    items = list(DicomFolder(tmp_path / "there", "pacs", Taking()).items())
    assert len(items) == 2
    assert all(isinstance(item, Item) for item in items)
    assert (tmp_path / "there").stat().st_mode & 0o077 == 0


def test_fetch__one_image_cannot_be_kept__told_the_others_kept_and_the_same_again_fetches_it(address, tmp_path):
    there, remote = tmp_path / "there", remote_at(address, RECEIVE)
    study = remote.studies(Wanted(study={"StudyDate": "20260301"}), 1)[0]
    first = remote.series(study.uid, Wanted())[0]
    blocked = there / first.study / first.uid / f"{first.instances[0].uid}.part"
    blocked.mkdir(parents=True)
    with pytest.raises(HalfFetched, match=r"of 3 images .* cannot be written in .* The same command fetches"):
        fetch(remote, there, None, None)
    kept = {path: path.stat().st_mtime_ns for path in there.rglob("*.dcm")}
    blocked.rmdir()
    assert fetch(remote, there, None, None) == len(files(there)) == 3
    assert kept.items() <= {path: path.stat().st_mtime_ns for path in there.rglob("*.dcm")}.items()


def test_fetch__no_study_of_these_days__says_so(address, tmp_path):
    with pytest.raises(MissingData, match="no ultrasound study of these days"):
        fetch(remote_at(address, RECEIVE), tmp_path, None, date(2020, 1, 1))


def test_fetch__pacs_that_is_not_there__says_so(tmp_path):
    for address in (f"http://127.0.0.1:{free_port()}/dicom-web", f"dimse://NOBODY@127.0.0.1:{free_port()}"):
        with pytest.raises(MissingData, match="no connection to"):
            fetch(remote_at(address, RECEIVE), tmp_path, None, None)


def test_fetch__pacs_does_not_know_where_to_send__says_what_it_must_know(pacs, tmp_path):
    peer = Peer(ae_title=AE_TITLE, host="127.0.0.1", port=pacs.dicom_port)
    stranger = DimsePacs(peer, Receiving(ae_title="STRANGER", port=free_port()))
    with pytest.raises(HalfFetched, match="0 of 3 images"):
        fetch(stranger, tmp_path, None, None)


def test_shards__pacs_as_the_source__shards_of_its_images_and_word_of_the_files_beside(pacs, tmp_path):
    out = tmp_path / "made"
    words = ["shards", f"http://127.0.0.1:{pacs.http_port}/dicom-web", "--since", "2026-05-01", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--nothing-burned-in"])
    assert done.exit_code == 0, done.output
    assert "They name patients" in done.output
    assert json.loads((out / "manifest.json").read_text())["samples"] >= 1
    assert len(files(tmp_path / "made.fetched")) == 1
    written = b"".join(path.read_bytes() for path in out.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in written]


def test_cohort__pacs_that_does_not_know_us__one_line_and_status_one(pacs, tmp_path):
    words = ["cohort", "--archive", f"dimse://{AE_TITLE}@127.0.0.1:{pacs.dicom_port}", "--out", str(tmp_path / "made")]
    done = CliRunner().invoke(app, [*words, "--receive", f"STRANGER@127.0.0.1:{free_port()}"])
    assert done.exit_code == 1
    assert "it must know the calling AE title STRANGER" in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "address", ["ftp://host", "dimse://host:104", "dimse://A@host:port", "https://me:secret@host/dicom-web"]
)
def test_remote_at__no_address_of_a_pacs__refused_without_the_password(address):
    with pytest.raises(BadAddress) as told:
        remote_at(address, RECEIVE)
    assert "secret" not in str(told.value)


def test_folder_for__same_address__same_folder_beside_what_is_made(tmp_path):
    first, second = (folder_for(address, tmp_path / "shards") for address in ("dimse://A@b:1", "dimse://A@b:2"))
    assert first != second
    assert first == folder_for("dimse://A@b:1", tmp_path / "shards")
    assert tmp_path / "shards" not in first.parents


def test_days_and_uids__as_queries_and_file_names_have_them():
    assert days(date(2026, 3, 1), None) == "20260301-"
    assert days(None, date(2026, 3, 1)) == "-20260301"
    assert days(None, None) == ""
    assert [is_uid(word) for word in ("1.2.840", "..", "../x", "", "1" * 65)] == [True, False, False, False, False]
