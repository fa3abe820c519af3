"""Broken and extreme images: a typed error that says what to do, or correct work in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from integration.phantom import Encoding, Identity, Look, SecondRegion, breast_mass, write_still
from integration.pixels import (
    BadHeader,
    FrameTooSmall,
    Limits,
    NoPixelData,
    NoSuchFrame,
    NotAnImage,
    PixelError,
    TooLarge,
    Truncated,
    UnsupportedPhotometric,
    ZeroFrames,
    open_image,
)
from tests.integration.pixels.instances import DEFLATED, JPEG_BASELINE, header, write, write_encapsulated

MEBIBYTE = 1 << 20


def still(path: Path, **more: object) -> Path:
    return write(path / "a.dcm", header(32, 32, **more), b"\7" * 1024)


def sparse(path: Path, size: int, **more: object) -> Path:
    """An image of `size` zero bytes of pixels that takes no room on the disk."""
    written = write(path / "a.dcm", header(512, 512, **more), b"")
    raw = written.read_bytes()
    assert raw.endswith(b"\0\0\0\0")
    written.write_bytes(raw[:-4] + size.to_bytes(4, "little"))
    with written.open("ab") as file:
        file.truncate(len(raw) + size)
    return written


def test_no_pixel_data__is_said(tmp_path: Path) -> None:
    with pytest.raises(NoPixelData, match="not an image"):
        open_image(write(tmp_path / "a.dcm", header(32, 32), None))


def test_zero_frames__is_said(tmp_path: Path) -> None:
    with pytest.raises(ZeroFrames, match="NumberOfFrames"):
        open_image(still(tmp_path, NumberOfFrames=0))


def test_one_pixel__is_too_small(tmp_path: Path) -> None:
    with pytest.raises(FrameTooSmall, match="1 x 1"):
        open_image(write(tmp_path / "a.dcm", header(1, 1), b"\0\0"))


def test_8000_x_8000__is_decoded(tmp_path: Path) -> None:
    path = sparse(tmp_path, 8000 * 8000, Rows=8000, Columns=8000)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")

    frame = open_image(path).frame(1)

    assert frame.shape == (8000, 8000)
    assert (frame[-1, -1], frame[0, 0]) == (255, 0)


def test_9000_x_9000__is_refused_with_the_limit(tmp_path: Path) -> None:
    path = sparse(tmp_path, 9000 * 9000, Rows=9000, Columns=9000)

    with pytest.raises(TooLarge, match="9000 x 9000 pixels is larger than the limit of 8192 x 8192"):
        open_image(path)


def test_too_many_frames__is_refused_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="101 frames"):
        open_image(still(tmp_path, NumberOfFrames=101), Limits(max_frames=100))


def test_deflated_bomb__is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(512, 512, NumberOfFrames=16), bytes(512 * 512 * 16), DEFLATED)
    assert path.stat().st_size < 100_000

    with pytest.raises(TooLarge, match="unpacked"):
        open_image(path, Limits(max_inflated_bytes=MEBIBYTE))


@pytest.mark.parametrize("missing", [1, 500, 1024])
def test_native_pixels__cut_off__are_truncated(tmp_path: Path, missing: int) -> None:
    path = still(tmp_path)
    path.write_bytes(path.read_bytes()[:-missing])

    with pytest.raises(Truncated, match="send the instance again"):
        open_image(path)


@pytest.mark.parametrize("content", [b"", b"not DICOM at all" * 20, b"\0" * 128 + b"DICM", b"\x89PNG\r\n\x1a\n" * 40])
def test_other_files__are_no_images(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)

    with pytest.raises(PixelError) as refused:
        open_image(path)
    assert isinstance(refused.value, NotAnImage | NoPixelData)


def test_missing_file__is_no_image(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="cannot be read"):
        open_image(tmp_path / "absent.dcm")


def test_garbage_after_a_valid_header__is_a_typed_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(32, 32), None)
    with path.open("ab") as file:
        file.write(np.random.default_rng(0).bytes(5000))

    with pytest.raises(PixelError):
        open_image(path)


def test_wrong_transfer_syntax__implicit_bytes_called_big_endian__is_a_typed_error(tmp_path: Path) -> None:
    path = still(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"))

    with pytest.raises(PixelError):
        open_image(path)


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"Rows": 0}, BadHeader, "Rows"),
        ({"PhotometricInterpretation": "CMYK"}, UnsupportedPhotometric, "CMYK"),
        ({"PhotometricInterpretation": ""}, UnsupportedPhotometric, "missing"),
        ({"SamplesPerPixel": 3}, BadHeader, "SamplesPerPixel"),
        ({"BitsAllocated": 1}, UnsupportedPhotometric, "BitsAllocated"),
        ({"BitsStored": 12}, BadHeader, "BitsStored"),
        ({"Columns": 64}, Truncated, "2048 bytes"),
    ],
)
def test_contradicting_header__is_said(
    tmp_path: Path, more: dict[str, object], error: type[PixelError], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_image(still(tmp_path, **more))


@pytest.mark.parametrize("n", [0, -1, 2])
def test_frame_number__outside__is_said(tmp_path: Path, n: int) -> None:
    with pytest.raises(NoSuchFrame, match="frames 1 to 1"):
        open_image(still(tmp_path)).frame(n)


def test_no_preamble__a_bare_data_set__is_read(tmp_path: Path) -> None:
    path = still(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\x08\x00\x16\x00UI") :])

    assert (open_image(path).frame(1) == 7).all()


def test_errors__never_quote_the_patient(tmp_path: Path) -> None:
    path = still(tmp_path, NumberOfFrames=0, PatientName="SECRET^NAME", PatientID="SECRET-ID")

    with pytest.raises(ZeroFrames) as refused:
        open_image(path)
    assert "SECRET" not in str(refused.value)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("phantoms")
    scene = breast_mass(1, True, 128, 128, look=Look(colour=True, second=SecondRegion.SPECTRUM))
    identity = Identity(study="fuzz")
    return [write_still(scene, folder / f"{kind}.dcm", identity, encoding=kind) for kind in Encoding]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes__anywhere__are_a_picture_or_a_typed_error(
    tmp_path: Path, phantoms: list[Path], data: st.DataObject
) -> None:
    raw = bytearray(data.draw(st.sampled_from(phantoms)).read_bytes())
    header_end = raw.index(b"\xe0\x7f\x10\x00") + 64
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(132, header_end) | st.integers(132, len(raw) - 1))
        raw[place] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(raw[: data.draw(st.integers(100, len(raw)) | st.just(len(raw)))]))
    try:
        image = open_image(path, Limits(max_rows=2048, max_columns=2048, max_frames=50))
        frame = image.frame(1)
    except PixelError as error:
        assert str(error)
    else:
        assert frame.dtype == np.uint8
        assert frame.shape[:2] == (image.rows, image.columns)


# VmHWM and not ru_maxrss: the latter starts with the peak of the process that forked this one.
STREAM = """
import sys
from pathlib import Path
from integration.pixels import open_image

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

