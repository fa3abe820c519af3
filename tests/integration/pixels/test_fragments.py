"""Which fragments make a frame, whatever the offset tables say."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset

from integration.pixels import BadHeader, Truncated, UndecodableFrame, open_image
from tests.integration.pixels.instances import (
    DELIMITER,
    JPEG_BASELINE,
    RLE,
    even,
    header,
    item,
    write,
    write_encapsulated,
)


def jpeg(level: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((32, 32), level, np.uint8)).save(stream, "JPEG", quality=90)
    return even(stream.getvalue())


LEVELS = (40, 120, 200)
FRAMES = [jpeg(level) for level in LEVELS]


def cut(frame: bytes, parts: int) -> list[bytes]:
    step = len(frame) // parts // 2 * 2
    return [frame[n * step : (n + 1) * step if n < parts - 1 else None] for n in range(parts)]


SCATTERED = [*cut(FRAMES[0], 3), *cut(FRAMES[1], 1), *cut(FRAMES[2], 2)]


def starts(groups: list[int], kind: str) -> bytes:
    """Offsets of the groups' first items, for `SCATTERED` cut into groups of so many fragments."""
    places, place, number = [], 0, 0
    for size in groups:
        places.append(place)
        for _ in range(size):
            place += 8 + len(SCATTERED[number])
            number += 1
    return pack(f"<{len(places)}{kind}", *places)


def cine(**more: object) -> Dataset:
    return header(32, 32, NumberOfFrames=3, **more)


def levels(path: Path) -> list[int]:
    return [round(float(np.mean(pixels))) for _, pixels in open_image(path).frames()]


@pytest.mark.parametrize(
    "table",
    [b"", starts([3, 1, 2], "I"), starts([1, 2, 3], "I"), b"\xff" * 12, pack("<2I", 0, 8)],
    ids=["no table", "right table", "wrong table", "rubbish table", "short table"],
)
def test_frames__in_several_fragments__are_found_whatever_the_table(tmp_path: Path, table: bytes) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", cine(), SCATTERED, JPEG_BASELINE, table=table)

    # A wrong table that hits items is believed: its frames then do not decode.
    if table == starts([1, 2, 3], "I"):
        with pytest.raises(UndecodableFrame, match="frame 1"):
            open_image(path).frame(1)
    else:
        assert levels(path) == pytest.approx(LEVELS, abs=2)


def test_frames__with_extended_offset_table__are_found(tmp_path: Path) -> None:
    ds = cine(ExtendedOffsetTable=starts([3, 1, 2], "Q"), ExtendedOffsetTableLengths=pack("<3Q", 1, 1, 1))
    path = write_encapsulated(tmp_path / "a.dcm", ds, SCATTERED, JPEG_BASELINE)

    assert levels(path) == pytest.approx(LEVELS, abs=2)


def test_frames__one_fragment_each__need_no_table(tmp_path: Path) -> None:
    assert levels(write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES, JPEG_BASELINE)) == pytest.approx(LEVELS, abs=2)


def test_frames__in_reverse_order__each_is_its_own(tmp_path: Path) -> None:
    image = open_image(write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES, JPEG_BASELINE))

    assert [(n, round(float(p.mean()) / 10)) for n, p in image.frames([3, 1])] == [(3, 20), (1, 4)]


def test_still__in_many_fragments__is_put_together(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(32, 32), cut(FRAMES[1], 5), JPEG_BASELINE)

    assert levels(path) == pytest.approx([120], abs=2)


def test_closing_delimiter__forgotten__loses_no_frame(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES, JPEG_BASELINE, end=b"")

    assert levels(path) == pytest.approx(LEVELS, abs=2)


def test_elements_after_the_pixels__do_not_disturb(tmp_path: Path) -> None:
    padding = b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0\0\0\0\0"
    path = write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES, JPEG_BASELINE, end=DELIMITER + padding)

    assert levels(path) == pytest.approx(LEVELS, abs=2)


@pytest.mark.parametrize("missing", [1, 100, len(FRAMES[2]) + 9])
def test_file__cut_off_in_the_last_frame__is_truncated(tmp_path: Path, missing: int) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES, JPEG_BASELINE, end=b"")
    path.write_bytes(path.read_bytes()[:-missing])

    with pytest.raises(Truncated, match="send"):
        open_image(path)


def test_fragments__fewer_than_frames__is_truncated(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", cine(), FRAMES[:2], JPEG_BASELINE)

    with pytest.raises(Truncated, match="2 fragments for 3 frames"):
        open_image(path)


def test_fragments__that_cannot_be_told_apart__are_refused(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", cine(), [b"\1\2"] * 5, RLE)

    with pytest.raises(BadHeader, match="offset table"):
        open_image(path)


def test_native_pixels__under_a_compressed_syntax__are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", header(32, 32), b"\0" * 1024)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))

    with pytest.raises(BadHeader, match="not encapsulated"):
        open_image(path)


def test_encapsulated_pixels__under_a_native_syntax__are_refused(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(32, 32), [FRAMES[0]], RLE)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0"))

    with pytest.raises(BadHeader, match="are encapsulated"):
        open_image(path)


def test_one_damaged_frame__others_still_decode(tmp_path: Path) -> None:
    broken = FRAMES[1][:40] + bytes(len(FRAMES[1]) - 40)
    image = open_image(write_encapsulated(tmp_path / "a.dcm", cine(), [FRAMES[0], broken, FRAMES[2]], JPEG_BASELINE))

    assert round(float(image.frame(3).mean())) == pytest.approx(200, abs=2)
    with pytest.raises(UndecodableFrame, match="frame 2") as refused:
        image.frame(2)
    assert refused.value.frame == 2


def test_stream_of_another_size__is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    large: NDArray[np.uint8] = np.zeros((4000, 4000), np.uint8)
    stream = BytesIO()
    Image.fromarray(large).save(stream, "JPEG")
    path = write_encapsulated(tmp_path / "a.dcm", header(32, 32), [stream.getvalue()], JPEG_BASELINE)

    with pytest.raises(UndecodableFrame, match="4000 x 4000"):
        open_image(path).frame(1)


def test_empty_fragment__is_refused(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(32, 32), [b""], RLE)

    with pytest.raises(UndecodableFrame, match="empty"):
        open_image(path).frame(1)


def test_basic_offset_table__longer_than_the_file__is_truncated_not_a_crash(tmp_path: Path) -> None:
    path = write_encapsulated(tmp_path / "a.dcm", header(32, 32), [FRAMES[0]], JPEG_BASELINE)
    head = item(b"") + item(FRAMES[0])[:8]
    path.write_bytes(path.read_bytes().replace(head, b"\xfe\xff\x00\xe0\xf0\xff\xff\x7f" + head[8:]))

    with pytest.raises(Truncated):
        open_image(path)
