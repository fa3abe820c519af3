"""Presentation states as DCMTK checks and reads them.

DCMTK applies a presentation state to a picture and says which marks belong to it, but paints none: `dcmp2pgm` gives the
picture alone. So here the marks that it read are painted over the picture that it gave, and are looked for at a known
corner. It knows grayscale states alone: of one in colour, and of its picture, the copies as grayscale are looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from integration.results import ResultOptions, write_results
from models.findings import Box, Finding, Landmarks, Mask, Measure, Quantity
from tests.integration.results.sources import ANATOMY, COLUMNS, HC, HEAD, ROWS, head_findings, request_of, write_source

KINDS = ("MONO", "RGB", "PALETTE", "YBR")
LEFT, TOP, RIGHT, BOTTOM = 40, 30, 100, 75  # first and last pixels of a bright thing
DARK, BRIGHT = 20, 180
_GRAPHIC = re.compile(r"graphic \d+: points=(\d+) type=(\w+) filled=(\w+) units=(\w+)\s+I:\s+coordinates: ([^\n]*)")


def state_of(folder: Path, findings: tuple[Finding, ...], *, kind: str = "MONO", frames: int = 1, **text) -> Path:
    source = write_source(folder / "source", kind=kind, frames=frames, text=text)
    (result,) = write_results(request_of(source, findings, options=ResultOptions(objects=("PR",))), folder)
    return Path(result.path)


def as_dcmtk_can(path: Path) -> Path:
    """A copy for DCMTK 3.6.7: a grayscale state, and a DT without offset, which its pattern never lets through."""
    ds = pydicom.dcmread(path)
    for item in ds.ContributingEquipmentSequence:
        item.ContributionDateTime = str(item.ContributionDateTime).partition("+")[0]
    if "ICCProfile" in ds:
        del ds.ICCProfile
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = GrayscaleSoftcopyPresentationStateStorage
        ds.PresentationLUTShape = "IDENTITY"
    ds.save_as(copy := path.with_suffix(".gray"))
    return copy


def bright_thing(frames: int = 1) -> bytes:
    """Pixels of a picture that is dark but for one rectangle."""
    pixels = np.full((frames, ROWS, COLUMNS), DARK, np.uint8)
    pixels[:, TOP : BOTTOM + 1, LEFT : RIGHT + 1] = BRIGHT
    return pixels.tobytes()


def marks(frame: int = 1, group: str = "thing 1") -> tuple[Finding, ...]:
    """Every kind of mark on the bright thing."""
    inside = np.zeros((ROWS, COLUMNS), bool)
    inside[TOP : BOTTOM + 1, LEFT : RIGHT + 1] = True
    whose, coded = {"group": group, "frame": frame}, {"code": HEAD, "category": ANATOMY}
    corner, other = (float(LEFT), float(TOP)), (float(RIGHT), float(BOTTOM))
    mask = Mask(name="thing", rows=ROWS, columns=COLUMNS, deflated=Mask.deflate(inside), **whose, **coded)
    box = Box(name="thing", confidence=0.9, left=LEFT, top=TOP, right=RIGHT, bottom=BOTTOM, **whose)
    caliper = Quantity(
        name="length", code=HC, value=1.0, unit="px", measure=Measure.LENGTH, points=(corner, other), **whose
    )
    return mask, box, caliper, Landmarks(name="ends", points=(corner, other), labels=("one", "other"), **whose)


def read_by_dcmtk(told: str) -> list[np.ndarray]:
    """The points of every graphic that `dcmp2pgm -v` says it would draw."""
    found = []
    for count, _, filled, units, coordinates in _GRAPHIC.findall(told):
        points = np.array([pair.split("\\") for pair in coordinates.strip(", ").split(", ")], float)
        assert (len(points), filled, units) == (int(count), "no", "pixel")
        found.append(points)
    return found


def painted(shown: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which pixels a mark covers: (0, 0) is the corner of the first pixel (PS3.3 C.10.5.1.2)."""
    canvas = np.zeros(shown.shape, np.uint8)
    pixels = np.floor(points).astype(np.int32)
    canvas[pixels[:, 1], pixels[:, 0]] = 1
    cv2.polylines(canvas, [pixels.reshape(-1, 1, 2)], isClosed=False, color=1)
    return canvas.astype(bool)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 5])
