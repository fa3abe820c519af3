"""Local cohorts: which images a query takes, and what of them is written."""

from __future__ import annotations

import csv
from datetime import date

import pytest
from pydicom import Dataset, dcmread

from tests.trainer.data.made import SECRETS, dicom_file
from trainer.catalogue.errors import NotInCatalogue
from trainer.data.cohort import read_gray, rows
from trainer.data.dicom_folder import Taking
from trainer.data.errors import OtherShards
from trainer.data.finding import find_sources
from trainer.data.gathering import gather
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.data.shards import Options, make_shards
from trainer.errors import MissingData

KEY = Pseudonyms(b"a key that only the tests have")
TRUSTED = Taking(frames=3, trusted=True)


def header(**attributes: str) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.fixture
def archive(tmp_path):
    """As the node lays it out: a breast of one patient, a cine without body part of another, and a result's file."""
    there = tmp_path / "archive" / "instances" / "ab" / "study"
    dicom_file(there / "a.dcm", seed=1, patient="ZZID77", BodyPartExamined="BREAST", StudyDate="20260301")
    dicom_file(there / "b.dcm", seed=2, patient="ZZID78", frames=4, BodyPartExamined="", StudyDate="20260401")
    (tmp_path / "archive" / "incoming").mkdir()
    (tmp_path / "archive" / "incoming" / "half.part").write_bytes(b"not whole")
    return tmp_path / "archive"


def index_of(out):
    with (out / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_gather__organ_asked_for__only_its_images_with_its_words(archive, tmp_path):
    result = gather(archive, Query(organ="breast"), tmp_path / "out", KEY, TRUSTED)
    found = index_of(tmp_path / "out")
    assert result.patients == 1
    assert {(row["region"], row["organ"]) for row in found} == {("thorax", "breast")}
    assert result.left_out == {}


def test_gather__no_query__all_images_and_frames_evenly_apart(archive, tmp_path):
    result = gather(archive, Query(), tmp_path / "out", KEY, TRUSTED)
    assert result.patients == 2
    assert {row["frame"] for row in index_of(tmp_path / "out") if not row["organ"]} == {"1", "2", "4"}


def test_gather__secrets_in_the_headers__none_reaches_any_file_or_name(archive, tmp_path):
    gather(archive, Query(), tmp_path / "out", KEY, TRUSTED)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() + str(path).encode() for path in written)
    uids = [str(dcmread(path).SOPInstanceUID) for path in archive.rglob("*.dcm")]
    assert not [secret for secret in (*SECRETS, *uids, "20260301") if secret.encode() in everything]


def test_gather__cohort__read_by_the_trainer_as_any_data_set(archive, tmp_path):
    out = tmp_path / "out"
    result = gather(archive, Query(), out, KEY, TRUSTED)
    for split, count in result.by_split.items():
        found = rows(out, split)
        assert len(found) == count
        assert all(read_gray(out / row["image"]).ndim == 2 for row in found)


def test_gather__then_shards__organ_and_split_go_along(archive, tmp_path):
    gather(archive, Query(organ="breast"), tmp_path / "site", KEY, TRUSTED)
    wanted = {row["split"] for row in index_of(tmp_path / "site")}
    made = make_shards(find_sources([tmp_path / "site"], Taking()), tmp_path / "shards", KEY, Options())
    assert made["by_organ"] == {"breast": made["samples"]}
    assert set(made["by_split"]) == wanted


def test_gather__nothing_matches_or_no_archive__says_so_and_writes_no_index(archive, tmp_path):
    with pytest.raises(MissingData, match="asks for no image"):
        gather(archive, Query(organ="liver"), tmp_path / "out", KEY, TRUSTED)
    with pytest.raises(MissingData, match="is no folder"):
        gather(tmp_path / "none", Query(), tmp_path / "out", KEY, TRUSTED)
    assert not (tmp_path / "out" / "index.csv").exists()


def test_gather__images_that_may_not_be_taken__says_why(tmp_path):
    dicom_file(tmp_path / "in" / "a.dcm", SequenceOfUltrasoundRegions=None, BurnedInAnnotation="YES")
    with pytest.raises(MissingData, match=r"none of the 1 images .* screen\.no-region"):
        gather(tmp_path / "in", Query(), tmp_path / "out", KEY, Taking())


def test_gather__folder_that_holds_a_cohort__refused(archive, tmp_path):
    gather(archive, Query(), tmp_path / "out", KEY, TRUSTED)
    with pytest.raises(OtherShards, match="holds a cohort already"):
        gather(archive, Query(), tmp_path / "out", KEY, TRUSTED)


@pytest.mark.parametrize(
    ("day", "taken"), [("20260301", True), ("20260331", True), ("20260228", False), ("20260401", False), ("", False)]
)
def test_query__days__both_ends_belong_to_it(day, taken):
    query = Query(since=date(2026, 3, 1), until=date(2026, 3, 31))
    assert query.wants(header(StudyDate=day)) is taken


def test_query__study_date_unreadable__next_date_counts():
    assert Query(since=date(2026, 1, 1)).wants(header(StudyDate="", AcquisitionDate="20260102"))


@pytest.mark.parametrize("device", ["acme", "VOL-7", "room 2"])
def test_query__device__part_of_maker_model_or_station_in_any_case(device):
    assert Query(device=device).wants(header(Manufacturer="ACME", ManufacturerModelName="Vol-7", StationName="Room 2"))
    assert not Query(device=device).wants(header(Manufacturer="Other"))


def test_query__region__organs_of_it_belong_to_it():
    assert Query(region="thorax").wants(header(BodyPartExamined="HEART"))
    assert not Query(region="thorax").wants(header(BodyPartExamined="LIVER"))


def test_query__word_that_the_catalogue_lacks__refused_before_anything_is_read():
    with pytest.raises(NotInCatalogue, match="soul"):
        Query(organ="soul")
