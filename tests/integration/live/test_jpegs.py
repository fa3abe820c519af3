"""Pictures out of a stream: any cut, any filling, any garbage between."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from integration.live import Broken
from integration.live.jpegs import JpegScanner
from tests.integration.live.pictures import jpeg, with_thumbnail

LARGEST = 1 << 20
PICTURES = [
    jpeg(0),
    jpeg(1, progressive=True),
    jpeg(2, restart_marker_blocks=2),
    jpeg(3, quality=100, subsampling=0),
    with_thumbnail(4),
]
HARMLESS = st.binary(max_size=300).map(lambda data: data.replace(b"\xff", b"\xfe"))
LENGTHS = st.integers(0, 2**24 - 1).map(lambda number: number.to_bytes(4, "big"))
MULTIPART = st.just(b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 4711\r\n\r\n")
BETWEEN = st.one_of(st.just(b""), HARMLESS, LENGTHS, MULTIPART)


def parts_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(stream) + 1) for cut in cuts})
    return [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


def scanned(parts: list[bytes], max_bytes: int = LARGEST) -> tuple[list[bytes], list[Broken]]:
    scanner = JpegScanner(max_bytes)
    found = [item for part in parts for item in scanner.feed(part)]
    found += scanner.end()
    return [each for each in found if isinstance(each, bytes)], [each for each in found if isinstance(each, Broken)]


@settings(max_examples=150, deadline=None)
@given(
    which=st.lists(st.sampled_from(PICTURES), min_size=1, max_size=4),
    between=st.lists(BETWEEN, min_size=5, max_size=5),
    cuts=st.lists(st.integers(0, 2**20), max_size=20),
)
def test_scanner__pictures_with_anything_between_cut_anywhere__gives_exactly_these_pictures(
    which: list[bytes], between: list[bytes], cuts: list[int]
) -> None:
    stream = between[-1] + b"".join(picture + filling for picture, filling in zip(which, between, strict=False))
    pictures, broken = scanned(parts_of(stream, cuts))
    assert pictures == which
    assert broken == []


@pytest.mark.parametrize("picture", PICTURES, ids=range(len(PICTURES)))
def test_scanner__byte_by_byte__gives_the_picture(picture: bytes) -> None:
    pictures, broken = scanned([bytes([one]) for one in picture + picture])
    assert pictures == [picture, picture]
    assert broken == []


@settings(max_examples=100, deadline=None)
@given(which=st.sampled_from(PICTURES), keep=st.integers(3, 10_000), cuts=st.lists(st.integers(0, 2**16), max_size=5))
def test_scanner__picture_cut_off__is_told_and_the_next_ones_are_found(
    which: bytes, keep: int, cuts: list[int]
) -> None:
    torn = which[: min(keep, len(which) - 2)]
    pictures, broken = scanned(parts_of(torn + PICTURES[0] + PICTURES[3], cuts))
    assert pictures[-1] == PICTURES[3]
    assert pictures[-2].endswith(
        PICTURES[0][2:]
    )  # torn just before its tables end, it lends its first bytes to the next
    assert len(pictures) == 2 or which == PICTURES[4]  # a thumbnail may be taken for the picture that lost its rest
    assert broken or pictures[-2] != PICTURES[0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([b"\xff\xd8\xff", b"\xff\xda\x00\x02"])), max_size=20)
)
def test_scanner__any_bytes_at_all__neither_fails_nor_keeps_them(parts: list[bytes]) -> None:
    scanner = JpegScanner(500)
    for part in parts:
        scanner.feed(part)
        assert len(scanner._buffer) <= 500 + 2 * 65536
    scanner.end()
    assert scanner.feed(PICTURES[0]) == [] or len(PICTURES[0]) > 500


def test_scanner__picture_over_the_limit__is_dropped_and_the_next_one_found() -> None:
    small, large = jpeg(0, 32, 32), jpeg(0, 400, 400)
    stream = large + small
    for size in (1, 1000, len(stream)):
        parts = [stream[at : at + size] for at in range(0, len(stream), size)]
        pictures, broken = scanned(parts, max_bytes=len(small))
        assert pictures == [small]
        assert "larger than" in broken[0].reason


def test_scanner__endless_picture__is_not_kept() -> None:
    scanner = JpegScanner(10_000)
    begin = jpeg(0)[:700]
    told = scanner.feed(begin)
    for _ in range(100):
        told += scanner.feed(b"\x11" * 1000)
        assert len(scanner._buffer) <= 12_000
    assert any(isinstance(item, Broken) and "larger than" in item.reason for item in told)


def test_scanner__much_garbage__is_counted_once_a_run() -> None:
    garbage = bytes(range(255)) * 20
    pictures, broken = scanned([garbage, garbage, PICTURES[0], garbage])
    assert pictures == [PICTURES[0]]
    assert [item.reason for item in broken] == ["more than 1024 bytes held no JPEG picture"] * 2


def test_scanner__picture_hidden_in_each_others_headers__work_stays_within_the_bytes() -> None:
    tangle = (b"\xff\xd8\xff\xe0\xff\xff" * 50_000) + PICTURES[0]
    scanner = JpegScanner(LARGEST)
    found = [item for at in range(0, len(tangle), 5000) for item in scanner.feed(tangle[at : at + 5000])]
    assert isinstance(found[0], Broken)
    assert scanner.feed(b"\0" * 70_000 + PICTURES[3])[-1] == PICTURES[3]


def test_pictures__of_the_tests__are_what_they_claim() -> None:
    sizes = {Image.open(BytesIO(picture)).size for picture in PICTURES}
    assert sizes == {(64, 48)}
    assert any(b"\xff\xd8" in picture[2:] for picture in PICTURES)
    assert np.unique(np.frombuffer(PICTURES[3], np.uint8)).size > 200
