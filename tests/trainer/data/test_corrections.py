"""Outlines that came back to the archive, as masks of a cohort."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tests.trainer.data.made import SECRETS, dicom_file, one_region, segmentation
from trainer.data.cohort import read_gray
from trainer.data.corrections import NOT_BINARY, UNREADABLE
from trainer.data.dicom_folder import Taking
from trainer.data.finding import find_sources
from trainer.data.gathering import gather
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.data.shards import Options, make_shards
from trainer.data.tars import read_shard

KEY = Pseudonyms(b"a key that only the tests have")
BOX = (20, 30, 219, 179)  # left, top, right, bottom of the declared region


def disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:192, :256]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@pytest.fixture
def cine(tmp_path):
    path = dicom_file(tmp_path / "in" / "cine.dcm", frames=5)
    one_region(path, *BOX)
    return path


def gathered(tmp_path, **query):
    result = gather(tmp_path / "in", Query(**query), tmp_path / "out", KEY, Taking(frames=2))
    with (tmp_path / "out" / "index.csv").open(newline="") as file:
        return result, {row["frame"]: row for row in csv.DictReader(file)}


def mask_of(tmp_path, row):
    return read_gray(tmp_path / "out" / row["mask"])


def test_correction__drawn_on_a_frame__its_mask_cut_as_the_picture_is(tmp_path, cine):
    segmentation(tmp_path / "in" / "seg.dcm", cine, {3: disc(120, 90, 25)})
    result, found = gathered(tmp_path)
    assert result.with_outlines == 1
    assert set(found) == {"1", "3", "5"}
    assert np.array_equal(mask_of(tmp_path, found["3"]) == 1, disc(120, 90, 25)[30:180, 20:220])
    assert found["1"]["mask"] == ""


def test_correction__written_by_highdicom_which_names_the_one_segment_once_for_all_frames__its_mask(tmp_path):
    image = dicom_file(tmp_path / "in" / "still.dcm")
    one_region(image, *BOX)
    nodule = Code("27925004", "SCT", "Nodule")
    drawn = Segmentation(
        source_images=[dcmread(image)],
        pixel_array=disc(120, 90, 25),
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(
                segment_number=1,
                segment_label="a lump",
                segmented_property_category=Code("49755003", "SCT", "Morphologically Abnormal Structure"),
                segmented_property_type=nodule,
                algorithm_type="MANUAL",
            )
        ],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="a viewer",
        manufacturer_model_name="a viewer",
        software_versions="1",
        device_serial_number="1",
    )
    assert "SegmentIdentificationSequence" not in drawn.PerFrameFunctionalGroupsSequence[0]
    drawn.save_as(tmp_path / "in" / "seg.dcm")
    result, found = gathered(tmp_path)
    assert (result.with_outlines, result.left_out) == (1, {"dicom.not-ultrasound": 1})
    assert np.array_equal(mask_of(tmp_path, found["1"]) == 1, disc(120, 90, 25)[30:180, 20:220])


def test_correction__automatic_as_the_node_sent_it__no_label(tmp_path, cine):
    segmentation(tmp_path / "in" / "seg.dcm", cine, {3: disc(120, 90, 25)}, by="AUTOMATIC")
    result, found = gathered(tmp_path)
    assert result.with_outlines == 0
    assert set(found) == {"1", "5"}


def test_correction__mended_twice__the_later_one_stands(tmp_path, cine):
    segmentation(tmp_path / "in" / "a.dcm", cine, {1: disc(60, 60, 20)}, at="120000")
    segmentation(tmp_path / "in" / "b.dcm", cine, {1: disc(150, 120, 20)}, at="110000", by="SEMIAUTOMATIC")
    _, found = gathered(tmp_path)
    assert np.array_equal(mask_of(tmp_path, found["1"]) == 1, disc(60, 60, 20)[30:180, 20:220])


def test_corrected_only__images_without_outlines__not_taken(tmp_path, cine):
    one_region(dicom_file(tmp_path / "in" / "other.dcm", seed=9, patient="ZZID78"), *BOX)
    segmentation(tmp_path / "in" / "seg.dcm", cine, {3: disc(120, 90, 25)})
    assert gathered(tmp_path, corrected=True)[0].patients == 1


def test_correction__free_text_label__does_not_reach_the_cohort(tmp_path, cine):
    segmentation(tmp_path / "in" / "seg.dcm", cine, {3: disc(120, 90, 25)})
    gathered(tmp_path)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert not [secret for secret in SECRETS if secret.encode() in everything]


def test_correction__damaged_or_not_binary__counted_and_the_images_are_taken(tmp_path, cine):
    segmentation(tmp_path / "in" / "a.dcm", cine, {1: disc(60, 60, 20)}, kind="FRACTIONAL")
    cut = segmentation(tmp_path / "in" / "b.dcm", cine, {1: disc(60, 60, 20)})
    cut.write_bytes(cut.read_bytes()[:-2000])
    result, _ = gathered(tmp_path)
    assert result.pictures == 2
    assert (result.left_out[NOT_BINARY], result.left_out[UNREADABLE]) == (1, 1)


def test_correction__of_another_size_than_the_image__no_mask(tmp_path, cine):
    segmentation(tmp_path / "in" / "seg.dcm", cine, {1: np.ones((64, 64), bool)})
    assert gathered(tmp_path)[0].with_outlines == 0


def test_correction__cohort_made_into_shards__mask_and_its_structure_arrive(tmp_path, cine):
    segmentation(tmp_path / "in" / "seg.dcm", cine, {3: disc(120, 90, 25)})
    gathered(tmp_path)
    make_shards(find_sources([tmp_path / "out"], Taking()), tmp_path / "shards", KEY, Options(alike_bits=-1))
    masked = [s for path in (tmp_path / "shards").glob("*.tar") for s in read_shard(path) if s.mask is not None]
    assert [sample.about["structures"] for sample in masked] == [{"1": "Nodule"}]
    assert masked[0].mask.max() == 1