def test_pr__of_every_kind__dcmpschk_finds_no_error(tmp_path, dcmtk, kind, frames):
    source = write_source(tmp_path / "plain", kind=kind, frames=frames)
    path = state_of(tmp_path, head_findings(source, frames=(1,)) + marks(), kind=kind, frames=frames)
    told = dcmtk("dcmpschk", "-v", as_dcmtk_can(path))
    assert "Pass 3" in told and "skipping pass 3" not in told
    assert "Test passed" in told and "Error" not in told, told


def test_pr__with_a_fault__dcmpschk_finds_it(tmp_path, dcmtk):
    path = as_dcmtk_can(state_of(tmp_path, marks()))
    ds = pydicom.dcmread(path)
    ds.GraphicAnnotationSequence[0].GraphicLayer = "NO SUCH LAYER"
    del ds.DisplayedAreaSelectionSequence
    ds.save_as(path)
    assert "Test passed" not in dcmtk("dcmpschk", "-v", path)


@pytest.mark.parametrize("kind", KINDS)
def test_pr__painted_as_dcmtk_reads_it__lies_on_the_known_corner_of_what_dcmtk_shows(tmp_path, dcmtk, kind):
    path = as_dcmtk_can(state_of(tmp_path, marks(), kind=kind))
    write_source(tmp_path / "gray", kind="MONO", text={"PixelData": bright_thing()})
    told = dcmtk("dcmp2pgm", "-v", "-p", path, tmp_path / "gray", tmp_path / "shown.pgm")
    shown = np.asarray(Image.open(tmp_path / "shown.pgm"))
    is_bright = shown > shown.mean()
    assert (is_bright[TOP, LEFT], is_bright[TOP - 1, LEFT], is_bright[TOP, LEFT - 1]) == (True, False, False)
    read = read_by_dcmtk(told)
    assert sorted(map(len, read)) == [1, 1, 2, 5, 5]  # two points, a caliper, a box and the mask's border
    ring = cv2.morphologyEx(is_bright.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3)), borderValue=0)
    edge = ring.astype(bool) & is_bright  # the outermost pixels of the thing
    for points in read:
        if len(points) == 5:
            assert np.array_equal(painted(shown, points), edge)
    (caliper,) = [painted(shown, points) for points in read if len(points) == 2]
    ends = [tuple(map(int, np.argwhere(painted(shown, points))[0])) for points in read if len(points) == 1]
    assert set(ends) == {(TOP, LEFT), (BOTTOM, RIGHT)}
    assert caliper[TOP, LEFT] and caliper[BOTTOM, RIGHT] and not caliper[~is_bright].any()


@pytest.mark.parametrize("kind", KINDS)
def test_pr__of_a_clip__dcmtk_lays_over_the_first_frame_what_is_of_it_alone(tmp_path, dcmtk, kind):
    """DCMTK tells the marks of the first frame, whichever it shows."""
    findings = (*marks(1, "first"), *marks(3, "third")[:1])
    path = as_dcmtk_can(state_of(tmp_path, findings, kind=kind, frames=5))
    write_source(tmp_path / "gray", kind="MONO", frames=5, text={"PixelData": bright_thing(5) + b"\0"})
    told = dcmtk("dcmp2pgm", "-v", "-p", path, tmp_path / "gray", tmp_path / "shown.pgm")
    first, third, notes = told.split("Graphic Layer #")[1:]
    assert ("Description: first" in first, len(read_by_dcmtk(first))) == (True, 5)
    assert ("Description: third" in third, len(read_by_dcmtk(third))) == (True, 0)
    assert "research use only" in notes
