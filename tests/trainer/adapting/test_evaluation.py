"""False marks, reports and comparisons with a card."""

from __future__ import annotations

import numpy as np
import pytest

from models.packages.card import Figure
from models.packages.folders import PERMISSIVE
from models.packages.package import BUNDLED, load_package
from tests.trainer.adapting import toy
from tests.trainer.adapting.judged import asked, box, marked
from trainer.adapting import convolutions
from trainer.adapting.evaluation import differences
from trainer.adapting.judging_masks import segmentation_case
from trainer.adapting.negatives import crops, free_part, marks
from trainer.adapting.report import Page, page
from trainer.adapting.subgroups import subgroups
from trainer.evaluate import Result
from trainer.tasks.spec import Example
from trainer.tasks.truths import LabelMap, Outlined


@pytest.fixture(scope="module")
def card():
    return load_package(BUNDLED / PERMISSIVE / "fetal-head").card


def disc(x: int, y: int, radius: int = 10, shape: tuple[int, int] = (80, 96)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def test_marks__of_a_mask_in_two_parts_and_a_box__are_three():
    assert marks((marked(disc(20, 20) | disc(70, 50)), box(5, 0.9))) == 3
    assert marks(()) == 0


def test_free_part__beside_a_nodule__has_nothing_of_it_and_is_the_largest():
    picture = np.zeros((300, 400), np.uint8)
    mask = disc(60, 150, 40, picture.shape)
    picture[mask] = 255
    part = free_part(picture, mask)
    assert part.max() == 0
    assert part.shape == (300, 400 - 100 - 1 - 20)


def test_free_part__where_the_nodule_fills_the_picture__is_none():
    assert free_part(np.zeros((300, 400), np.uint8), disc(200, 150, 140, (300, 400))) is None


def test_crops__of_normal_anatomy__are_not_taken_for_free_of_it():
    truth = Outlined(mask=255 * disc(60, 150, 40, (300, 400)).astype(np.uint8))
    example = Example(name="a/1", picture=np.zeros((300, 400), np.uint8), truth=truth, patient="a")
    assert crops(toy.spec("outline"), "test", [example]) == []


def test_report__of_groups_and_false_marks__tells_them_and_needs_nothing_else(card):
    cases = []
    for number in range(6):
        truth, device = LabelMap(classes=disc(40, 40).astype(np.uint8)), "old one" if number else "<new one>"
        said = asked(truth, (marked(disc(40 + number, 40)),), f"set/{number}", traits={"device": device})
        cases.append(segmentation_case(said, toy.KINDS["segmentation"]))
    false = Result(name="false marks per picture", data="busi normal", value=0.25, low=0.1, high=0.5, unit="", n=4)
    groups = subgroups(cases, toy.KINDS["segmentation"], "test")
    told = page(
        card, Page(results=[], cases=cases, groups=groups, false_marks=[false], plots=["<svg id='agreement'/>"])
    )
    assert all(words in told for words in ("old one", "&lt;new one&gt;", "1, too few", "busi normal", "0.100 to 0.500"))
    assert "<svg id='agreement'/>" in told
    assert told.count("data:image/jpeg;base64,") == 9
    assert "http" not in told
    assert told.index("set/01") < told.index("Worst cases") < told.rindex("set/51"), "the best is drawn first"


def test_differences__a_figure_off_by_a_digit_or_not_measured__is_named(card):
    given = {"name": "Dice", "data": "test", "unit": "", "n": 5}
    two = (Figure(**given, value=0.9123, low=0.9, high=0.95), Figure(**given | {"name": "lost"}, value=1.0))
    changed = card.model_copy(update={"figures": two})
    same = Result(**given, value=0.91234, low=0.9, high=0.95)
    assert [words.split(":")[0] for words in differences(changed, [same])] == ["lost, test"]
    (other, _) = differences(changed, [Result(**given, value=0.9124, low=0.9, high=0.95)])
    assert "0.9124" in other


def test_convolutional_network__of_like_size__gives_maps_where_an_encoder_does():
    network = convolutions.fresh(convolutions.CONVOLUTIONAL)
    assert network.config.strides == convolutions.fresh("echocare_tiny").config.strides
    numbers = [sum(p.numel() for p in each.parameters()) for each in (network, convolutions.fresh("echocare_tiny"))]
    assert numbers[0] == pytest.approx(numbers[1], rel=0.05)
