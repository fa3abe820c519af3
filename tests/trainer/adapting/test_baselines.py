"""Figures of other networks that come with the repository, on cards and beside those of a package."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.packages import discover
from tests.trainer.adapting import toy
from trainer.adapting import baselines
from trainer.adapting.baselines import KEPT, baselines_of, latest, sentence
from trainer.adapting.beside import Beside, NoFigures, write_figures
from trainer.cards import NO_BASELINE, draft
from trainer.evaluate import Result
from trainer.tasks import SPECS
from trainer.tasks.spec import TaskSpec


def told(value: float, name: str = "a convolutional network (of toys)") -> Beside:
    figure = Result(name="answered", data="toys test", value=value, low=60.0, high=90.0, unit="%", n=8)
    return Beside(name=name, figures=(figure,), command="echocare-train adapt", hours=0.25, machine="one core")


@pytest.fixture
def spec(tmp_path, monkeypatch) -> TaskSpec:
    monkeypatch.setattr(baselines, "KEPT", tmp_path)
    return replace(toy.spec("segmentation"), headline=("answered",))


def test_card_of_a_new_package__says_what_another_network_reached(spec, tmp_path):
    training = discover()[0][0].card.training
    assert draft(spec, 192, "echocare_tiny", training).baseline == NO_BASELINE
    write_figures(told(75.0), tmp_path / f"{spec.name}-cnn.json")
    words = draft(spec, 192, "echocare_tiny", training).baseline
    assert "(of toys), from scratch, 0.25 h: answered 75.0000 % (60.000 to 90.000)" in words
    spec = replace(spec, baseline="a plain U-Net")
    assert draft(spec, 192, "echocare_tiny", training).baseline == f"a plain U-Net\n{words}"


def test_kept_file__of_another_shape__is_told_with_its_name(spec, tmp_path):
    (tmp_path / f"{spec.name}-cnn.json").write_text('{"name": "cnn", "colour": "red"}')
    with pytest.raises(NoFigures, match=r"toy-cnn\.json"):
        baselines_of(spec)


def test_columns__measured_again__replace_those_that_were_kept():
    assert latest([told(1.0), told(2.0, "from scratch"), told(3.0)]) == (told(3.0), told(2.0, "from scratch"))


def test_kept_baselines__are_of_tasks_that_there_are_and_told_on_their_bundled_cards():
    names = {file.name.removesuffix("-cnn.json") for file in KEPT.iterdir()}
    assert names <= set(SPECS)
    cards = {package.card.task: package.card for package in discover()[0]}
    for name in names:
        (kept,) = baselines_of(SPECS[name])
        assert sentence(kept, SPECS[name]) in cards[name].baseline.split("\n")
        assert all(word in {figure.name for figure in kept.figures} for word in SPECS[name].headline)
        assert (kept.command.split()[:2], kept.hours > 0) == (["echocare-train", "adapt"], True)
