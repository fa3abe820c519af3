"""The books of a device's memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.residency import Residency
from models.errors import DoesNotFit


def booked(budget: int, **sizes: int) -> Residency:
    books = Residency(budget)
    for key, size in sizes.items():
        books.make_room(size)
        books.book(key, size)
    return books


def test_make_room__full__least_recently_used_goes():
    books = booked(30, a=10, b=10, c=10)
    books.touch("a")
    assert books.make_room(15) == ["b", "c"]
    assert "a" in books


def test_make_room__pinned_and_spared__stay():
    books = booked(30, a=10, b=10, c=10)
    books.pin("a")
    assert books.make_room(10, frozenset({"b"})) == ["c"]


def test_make_room__more_than_can_go__says_what_is_taken_and_gives_nothing_up():
    books = booked(30, a=20)
    books.pin("a")
    with pytest.raises(DoesNotFit, match="memory_bytes"):
        books.make_room(15)
    assert books.used_bytes == 20


def test_drop_unpinned__keeps_the_pinned():
    books = booked(30, a=10, b=10)
    books.pin("a")
    assert books.drop_unpinned() == ["b"]
    assert books.used_bytes == 10


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 40)), max_size=40))
def test_any_loads__the_budget_is_never_passed(loads):
    books = Residency(100)
    books.pin("a")
    for key, size in loads:
        if key in books:
            books.touch(key)
            continue
        gone = books.make_room(size)
        books.book(key, size)
        assert books.used_bytes <= 100
        assert "a" not in gone
        assert key in books
