"""The marked picture: the frame as it was, the marks in their place, the words below."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from integration.results import write_results
from integration.results.colours import rgb_of
from integration.results.sc.draw import Painter
from integration.results.sc.marks import Overlay, Words
from tests.integration.results.sources import AXES, CENTRE, COLUMNS, ROWS, head_findings, request_of, write_source


def _sc(tmp_path, source, findings):
    results = write_results(request_of(source, findings), tmp_path)
    return pydicom.dcmread(next(result.path for result in results if result.role == "SC"))


def _rgb(ds):
    from pydicom.pixels import pixel_array

    return pixel_array(ds, raw=False).astype(int)


def test_sc__still__marks_lie_where_they_were_measured(tmp_path):
    source = write_source(tmp_path / "source")
    ds = _sc(tmp_path, source, head_findings(source))
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    picture = _rgb(ds)
    away = np.abs(picture - np.array(rgb_of(0))).sum(-1)
    (x, y), (a, b) = map(int, CENTRE), map(int, AXES)
    for px, py in ((x - a, y), (x + a, y), (x, y - b), (x, y + b), (x, y)):
        assert away[py - 1 : py + 2, px - 1 : px + 2].min() < 90
    assert away[y - b // 2, x - a // 2] > 150  # inside, no mark covers the tissue
    assert picture.shape[0] > ROWS and picture.shape[1] >= COLUMNS
    assert picture[ROWS:].max() > 200  # the legend is below the frame


@pytest.mark.parametrize("letter", "²³µ°±×äéß")
def test_legend__letters_of_units_and_names__are_drawn_and_no_empty_box(letter):
    def drawn(text):
        painter = Painter(Overlay(legend=(Words(text=text),)), rows=ROWS, columns=COLUMNS, heading=())
        return painter.paint(1, np.zeros((ROWS, COLUMNS), np.uint8))[ROWS:]

    assert drawn(letter).any()
    assert not np.array_equal(drawn(letter), drawn("\uffff"))


def test_sc__frame_pixels__are_those_of_the_source_beside_the_marks(tmp_path):
    source = write_source(tmp_path / "source", kind="MONO")
    picture = _rgb(_sc(tmp_path, source, head_findings(source)))
    corner = picture[:20, :20].mean(-1)
    assert np.abs(corner - source.frame(1)[:20, :20]).mean() < 6  # JPEG of quality 90 on noise


def test_sc__cine__has_every_frame_its_time_and_marks_only_where_found(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    ds = _sc(tmp_path, source, head_findings(source, frames=(2, 3), best=3))
    assert (ds.NumberOfFrames, float(ds.FrameTime), ds.BurnedInAnnotation) == (5, 33.3, "YES")
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7.4"
    coloured = [np.ptp(frame[:ROWS, :COLUMNS], axis=-1).max() > 60 for frame in _rgb(ds)]
    assert coloured == [False, True, True, False, False]
    assert "SequenceOfUltrasoundRegions" not in ds and "PixelSpacing" not in ds


def test_sc__lossy_source__keeps_the_chain_of_losses(tmp_path):
    source = write_source(tmp_path / "source", kind="YBR")
    ds = _sc(tmp_path, source, head_findings(source))
    assert ds.LossyImageCompression == "01"
    assert list(ds.LossyImageCompressionMethod) == ["ISO_10918_1", "ISO_10918_1"]
    assert float(ds.LossyImageCompressionRatio[0]) == float(source.header.LossyImageCompressionRatio)
    assert ds.LossyImageCompressionRatio[1] == pytest.approx(ds.Rows * ds.Columns * 3 / len(ds.PixelData), rel=0.02)
