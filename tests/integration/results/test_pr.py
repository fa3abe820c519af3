"""The presentation state: marks where they were found, on their frames, over a picture that is shown as it was."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageCms

from integration.results import ResultOptions, write_results
from integration.results.pr.profile import srgb_input_profile
from models.findings import Box, Landmarks
from tests.integration.results.sources import (
    AXES,
    CENTRE,
    COLUMNS,
    ROWS,
    head_findings,
    lesion_findings,
    outline,
    request_of,
    write_source,
)

GRAY, COLOUR = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2"


def _state(folder, source, findings):
    request = request_of(source, findings, options=ResultOptions(objects=("PR",)))
    (result,) = write_results(request, folder)
    assert result.role == "PR"
    return result.path


def _frames(item):
    numbers = item.ReferencedImageSequence[0].get("ReferencedFrameNumber")
    return [] if numbers is None else np.atleast_1d(numbers).astype(int).tolist()


def _lines(ds):
    """Points of every graphic, by frame."""
    lines = {}
    for item in ds.GraphicAnnotationSequence:
        for graphic in item.get("GraphicObjectSequence", ()):
            assert graphic.GraphicAnnotationUnits == "PIXEL"
            points = np.array(graphic.GraphicData).reshape(-1, 2)
            assert len(points) == graphic.NumberOfGraphicPoints
            lines.setdefault(tuple(_frames(item)), []).append(points)
    return lines


def _texts(ds):
    return {
        text.UnformattedTextValue: _frames(item)
        for item in ds.GraphicAnnotationSequence
        for text in item.get("TextObjectSequence", ())
    }


def _has(lines, expected):
    return any(len(line) == len(expected) and np.allclose(line, expected, atol=1e-3) for line in lines)


@pytest.mark.parametrize(("kind", "sop_class"), [("RGB", COLOUR), ("YBR", COLOUR), ("PALETTE", COLOUR), ("MONO", GRAY)])
def test_pr__of_a_still__has_every_mark_in_its_place(tmp_path, kind, sop_class):
    source = write_source(tmp_path / "source", kind=kind)
    ds = pydicom.dcmread(_state(tmp_path, source, head_findings(source)))
    assert ds.SOPClassUID == sop_class and ("ICCProfile" in ds) == (sop_class == COLOUR)
    (x, y), (a, b) = CENTRE, AXES
    ((frames, lines),) = _lines(ds).items()
    assert frames == ()  # a still has no frame numbers
    assert _has(lines, np.array([(x, y - b), (x, y + b)]) + 0.5)
    assert _has(lines, np.array([(x - a, y), (x + a, y)]) + 0.5)
    ring = outline()
    assert _has(lines, np.array([*ring, ring[0]]) + 0.5)
    (mask,) = [line for line in lines if len(line) not in (2, 73)]
    # Borders run through the centres of pixels; the mask lies one pixel to the right of the ellipse.
    assert np.allclose(
        [mask.min(axis=0), mask.max(axis=0)], [(x + 1 - a + 0.5, y - b + 0.5), (x + 1 + a + 0.5, y + b + 0.5)]
    )
    assert {"head circumference 110.5 mm", "biparietal diameter 30.0 mm"} <= set(_texts(ds))
    area = ds.DisplayedAreaSelectionSequence[0]
    assert (list(area.DisplayedAreaTopLeftHandCorner), list(area.DisplayedAreaBottomRightHandCorner)) == (
        [1, 1],
        [COLUMNS, ROWS],
    )


def test_pr__of_a_clip__has_marks_and_words_on_their_frames_alone(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    findings = head_findings(source, frames=(2, 5), best=5) + lesion_findings(source, frame=3)
    ds = pydicom.dcmread(_state(tmp_path, source, findings))
    lines = _lines(ds)
    assert {frames: len(drawn) for frames, drawn in lines.items()} == {(2,): 1, (3,): 1, (5,): 4}
    texts = _texts(ds)
    assert texts["biparietal diameter 30.0 mm"] == [5]
    assert texts["breast mass 1: assessment: Malignant (probability 71.4 %)"] == [3]
    (notice,) = [text for text in texts if text.startswith("research use only, not for diagnosis")]
    assert texts[notice] == [2, 3, 5]
    layers = {layer.GraphicLayer for layer in ds.GraphicLayerSequence}
    assert layers == {"FINDING 1", "FINDING 2", "NOTES"}
    assert {item.GraphicLayer for item in ds.GraphicAnnotationSequence} == layers
    (series,) = ds.ReferencedSeriesSequence
    assert (series.SeriesInstanceUID, series.ReferencedImageSequence[0].ReferencedSOPInstanceUID) == (
        "2.25.333",
        "2.25.111",
    )


def test_pr__words__never_leave_the_frame_nor_cover_each_other(tmp_path):
    source = write_source(tmp_path / "source", rows=600, columns=800)
    boxes = tuple(
        Box(name="nodule", group=f"nodule {n}", frame=1, confidence=0.8, left=700, top=5 + n, right=799, bottom=599)
        for n in range(4)
    )
    ds = pydicom.dcmread(_state(tmp_path, source, boxes))
    corners = [
        (*text.BoundingBoxTopLeftHandCorner, *text.BoundingBoxBottomRightHandCorner)
        for item in ds.GraphicAnnotationSequence
        for text in item.get("TextObjectSequence", ())
        if text.BoundingBoxAnnotationUnits == "PIXEL"
    ]
    assert len(corners) == 4
    for left, top, right, bottom in corners:
        assert 0 <= left < right <= 800 and 0 <= top < bottom <= 600
    for index, one in enumerate(corners):
        for other in corners[index + 1 :]:
            assert one[3] <= other[1] or other[3] <= one[1] or one[2] <= other[0] or other[2] <= one[0]


def test_pr__points__are_points_with_their_names(tmp_path):
    source = write_source(tmp_path / "source")
    marks = Landmarks(name="ends", group="heart", frame=1, points=((10, 20), (30.25, 40)), labels=("apex", "base"))
    ds = pydicom.dcmread(_state(tmp_path, source, (marks,)))
    (lines,) = _lines(ds).values()
    assert [line.tolist() for line in lines] == [[[10.5, 20.5]], [[30.75, 40.5]]]
    assert {"apex", "base"} <= set(_texts(ds))


def test_pr__gray__dcmtk_shows_the_picture_as_without_and_reads_the_marks(tmp_path, dcmtk):
    text = {"WindowCenter": [60, 100], "WindowWidth": [80, 200]}
    source = write_source(tmp_path / "source", kind="MONO", frames=5, text=text)
    path = _state(tmp_path, source, head_findings(source, frames=(3,), best=3))
    dcmtk("dcmp2pgm", "-f", 3, tmp_path / "source", tmp_path / "plain.pgm")
    dcmtk("dcmp2pgm", "-f", 3, "-p", path, "+S", tmp_path / "again.pre", tmp_path / "source", tmp_path / "with.pgm")
    plain, shown = (np.asarray(Image.open(tmp_path / name)) for name in ("plain.pgm", "with.pgm"))
    assert np.ptp(plain) > 200 and np.array_equal(plain, shown)
    ours, again = _lines(pydicom.dcmread(path)), _lines(pydicom.dcmread(tmp_path / "again.pre"))
    assert ours.keys() == again.keys() == {(3,)}
    for line, other in zip(ours[3,], again[3,], strict=True):
        assert np.allclose(line, other, atol=1e-3)


def test_pr__colour__dcmtk_reads_the_marks(tmp_path, dcmtk):
    source = write_source(tmp_path / "source")
    path = _state(tmp_path, source, head_findings(source))
    read = json.loads(dcmtk("dcm2json", path))
    graphics = [
        graphic["00700022"]["Value"]
        for item in read["00700001"]["Value"]
        for graphic in item.get("00700009", {"Value": []})["Value"]
    ]
    (ours,) = _lines(pydicom.dcmread(path)).values()
    assert [len(points) for points in graphics] == [2 * len(line) for line in ours]
    assert all(np.allclose(points, line.ravel()) for points, line in zip(graphics, ours, strict=True))


def test_profile__is_an_input_profile_that_leaves_srgb_as_it_is():
    profile = ImageCms.ImageCmsProfile(BytesIO(srgb_input_profile()))
    assert profile.profile.device_class.strip() == "scnr"
    colours = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8))
    shown = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"))
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(colours)).max() <= 1


def test_pr__outline_of_very_many_points__is_written_in_pieces(tmp_path):
    source = write_source(tmp_path / "source", rows=400, columns=400)
    from models.findings import Measure, Quantity

    points = tuple((200 + 150 * np.cos(t), 200 + 150 * np.sin(t)) for t in np.linspace(0, 6.28, 9000))
    area = Quantity(name="area", group="it", frame=1, value=1.0, unit="px2", measure=Measure.AREA, points=points)
    ds = pydicom.dcmread(_state(tmp_path, source, (area,)))
    (lines,) = _lines(ds).values()
    assert len(lines) == 2 and np.array_equal(lines[0][-1], lines[1][0]) and np.array_equal(lines[1][-1], lines[0][0])