idle = peak()
image = open_image(Path(sys.argv[1]))
image.frame(1)
one = peak()
seen = sum(1 for _ in image.frames())
print(seen, peak() - one, one - idle, idle)
"""


def streamed(path: Path) -> tuple[int, int]:
    """Frames read, and by how many KiB the peak rose beyond that of opening and reading one."""
    done = subprocess.run([sys.executable, "-c", STREAM, str(path)], check=True, capture_output=True, text=True)
    seen, grown, *_ = (int(word) for word in done.stdout.split())
    return seen, grown


def test_300_frames_of_colour__native__stream_in_little_memory(tmp_path: Path) -> None:
    size = 768 * 1024 * 3 * 300
    more = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB", "NumberOfFrames": 300}
    path = sparse(tmp_path, size, Rows=768, Columns=1024, **more)

    seen, grown = streamed(path)

    assert seen == 300
    assert grown < 20 * 1024


def test_300_frames_of_colour__jpeg__stream_in_little_memory(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", quality=60, subsampling="4:2:2")
    ds = header(768, 1024, "YBR_FULL_422", NumberOfFrames=300)
    path = write_encapsulated(tmp_path / "a.dcm", ds, [stream.getvalue()] * 300, JPEG_BASELINE)
    assert path.stat().st_size > 60 * MEBIBYTE

    seen, grown = streamed(path)

    assert seen == 300
    assert grown < 20 * 1024


def test_3000_frames__stream_in_little_memory(tmp_path: Path) -> None:
    path = sparse(tmp_path, 512 * 512 * 3000, NumberOfFrames=3000)

    seen, grown = streamed(path)

    assert seen == 3000
    assert grown < 20 * 1024
