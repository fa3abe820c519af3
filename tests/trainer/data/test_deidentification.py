"""What identifies somebody is gone from header and pixels, and the report says what was done where."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as basic_profile
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.uid import ExplicitVRLittleEndian

from tests.trainer.data.made import dicom_file, image_folder, noise, one_region
from trainer.data.dicom_folder import KEPT, DicomFolder, Taking
from trainer.data.finding import find_sources
from trainer.data.gathering import gather
from trainer.data.image_folder import SHARED
from trainer.data.pictures import Item, Picture
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.data.shards import Options, make_shards
from trainer.data.tars import read_shard

KEY = Pseudonyms(b"a key that only the tests have")
REGION = (40, 60, 359, 279)  # left, top, right, bottom
ABOVE, BESIDE, ON_TISSUE = (50, 30), (46, 78), (180, 200)  # where three lines of text begin, px of the frame
LINE_PX = 14  # no line is higher
FONT = cv2.FONT_HERSHEY_SIMPLEX


def written(text: str, at: tuple[int, int]) -> np.ndarray:
    """The strokes of a line of text on a frame."""
    return cv2.putText(np.zeros((300, 400), np.uint8), text, at, FONT, 0.4, 255, 1) > 0


STROKES = {"above": written("ZZNAME^A 04.03.1902", ABOVE), "beside": written("ZZID77", BESIDE)}
STROKES["tissue"] = written("D1 4.2", ON_TISSUE)


def labelled(path: Path) -> Path:
    """A trapezium of tissue in its region; a name above the region, an id beside the tissue, and a length on it."""
    dicom_file(path)
    frame = np.zeros((300, 400), np.uint8)
    cv2.fillConvexPoly(frame, np.array([[150, 62], [250, 62], [340, 275], [60, 275]]), 1)
    frame *= np.maximum(cv2.resize(noise(5, 128), (400, 300)), 20)
    for strokes in STROKES.values():
        frame[strokes] = 255
    ds = dcmread(path)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Rows, ds.Columns = frame.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.pop("PlanarConfiguration", None)
    ds.PixelData = frame.tobytes()
    ds["PixelData"].VR = "OB"
    ds.save_as(path)
    one_region(path, *REGION)
    return path


def only_picture(folder: Path) -> Picture:
    source = DicomFolder(folder, "made", Taking())
    (item,) = source.items()
    assert isinstance(item, Item)
    (picture,) = source.pictures(item)
    assert isinstance(picture, Picture)
    return picture


def about(box: tuple[int, int, int, int], at: tuple[int, int]) -> bool:
    """Whether a box is that of the line of text that begins there."""
    left, top, right, bottom = box
    return abs(left - at[0]) <= 4 and at[1] - LINE_PX <= top <= bottom <= at[1] + 5 and right > left + 10


def test_kept_attributes__none_that_the_basic_profile_removes_or_replaces():
    """Against PS3.15 table E.1-1 (2026c), as dicom-anonymizer carries it."""
    named = {keyword_for_tag(tag) for tag in basic_profile.ALL_TAGS if len(tag) == 2}
    assert {"PatientName", "PatientID", "StudyInstanceUID", "DeviceSerialNumber"} <= named
    assert not KEPT & named


def test_picture__text_above_beside_and_on_the_tissue__no_stroke_is_left(tmp_path):
    labelled(tmp_path / "in" / "a.dcm")
    picture = only_picture(tmp_path / "in")
    left, top, right, bottom = REGION
    assert picture.image.shape == (bottom - top + 1, right - left + 1)
    for name in ("beside", "tissue"):
        strokes = STROKES[name][top : bottom + 1, left : right + 1]
        assert strokes.sum() > 30
        assert picture.image[strokes].max() < 150, name
    assert picture.image.mean() > 10  # the tissue stayed


def test_picture__text_painted_over__said_where(tmp_path):
    labelled(tmp_path / "in" / "a.dcm")
    change = only_picture(tmp_path / "in").change
    assert change.box == REGION  # the line above it was cut away with all that lies outside
    for at in (BESIDE, ON_TISSUE):
        assert any(about(box, at) for box in change.painted), (at, change.painted)
    assert len(change.painted) <= 6


def test_report_of_shards__dicom__each_file_what_was_removed_replaced_cut_and_painted(tmp_path):
    labelled(tmp_path / "in" / "a.dcm")
    out = tmp_path / "out"
    make_shards(find_sources([tmp_path / "in"], Taking()), out, KEY, Options())
    (entry,) = [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()[1:]]
    (sample,) = [sample for path in out.glob("*.tar") for sample in read_shard(path)]
    (headers,) = entry["headers"]
    (told,) = entry["samples"]
    assert sample.key == told["key"]
    assert sample.key.startswith(headers["files"][0])
    assert {"PatientName", "PatientID", "PatientBirthDate", "InstitutionName", "private"} <= set(headers["removed"])
    assert headers["replaced"] == ["file name", "PatientID"]
    assert told["box"] == list(REGION)
    assert told["painted"]
    assert not set(KEPT) & set(headers["removed"])


def test_report_of_a_cohort__kept_beside_it_and_names_nobody(tmp_path):
    labelled(tmp_path / "in" / "a.dcm")
    gather(tmp_path / "in", Query(), tmp_path / "site", KEY, Taking())
    text = (tmp_path / "site" / "report.json").read_text()
    report = json.loads(text)
    assert "PatientName" in report["headers"][0]["removed"]
    assert all(change["painted"] for change in report["pictures"].values())
    assert not [secret for secret in ("ZZNAME", "ZZID77", "a.dcm") if secret in text]


def test_report_of_shards__image_folder__columns_left_behind_and_calipers_painted(tmp_path):
    picture = noise(1)
    cv2.drawMarker(picture, (40, 50), 255, cv2.MARKER_CROSS, 9, 1)
    folder = image_folder(tmp_path / "own", {"a": picture}, operator={"a": "ZZNAME"})
    out = tmp_path / "out"
    make_shards(find_sources([folder], Taking()), out, KEY, Options())
    (entry,) = [json.loads(line) for line in (out / "report.jsonl").read_text().splitlines()[1:]]
    (headers,) = entry["headers"]
    assert (headers["removed"], headers["replaced"]) == (["operator"], ["id", "patient_id"])
    assert any(x0 <= 40 <= x1 and y0 <= 50 <= y1 for x0, y0, x1, y1 in entry["samples"][0]["painted"])
    assert "operator" not in SHARED
