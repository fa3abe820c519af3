"""Every real ultrasound file, against other people's decoders."""

from __future__ import annotations

import csv
import subprocess
import warnings
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, apply_windowing, pixel_array

from integration.pixels import open_image
from tests.data import real_data

pytestmark = pytest.mark.data

NOT_BY_DCMTK = frozenset({"GH364.dcm", "examples_jpeg2k.dcm", "gdcm-US-ALOKA-16.dcm", "will-jxl.dcm"})


def files() -> list[str]:
    try:
        index = real_data("dicom_us") / "index.csv"
    except pytest.skip.Exception:
        return ["no data"]
    with index.open() as file:
        return [row["file"] for row in csv.DictReader(file)]


def by_dcmtk(path: Path, frame: int, folder: Path, *, window: bool) -> NDArray[np.uint8]:
    out = folder / "oracle.pnm"
    options = ["+Wi", "1"] if window else []
    subprocess.run(["dcmj2pnm", *options, "+F", str(frame), str(path), str(out)], check=True, capture_output=True)
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture if picture.ndim == 2 else picture[..., ::-1]


@pytest.mark.parametrize("name", [name for name in files() if name not in NOT_BY_DCMTK])
def test_real_file__each_end_of_the_cine__equals_dcmtk(name: str, tmp_path: Path) -> None:
    path = real_data("dicom_us") / name
    image = open_image(path)
    window = str(image.header.PhotometricInterpretation).startswith("MONO") and "WindowCenter" in image.header

    for n in {1, image.number_of_frames}:
        ours, theirs = image.frame(n), by_dcmtk(path, n, tmp_path, window=window)
        assert ours.shape == theirs.shape
        assert int(np.abs(ours.astype(int) - theirs).max()) <= 1  # rounding of window and of YBR


def test_jpeg_2000__real_file__equals_pydicom() -> None:
    path = real_data("dicom_us") / "examples_jpeg2k.dcm"

    assert np.array_equal(open_image(path).frame(1), dcmread(path).pixel_array)


def test_jpeg_ls__real_file__equals_pydicom_with_its_window() -> None:
    path = real_data("dicom_us") / "GH364.dcm"
    ds = dcmread(path)
    expected = apply_windowing(ds.pixel_array, ds)

    assert np.abs(open_image(path).frame(1) - expected).max() <= 1


def test_segmented_palette_of_16_bits__real_file__equals_pydicom() -> None:
    path = real_data("dicom_us") / "gdcm-US-ALOKA-16.dcm"
    ds = dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = apply_color_lut(pixel_array(ds), ds) >> 8

    assert np.array_equal(open_image(path).frame(1), expected)


def test_jpeg_xl__real_file__is_the_recompressed_jpeg_in_true_colours() -> None:
    path = real_data("dicom_us") / "will-jxl.dcm"
    image = open_image(path)
    shown = image.frame(image.number_of_frames)
    ds = dcmread(path)
    jpeg = imagecodecs.jpegxl_decode_jpeg(get_frame(ds.PixelData, 26, number_of_frames=27))
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)

    assert expected is not None
    assert np.abs(shown.astype(int) - expected[..., ::-1]).mean() < 1.0


def test_cine__streamed__gives_every_frame_once() -> None:
    image = open_image(real_data("dicom_us") / "examples_ybr_color.dcm")

    numbers = [n for n, pixels in image.frames() if pixels.shape == (240, 320, 3)]

    assert numbers == list(range(1, 31))
    assert image.frame_times_ms is not None
    assert image.frame_times_ms[2] == pytest.approx(66.666)


def test_two_images_side_by_side__real_file__are_two_views() -> None:
    image = open_image(real_data("dicom_us") / "gdcm-US-ALOKA-16.dcm")

    assert [(view.left, view.right) for view in image.views] == [(32, 335), (336, 639)]
    assert image.calibration.length_mm([(100, 200), (110, 200)]) == pytest.approx(3.826530650258064)


def test_resized_file__region_beyond_the_frame__withholds_millimetres() -> None:
    calibration = open_image(real_data("dicom_us") / "examples_ybr_color.dcm").calibration

    assert calibration.regions[0].scale is None
    assert "does not lie in the frame" in (calibration.regions[0].reason or "")
