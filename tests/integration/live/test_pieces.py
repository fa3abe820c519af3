"""Pictures out of datagrams: whole, in pieces, out of order, lost, doubled, hostile."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from integration.live import Broken
from integration.live.pieces import HEADER, MAGIC, MOST_BEGUN, Reassembly
from tests.integration.live.pictures import jpeg

LARGEST = 1 << 20


def in_pieces(picture: bytes, number: int, size: int = 400) -> list[bytes]:
    pieces = [picture[at : at + size] for at in range(0, len(picture), size)]
    return [HEADER.pack(MAGIC, number, index, len(pieces)) + piece for index, piece in enumerate(pieces)]


def pictures(items: list[bytes | Broken]) -> list[bytes]:
    return [item for item in items if isinstance(item, bytes)]


def test_reassembly__one_datagram_one_picture__is_the_picture() -> None:
    assert Reassembly(LARGEST).take("a", jpeg(1)) == [jpeg(1)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(200, 3000), st.integers(0, 3))
def test_reassembly__pieces_in_any_order_and_doubled__give_the_picture_once(seed: int, size: int, twice: int) -> None:
    pieces = in_pieces(jpeg(1), 7, size)
    shuffled = [*pieces, *pieces[:twice]]
    random.Random(seed).shuffle(shuffled)
    reassembly = Reassembly(LARGEST)
    assert [item for piece in shuffled for item in reassembly.take("a", piece)] == [jpeg(1)]


def test_reassembly__piece_lost__next_picture_comes_and_the_lack_is_told() -> None:
    reassembly = Reassembly(LARGEST)
    first = in_pieces(jpeg(1), 1)
    items = [item for piece in [*first[:-1], *in_pieces(jpeg(2), 2)] for item in reassembly.take("a", piece)]
    assert pictures(items) == [jpeg(2)]
    assert [item.reason for item in items if isinstance(item, Broken)] == ["a picture lacks pieces"]
    assert reassembly.take("a", first[-1]) == []


def test_reassembly__two_senders_with_equal_numbers__are_not_mixed() -> None:
    reassembly = Reassembly(LARGEST)
    pairs = zip(in_pieces(jpeg(1), 5), in_pieces(jpeg(2), 5), strict=False)
    items = [item for a, b in pairs for who, piece in (("a", a), ("b", b)) for item in reassembly.take(who, piece)]
    assert set(pictures(items)) <= {jpeg(1), jpeg(2)}
    assert pictures(items)


def test_reassembly__many_begun_and_never_ended__holds_a_few() -> None:
    reassembly = Reassembly(LARGEST)
    for number in range(1000):
        reassembly.take("a", in_pieces(jpeg(1), number)[0])
    assert len(reassembly._begun) <= MOST_BEGUN


def test_reassembly__picture_over_the_limit__is_dropped() -> None:
    reassembly = Reassembly(1000)
    items = [item for piece in in_pieces(jpeg(1, 400, 400), 1) for item in reassembly.take("a", piece)]
    assert [type(item) for item in items] == [Broken]
    assert not reassembly._begun


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=30).map(lambda rest: MAGIC + rest)), max_size=30))
def test_reassembly__any_datagrams__never_fails(datagrams: list[bytes]) -> None:
    reassembly = Reassembly(1000)
    for datagram in datagrams:
        for item in reassembly.take("a", datagram):
            assert isinstance(item, bytes | Broken)
    assert len(reassembly._begun) <= MOST_BEGUN
