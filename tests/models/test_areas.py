"""How much of a picture is marked."""

from __future__ import annotations

import numpy as np
import pytest

from models.frames import FrameInput, square_of
from models.readers.areas import share_of_view, shares_of_view

SIZE = 64


def place_of(rows: int, columns: int, view=None):
    pixels = np.zeros((rows, columns), np.uint8)
    whole = (0, 0, columns - 1, rows - 1)
    return square_of(FrameInput(pixels=pixels, frame=1, view=view or whole), SIZE)[1]


@pytest.mark.parametrize(
    ("rows", "columns", "view"), [(100, 200, None), (200, 100, None), (99, 201, None), (128, 128, (10, 30, 109, 79))]
)
def test_share__everything_marked_the_margin_too__is_the_whole_picture(rows, columns, view):
    assert share_of_view(np.ones((SIZE, SIZE), bool), place_of(rows, columns, view)) == 1.0


def test_share__only_the_margin_marked__is_nothing():
    marked = np.ones((SIZE, SIZE), bool)
    marked[16:48] = False  # the picture, twice as wide as high
    assert share_of_view(marked, place_of(100, 200)) == 0.0


def test_shares__two_parts__are_told_apart():
    parts = np.zeros((SIZE, SIZE), np.int32)
    parts[16:48, :16], parts[:, 48:] = 1, 2
    assert shares_of_view(parts, 3, place_of(100, 200)).tolist() == [0.5, 0.25, 0.25]
