"""Any fragmentation of any message gives the same bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.listener.errors import Closed, ConnectionEnd, Violation
from node.listener.messages import Messages
from node.listener.wire import Reader
from tests.node.listener.caller import data_pdu, pdv


class Trickle:
    """A stream that gives its bytes in pieces of given sizes, over and over."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes
        self._at = 0
        self._reads = 0

    def recv_into(self, buffer: memoryview, /) -> int:
        size = min(self._sizes[self._reads % len(self._sizes)], len(buffer), len(self._data) - self._at)
        self._reads += 1
        buffer[:size] = self._data[self._at : self._at + size]
        self._at += size
        return size

    def sendall(self, data: bytes, /) -> None:
        raise AssertionError("nothing is sent here")

    def settimeout(self, value: float | None, /) -> None:
        pass


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({min(cut, len(data)) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *edges], [*edges, len(data)], strict=True)]


def fragments(context_id: int, data: bytes, cuts: list[int], *, is_command: bool) -> list[bytes]:
    pieces = cut(data, cuts)
    return [
        pdv(context_id, piece, is_command=is_command, is_last=index == len(pieces) - 1)
        for index, piece in enumerate(pieces)
    ]


def in_pdus(pdvs: list[bytes], per_pdu: list[int]) -> bytes:
    out, at, turn = b"", 0, 0
    while at < len(pdvs):
        count = per_pdu[turn % len(per_pdu)]
        out += data_pdu(*pdvs[at : at + count])
        at, turn = at + count, turn + 1
    return out


cuts = st.lists(st.integers(0, 2000), max_size=12)


@settings(max_examples=300, deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from([1, 3, 255]), st.binary(min_size=1, max_size=300), st.binary(max_size=3000), cuts, cuts
        ),
        min_size=1,
        max_size=3,
    ),
    per_pdu=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=6),
    buffer_bytes=st.integers(16, 900),
)
def test_messages__any_fragmentation__same_bytes(
    messages: list[tuple[int, bytes, bytes, list[int], list[int]]],
    per_pdu: list[int],
    sizes: list[int],
    buffer_bytes: int,
) -> None:
    pdvs = [
        part
        for context_id, command, data_set, command_cuts, data_cuts in messages
        for part in fragments(context_id, command, command_cuts, is_command=True)
        + fragments(context_id, data_set, data_cuts, is_command=False)
    ]
    stream = Trickle(in_pdus(pdvs, per_pdu), sizes)
    assembled = Messages(Reader(stream, buffer_bytes), {1, 3, 255}, 0)
    for context_id, command, data_set, _, _ in messages:
        assert assembled.next_command() == (context_id, command)
        assert b"".join(bytes(piece) for piece in assembled.data_set(context_id)) == data_set
    with pytest.raises(Closed):
        assembled.next_command()


@settings(max_examples=500, deadline=None)
@given(
    noise=st.one_of(
        st.binary(max_size=600),
        st.binary(max_size=300).map(lambda data: data_pdu(data)),
        st.binary(max_size=300).map(lambda data: data_pdu(pdv(1, data, is_command=True, is_last=False)) * 3),
    ),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=4),
)
def test_messages__any_bytes__end_in_one_of_the_known_ways(noise: bytes, sizes: list[int]) -> None:
    assembled = Messages(Reader(Trickle(noise, sizes), 64), {1}, 131072)
    with pytest.raises(ConnectionEnd):
        while True:
            context_id, _ = assembled.next_command()
            for _ in assembled.data_set(context_id):
                pass


def test_messages__endless_command__is_stopped_at_64_kib() -> None:
    piece = data_pdu(pdv(1, bytes(4096), is_command=True, is_last=False))
    assembled = Messages(Reader(Trickle(piece * 1000, [100_000])), {1}, 131072)
    with pytest.raises(Violation, match="too long"):
        assembled.next_command()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (struct.pack(">BxI", 4, 0), "empty"),
        (struct.pack(">BxI", 4, 200_000), "longer than was agreed"),
        (struct.pack(">BxI", 4, 0xFFFFFFFF), "longer than was agreed"),
        (data_pdu(b"\0\0\0"), "header"),
        (data_pdu(struct.pack(">IBB", 1, 1, 3)), "does not fit"),
        (data_pdu(struct.pack(">IBB", 100, 1, 3)), "does not fit"),
        (data_pdu(pdv(7, b"x", is_command=True, is_last=True)), "not accepted"),
        (data_pdu(pdv(1, b"x", is_command=False, is_last=True)), "without a command"),
        (
            data_pdu(
                pdv(1, b"x", is_command=True, is_last=False),
                pdv(3, b"x", is_command=True, is_last=True),
            ),
            "changed its presentation context",
        ),
        (struct.pack(">BxI", 0x47, 4) + bytes(4), "unknown type"),
        (struct.pack(">BxI", 1, 4) + bytes(4), "no place"),
    ],
)
def test_messages__broken_rule__is_named(data: bytes, words: str) -> None:
    assembled = Messages(Reader(Trickle(data, [len(data)])), {1, 3}, 131072)
    with pytest.raises(Violation, match=words):
        assembled.next_command()
