"""The ejection fraction that a cine of masks gives, and when it is withheld."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from models.findings import Mask, Measure, Narrative, NoFinding, Quantity
from models.geometry.extents import extent
from tests.models.asking import settings_of
from tests.models.lessons import EDGE, read_all, structure, told

FRAMES = 20
NAME = "ejection fraction"
CODE = {"value": "18043-0", "scheme": "LN", "meaning": "Left Ventricular Ejection Fraction by US"}


def card(**changes):
    ejection = {"structure": "left ventricle", "code": CODE, "least_frames": 12, **changes}
    return settings_of(
        "segmentation",
        scope=0.5,
        name="left heart",
        exclusive=True,
        structures=[{"structure": structure("left ventricle")}],
        ejection=ejection,
    )


def cavity(size, x=EDGE / 2, y=EDGE / 2):
    """A map (EDGE, EDGE) of an ellipse of half axes 32 and 20 px, times `size`."""
    rows, columns = np.mgrid[0:EDGE, 0:EDGE]
    off = np.hypot((columns - x) / (20 * size), (rows - y) / (32 * size))
    return (1 / (1 + np.exp(np.clip((off - 1) * 30, -60, 60)))).astype(np.float32)


def beating(smallest=0.8, frames=FRAMES):
    """Sizes of a heart that is largest in the first frame and smallest half a beat later."""
    turns = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    return list(1 - (1 - smallest) * (1 - np.cos(turns)) / 2)


def cine(maps, scope=0.9):
    return [told({"mask": each[None], "scope": np.float32(scope)}, n) for n, each in enumerate(maps, 1)]


def about(findings):
    return [finding for finding in findings if finding.name == NAME]


def test_cine__of_a_beating_ventricle__tells_its_ejection_fraction_and_the_two_frames():
    quantity, words = about(read_all(card(), cine([cavity(size) for size in beating()])))
    assert isinstance(quantity, Quantity)
    assert quantity.value == pytest.approx(100 * (1 - 0.8**3), abs=1.0)
    assert (quantity.unit, quantity.code.value, quantity.frame) == ("%", "18043-0", 1)
    assert isinstance(words, Narrative)
    assert "largest in frame 1, smallest in frame 11 of 20" in words.text
    assert {quantity.group, words.group} == {"ejection fraction 1"}


def volumes_of(findings):
    return [each for each in findings if isinstance(each, Quantity) and each.measure is Measure.VOLUME]


def test_cine__of_a_beating_ventricle__tells_both_volumes_with_their_discs_on_their_frames():
    end_diastolic, end_systolic = volumes_of(read_all(card(), cine([cavity(size) for size in beating()])))
    assert (end_diastolic.name, end_diastolic.code.value, end_diastolic.frame) == ("end-diastolic volume", "18026-5", 1)
    assert (end_systolic.name, end_systolic.code.value, end_systolic.frame) == ("end-systolic volume", "18148-7", 11)
    assert end_diastolic.value == pytest.approx(4 / 3 * np.pi * 32 * 20**2, rel=0.03)
    assert end_systolic.value / end_diastolic.value == pytest.approx(0.8**3, abs=0.02)
    for volume in (end_diastolic, end_systolic):
        assert (volume.unit, volume.method.value, volume.group) == ("px3", "125208", "ejection fraction 1")
        sides = np.array(volume.points)
        assert volume.value == pytest.approx(extent(sides, Measure.VOLUME))
        semi = np.array([20, 32]) * (1.0 if volume is end_diastolic else 0.8)
        assert np.hypot(*((sides - EDGE / 2) / semi).T) == pytest.approx(1, abs=0.05)


def test_cine__shift_of_the_fraction__is_not_added_to_volumes():
    maps = cine([cavity(size) for size in beating()])
    plain, shifted = (volumes_of(read_all(card(**changes), maps)) for changes in ({}, {"shift": 4.0}))
    assert [each.value for each in plain] == [each.value for each in shifted]


@pytest.mark.parametrize(
    ("value", "scheme", "expected"),
    [
        ("79993-2", "LN", ["79999-9", "80004-5"]),
        ("79992-4", "LN", ["79998-1", "80003-7"]),
        ("EF", "99SITE", [None] * 2),
    ],
)
def test_cine__volumes__have_the_codes_that_go_with_that_of_the_fraction(value, scheme, expected):
    code = {"value": value, "scheme": scheme, "meaning": "ejection fraction"}
    volumes = volumes_of(read_all(card(code=code), cine([cavity(size) for size in beating()])))
    assert [None if each.code is None else each.code.value for each in volumes] == expected


def test_still__has_masks_and_no_word_of_an_ejection_fraction():
    findings = read_all(card(), cine([cavity(1.0)]))
    assert any(isinstance(finding, Mask) for finding in findings)
    assert about(findings) == []


def without_one():
    maps = [cavity(size) for size in beating()]
    maps[7] = np.zeros((EDGE, EDGE), np.float32)
    return maps


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (lambda: [cavity(size) for size in beating(frames=6)], "6 frames hardly hold a beat, 12 are needed"),
        (without_one, "was marked in 19 of 20 frames"),
        (lambda: [cavity(size, y=20) for size in beating()], "reaches the edge of the picture"),
        (lambda: [cavity(0.7 if n == 9 else 1.0) for n in range(FRAMES)], "from one frame to the next"),
        (lambda: [cavity(1.0)] * FRAMES, "is not within 5 % to 90 %"),
    ],
)
def test_cine__that_cannot_be_trusted__is_withheld_with_the_reason(maps, words):
    (finding,) = about(read_all(card(), cine(maps())))
    assert isinstance(finding, NoFinding)
    assert words in finding.reason
    assert volumes_of(read_all(card(), cine(maps()))) == []


def test_cine__with_a_frame_out_of_scope__is_withheld():
    frames = cine([cavity(size) for size in beating()])
    frames[3] = told({**frames[3].raw, "scope": np.float32(0.1)}, 4)
    (finding,) = about(read_all(card(), frames))
    assert "was marked in 19 of 20 frames" in finding.reason


def test_cine__that_never_shows_the_ventricle__has_one_reason_and_no_second_one():
    (finding,) = read_all(card(), cine([np.zeros((EDGE, EDGE), np.float32)] * FRAMES))
    assert isinstance(finding, NoFinding)
    assert finding.name == "left heart"


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"structure": "spleen"}, "needs a structure 'spleen'"), ({"plausible": (90, 5)}, "a least and a greater most")],
)
def test_settings__that_make_no_sense__are_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        card(**changes)


def test_cine__shift_on_the_card__is_added_and_told():
    maps = cine([cavity(size) for size in beating()])
    (plain, _), (shifted, words) = about(read_all(card(), maps)), about(read_all(card(shift=4.0), maps))
    assert shifted.value == pytest.approx(plain.value + 4.0)
    assert "+4.0 added" in words.text
