"""PNG and JPEG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from integration.pixels import FrameTooSmall, Limits, NotAnImage, NotCalibrated, TooLarge, View, open_picture

GRAY = np.random.default_rng(5).integers(0, 256, (40, 60), dtype=np.uint8)
COLOUR = np.random.default_rng(6).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def saved(path: Path, picture: Image.Image, **more: object) -> Path:
    picture.save(path, **more)
    return path


def test_png__gray__is_as_saved(tmp_path: Path) -> None:
    image = open_picture(saved(tmp_path / "a.png", Image.fromarray(GRAY)), None)

    assert np.array_equal(image.frame(1), GRAY)
    assert (image.rows, image.columns, image.number_of_frames) == (40, 60, 1)
    assert image.views == (View(left=0, top=0, right=59, bottom=39),)


def test_png__colour_palette_and_alpha__become_rgb(tmp_path: Path) -> None:
    with_alpha = np.dstack([COLOUR, np.full((40, 60), 255, np.uint8)])
    few = Image.fromarray(COLOUR).quantize(8)

    assert np.array_equal(open_picture(saved(tmp_path / "a.png", Image.fromarray(COLOUR)), None).frame(1), COLOUR)
    assert np.array_equal(open_picture(saved(tmp_path / "b.png", Image.fromarray(with_alpha)), None).frame(1), COLOUR)
    assert np.array_equal(open_picture(saved(tmp_path / "c.png", few), None).frame(1), np.asarray(few.convert("RGB")))


def test_png__16_bits__keeps_the_upper_ones(tmp_path: Path) -> None:
    deep = GRAY.astype(np.uint16) * 256 + 17

    assert np.array_equal(open_picture(saved(tmp_path / "a.png", Image.fromarray(deep)), None).frame(1), GRAY)


def test_jpeg__turned_by_its_exif__is_upright(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    path = saved(tmp_path / "a.jpg", Image.fromarray(smooth), exif=exif, quality=95)

    shown = open_picture(path, None).frame(1).astype(int)

    assert shown.shape == (60, 40)
    assert np.abs(shown - np.rot90(smooth, -1)).max() < 8


def test_spacing__is_row_then_column(tmp_path: Path) -> None:
    image = open_picture(saved(tmp_path / "a.png", Image.fromarray(GRAY)), (0.5, 0.25))

    assert image.calibration.length_mm([(0, 0), (4, 0)]) == pytest.approx(1.0)
    assert image.calibration.length_mm([(0, 0), (0, 4)]) == pytest.approx(2.0)


def test_spacing__not_given__withholds(tmp_path: Path) -> None:
    image = open_picture(saved(tmp_path / "a.png", Image.fromarray(GRAY)), None)

    with pytest.raises(NotCalibrated, match="no pixel spacing was given"):
        image.calibration.length_mm([(0, 0), (4, 0)])


def test_header__names_nobody(tmp_path: Path) -> None:
    header = open_picture(saved(tmp_path / "a.png", Image.fromarray(GRAY)), None).header

    assert not [element for element in header if element.tag.group in (0x0010, 0x0020)]


@pytest.mark.parametrize("content", [b"", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_other_files__are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)

    with pytest.raises(NotAnImage):
        open_picture(path, None)


def test_cut_off_picture__is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(GRAY))
    path.write_bytes(path.read_bytes()[:-400])

    with pytest.raises(NotAnImage, match="whole"):
        open_picture(path, None)


def test_size__beyond_the_limits__is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(GRAY))

    with pytest.raises(TooLarge, match="60 x 40"):
        open_picture(path, None, Limits(max_columns=59))
    with pytest.raises(FrameTooSmall):
        open_picture(saved(tmp_path / "b.png", Image.fromarray(GRAY[:1, :1])), None)
