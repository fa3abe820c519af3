"""Sample formats, colour spaces and compressions, on small images made here."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.pixels import convert_color_space
from rle.utils import encode_pixel_data

from integration.pixels import BadHeader, UnsupportedPhotometric, UnsupportedTransferSyntax, open_image
from tests.integration.pixels.instances import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    HTJ2K,
    IMPLICIT,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_XL,
    RLE,
    header,
    write,
    write_encapsulated,
)

RNG = np.random.default_rng(3)
GRAY: NDArray[np.uint8] = RNG.integers(0, 256, (20, 32), dtype=np.uint8)
COLOUR: NDArray[np.uint8] = RNG.integers(0, 256, (20, 32, 3), dtype=np.uint8)
# Smooth and far from gray, so that a mistaken colour space shows and JPEG's loss does not.
_X, _Y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 48))
SMOOTH: NDArray[np.uint8] = np.stack([200 * _X + 30, 60 * _Y, 90 * (1 - _X)], -1).astype(np.uint8)


def shown(path: Path, n: int = 1) -> NDArray[np.uint8]:
    return open_image(path).frame(n)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_gray__any_native_syntax__is_as_written(tmp_path: Path, syntax: str) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32), GRAY.tobytes(), syntax)

    assert np.array_equal(shown(path), GRAY)


def test_gray__big_endian_words_of_two_pixels__are_put_in_order(tmp_path: Path) -> None:
    swapped = GRAY.reshape(-1).view("<u2").byteswap().tobytes()
    path = write(tmp_path / "a.dcm", header(20, 32), swapped, BIG_ENDIAN, vr="OW")

    assert np.array_equal(shown(path), GRAY)


def test_frame__may_be_written_to__without_changing_the_next_reading(tmp_path: Path) -> None:
    image = open_image(write(tmp_path / "a.dcm", header(20, 32), GRAY.tobytes()))
    image.frame(1)[:] = 0

    assert np.array_equal(image.frame(1), GRAY)


def test_monochrome1__is_shown_inverted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32, "MONOCHROME1"), GRAY.tobytes())

    assert np.array_equal(shown(path), 255 - GRAY)


@pytest.mark.parametrize("planar", [0, 1])
def test_rgb__both_orders__give_the_same_picture(tmp_path: Path, planar: int) -> None:
    data = COLOUR.transpose(2, 0, 1) if planar else COLOUR
    path = write(tmp_path / "a.dcm", header(20, 32, "RGB", PlanarConfiguration=planar), data.tobytes())

    assert np.array_equal(shown(path), COLOUR)


@pytest.mark.parametrize("planar", [0, 1])
def test_ybr_full__equals_pydicoms_conversion(tmp_path: Path, planar: int) -> None:
    data = COLOUR.transpose(2, 0, 1) if planar else COLOUR
    path = write(tmp_path / "a.dcm", header(20, 32, "YBR_FULL", PlanarConfiguration=planar), data.tobytes())
    expected = convert_color_space(COLOUR, "YBR_FULL", "RGB").astype(int)

    assert np.abs(shown(path) - expected).max() <= 1


def test_ybr_full_422__uncompressed__spreads_chroma_over_pairs(tmp_path: Path) -> None:
    # One pair of pixels: Y 81 and 145, Cb 90, Cr 240; red of full range is (76, 85, 255).
    raw = bytes([76, 76, 85, 255]) * (16 * 20)
    path = write(tmp_path / "a.dcm", header(20, 32, "YBR_FULL_422"), raw)

    assert np.abs(shown(path).astype(int) - (254, 0, 0)).max() <= 1


def test_ybr_full_422__two_lumas__stay_apart(tmp_path: Path) -> None:
    raw = bytes([10, 200, 128, 128]) * (16 * 20)
    picture = shown(write(tmp_path / "a.dcm", header(20, 32, "YBR_FULL_422"), raw))

    assert (picture[:, 0::2] == 10).all()
    assert (picture[:, 1::2] == 200).all()


def test_ybr_full_422__written_with_all_its_chroma__is_read_as_such(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32, "YBR_FULL_422"), COLOUR.tobytes())
    expected = convert_color_space(COLOUR, "YBR_FULL", "RGB").astype(int)

    assert np.abs(shown(path) - expected).max() <= 1


def test_ybr_partial_422__has_the_range_of_video(tmp_path: Path) -> None:
    # BT.601: black is 16, white 235, and full red is (81, 90, 240).
    raw = bytes([16, 235, 128, 128]) * (16 * 10) + bytes([81, 81, 90, 240]) * (16 * 10)
    picture = shown(write(tmp_path / "a.dcm", header(20, 32, "YBR_PARTIAL_422"), raw)).astype(int)

    assert np.abs(picture[0, 0] - (0, 0, 0)).max() <= 1
    assert np.abs(picture[0, 1] - (255, 255, 255)).max() <= 1
    assert np.abs(picture[15, 5] - (255, 0, 0)).max() <= 2


def test_ybr_partial_420__uncompressed__is_refused_with_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32, "YBR_PARTIAL_420"), COLOUR.tobytes())

    with pytest.raises(UnsupportedPhotometric, match="send it as RGB"):
        open_image(path)


def palette_header(table: NDArray[np.integer], bits: int, first: int = 0) -> Dataset:
    ds = header(20, 32, "PALETTE COLOR")
    for number, colour in enumerate(("Red", "Green", "Blue")):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [len(table), first, bits])
        setattr(ds, f"{colour}PaletteColorLookupTableData", np.ascontiguousarray(table[:, number]).tobytes())
    return ds


TABLE = RNG.integers(0, 256, (256, 3))


@pytest.mark.parametrize(
    ("table", "bits"),
    [
        (TABLE.astype("<u2") * 257, 16),  # full range
        (TABLE.astype("<u2"), 16),  # 8-bit values in 16-bit entries
        (TABLE.astype("u1"), 8),
    ],
    ids=["16 bits", "16 bits that hold 8", "8 bits"],
)
def test_palette__tables_of_either_depth__give_the_same_colours(
    tmp_path: Path, table: NDArray[np.integer], bits: int
) -> None:
    path = write(tmp_path / "a.dcm", palette_header(table, bits), GRAY.tobytes())

    assert np.array_equal(shown(path), TABLE[GRAY])


def test_palette__starting_late__clamps_what_lies_outside(tmp_path: Path) -> None:
    table = TABLE[:100].astype("<u2") * 257
    path = write(tmp_path / "a.dcm", palette_header(table, 16, first=50), GRAY.tobytes())

    assert np.array_equal(shown(path), TABLE[np.clip(GRAY.astype(int) - 50, 0, 99)])


def test_palette__all_gray__gives_gray(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(255, -1, -1, dtype="<u2")[:, None] * 257, 3, axis=1)
    path = write(tmp_path / "a.dcm", palette_header(ramp, 16), GRAY.tobytes())

    assert np.array_equal(shown(path), 255 - GRAY)


def test_palette__missing__is_refused_with_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32, "PALETTE COLOR"), GRAY.tobytes())

    with pytest.raises(BadHeader, match="without a palette"):
        open_image(path)


def deep(values: NDArray[np.integer], **more: object) -> tuple[Dataset, bytes]:
    ds = header(*values.shape, BitsAllocated=16, **{"BitsStored": 16, "HighBit": 15, **more})
    return ds, values.astype("<u2").tobytes()


def test_16_bits__without_window__fills_the_range_of_the_image(tmp_path: Path) -> None:
    values = np.linspace(1000, 3000, 640).reshape(20, 32).round().astype(int)
    picture = shown(write(tmp_path / "a.dcm", *deep(values), vr="OW"))

    assert (picture.min(), picture.max()) == (0, 255)
    assert np.abs(picture - (values - 1000) / 2000 * 255).max() <= 0.51


def test_16_bits__with_window__is_shown_through_it(tmp_path: Path) -> None:
    values = np.array([[0, 1000, 1500, 2000, 5000]] * 20).repeat(4, axis=1)
    ds, raw = deep(values, WindowCenter=1500.5, WindowWidth=1001)
    picture = shown(write(tmp_path / "a.dcm", ds, raw, vr="OW"))

    assert picture[0, ::4].tolist() == [0, 0, 128, 255, 255]


def test_16_bits__sigmoid_window__is_half_at_its_centre(tmp_path: Path) -> None:
    values = np.array([[500, 1000, 1500]] * 20).repeat(6, axis=1)
    ds, raw = deep(values, WindowCenter=1000, WindowWidth=400, VOILUTFunction="SIGMOID")
    picture = shown(write(tmp_path / "a.dcm", ds, raw, vr="OW"))

    assert picture[0, ::6].tolist() == [round(255 / (1 + np.exp(5))), 128, round(255 / (1 + np.exp(-5)))]


def test_16_bits__rescaled__window_is_in_rescaled_units(tmp_path: Path) -> None:
    values = np.array([[0, 50, 100]] * 20).repeat(6, axis=1)
    ds, raw = deep(
        values, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=0, WindowWidth=200, VOILUTFunction="LINEAR_EXACT"
    )
    picture = shown(write(tmp_path / "a.dcm", ds, raw, vr="OW"))

    assert picture[0, ::6].tolist() == [0, 128, 255]


def test_16_bits__signed__keeps_the_order_of_values(tmp_path: Path) -> None:
    values = np.linspace(-500, 500, 640).reshape(20, 32).round().astype(int)
    ds, raw = deep(values & 0xFFFF, PixelRepresentation=1)
    picture = shown(write(tmp_path / "a.dcm", ds, raw, vr="OW"))

    assert (np.diff(picture.ravel().astype(int)) >= 0).all()
    assert (picture[0, 0], picture[-1, -1]) == (0, 255)


def test_12_bits_in_16__rubbish_in_the_other_bits__is_ignored(tmp_path: Path) -> None:
    values = np.arange(640).reshape(20, 32) * 6
    ds, raw = deep(values | 0xF000, BitsStored=12, HighBit=11)
    clean = write(tmp_path / "clean.dcm", *deep(values, BitsStored=12, HighBit=11), vr="OW")

    assert np.array_equal(shown(write(tmp_path / "a.dcm", ds, raw, vr="OW")), shown(clean))


def test_16_bits__big_endian__equals_little_endian(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (20, 32))
    little = write(tmp_path / "l.dcm", *deep(values), vr="OW")
    ds, _ = deep(values)
    big = write(tmp_path / "b.dcm", ds, values.astype(">u2").tobytes(), BIG_ENDIAN, vr="OW")

    assert np.array_equal(shown(big), shown(little))


def test_16_bits__cine__has_one_range_for_all_frames(tmp_path: Path) -> None:
    dark, bright = np.full((20, 32), 100), np.full((20, 32), 1100)
    ds, raw = deep(dark, NumberOfFrames=2)
    path = write(tmp_path / "a.dcm", ds, raw + bright.astype("<u2").tobytes(), vr="OW")

    assert (shown(path, 1).max(), shown(path, 2).min()) == (0, 255)


def rle_frame(pixels: NDArray[np.uint8]) -> bytes:
    samples = 1 if pixels.ndim == 2 else 3
    return bytes(
        encode_pixel_data(
            pixels.tobytes(),
            rows=pixels.shape[0],
            columns=pixels.shape[1],
            samples_per_pixel=samples,
            bits_allocated=pixels.itemsize * 8,
            number_of_frames=1,
            byteorder="<",
            photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
        )
    )


@pytest.mark.parametrize("planar", [0, 1])
def test_rle__colour__whatever_the_planar_configuration_says(tmp_path: Path, planar: int) -> None:
    ds = header(20, 32, "RGB", PlanarConfiguration=planar)
    path = write_encapsulated(tmp_path / "a.dcm", ds, [rle_frame(COLOUR)], RLE)

    assert np.array_equal(shown(path), COLOUR)


@pytest.mark.parametrize(
    ("syntax", "photometric", "encode"),
    [
        (JPEG_LS, "RGB", lambda p: imagecodecs.jpegls_encode(p)),
        (JPEG_2000, "YBR_RCT", lambda p: imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True, mct=True)),
        (JPEG_2000, "RGB", lambda p: imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True, mct=False)),
        (HTJ2K, "RGB", lambda p: imagecodecs.htj2k_encode(p, reversible=True)),
        (
            JPEG_LOSSLESS,
            "RGB",
            lambda p: imagecodecs.jpeg8_encode(p, lossless=True, colorspace="RGB", outcolorspace="RGB"),
        ),
        (JPEG_XL, "RGB", lambda p: imagecodecs.jpegxl_encode(p, lossless=True)),
    ],
    ids=["JPEG-LS", "J2K with RCT", "J2K without", "HTJ2K", "JPEG lossless", "JPEG XL"],
)
def test_lossless_colour__comes_back_exactly(tmp_path: Path, syntax: str, photometric: str, encode: object) -> None:
    stream = encode(SMOOTH)  # type: ignore[operator]
    path = write_encapsulated(tmp_path / "a.dcm", header(48, 64, photometric), [bytes(stream)], syntax)

    assert np.array_equal(shown(path), SMOOTH)


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (JPEG_LS, imagecodecs.jpegls_encode),
        (JPEG_2000, lambda p: imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True)),
        (JPEG_LOSSLESS, lambda p: imagecodecs.ljpeg_encode(p)),
    ],
    ids=["JPEG-LS", "J2K", "JPEG lossless"],
)
def test_lossless_16_bits__comes_back_exactly(tmp_path: Path, syntax: str, encode: object) -> None:
    values = (np.arange(48 * 64).reshape(48, 64) * 20).astype(np.uint16)
    more = {"WindowCenter": 30720, "WindowWidth": 61440, "VOILUTFunction": "LINEAR_EXACT"}
    ds, raw = deep(values, **more)
    native = write(tmp_path / "n.dcm", ds, raw, vr="OW")
    ds, _ = deep(values, **more)
    path = write_encapsulated(tmp_path / "a.dcm", ds, [bytes(encode(values))], syntax)  # type: ignore[operator]

    assert np.array_equal(shown(path), shown(native))


def jpeg(pixels: NDArray[np.uint8], subsampling: str = "4:4:4") -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=subsampling)
    return stream.getvalue()


def without_jfif(stream: bytes) -> bytes:
    assert stream[2:4] == b"\xff\xe0"
    return stream[:2] + stream[4 + int.from_bytes(stream[4:6], "big") :]


def adobe(stream: bytes, transform: int) -> bytes:
    body = b"Adobe\0\x64\0\0\0\0" + bytes([transform])
    return stream[:2] + b"\xff\xee" + (len(body) + 2).to_bytes(2, "big") + body + stream[2:]


def raw_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Three components stored as they are, no mark of a colour space."""
    stream = BytesIO()
    # To call the samples YCbCr keeps the encoder from converting them.
    untouched = Image.frombytes("YCbCr", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    untouched.save(stream, "JPEG", quality=95, subsampling="4:4:4")
    return without_jfif(stream.getvalue())


@pytest.mark.parametrize(
    ("photometric", "stream"),
    [
        ("YBR_FULL_422", jpeg(SMOOTH, "4:2:2")),
        ("YBR_FULL", jpeg(SMOOTH)),
        ("YBR_FULL", without_jfif(jpeg(SMOOTH))),
        ("YBR_FULL_422", without_jfif(jpeg(SMOOTH, "4:2:2"))),
        ("RGB", jpeg(SMOOTH)),  # header wrong, JFIF says YCbCr
        ("RGB", without_jfif(jpeg(SMOOTH, "4:2:0"))),  # header wrong, nobody subsamples green and blue
        ("RGB", raw_jpeg(SMOOTH)),
        ("RGB", adobe(raw_jpeg(SMOOTH), 0)),
        ("YBR_FULL", adobe(without_jfif(jpeg(SMOOTH)), 1)),
        ("RGB", adobe(without_jfif(jpeg(SMOOTH)), 1)),
    ],
    ids=[
        "422",
        "444",
        "444 unmarked",
        "422 unmarked",
        "JFIF under an RGB header",
        "subsampled under an RGB header",
        "RGB unmarked",
        "RGB marked by Adobe",
        "YCC marked by Adobe",
        "YCC marked by Adobe under an RGB header",
    ],
)
def test_jpeg_baseline__any_marking__has_the_right_colours(tmp_path: Path, photometric: str, stream: bytes) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(48, 64, photometric), [stream], JPEG_BASELINE)

    assert np.abs(shown(path).astype(int) - SMOOTH).mean() < 3


def test_jpeg_baseline__gray__is_gray(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(48, 64), [jpeg(SMOOTH[..., 0])], JPEG_BASELINE)

    assert np.abs(shown(path).astype(int) - SMOOTH[..., 0]).mean() < 2


def test_deflated__header_and_pixels__are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(20, 32, NumberOfFrames=2), GRAY.tobytes() * 2, DEFLATED)

    assert np.array_equal(shown(path, 2), GRAY)


def test_video__is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write_encapsulated(
        tmp_path / "a.dcm", header(20, 32, "YBR_PARTIAL_420"), [b"\0" * 64], "1.2.840.10008.1.2.4.102"
    )

    with pytest.raises(UnsupportedTransferSyntax, match="JPEG, RLE or no compression"):
        open_image(path)
