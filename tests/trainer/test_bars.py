"""Which packages are trials."""

from __future__ import annotations

from models.packages.card import Figure
from trainer.tasks import SPECS
from trainer.tasks.bars import Bar, trial_of

BARS = (Bar(figure="Dice", least=0.65), Bar(figure="error", most=5.0))


def figure(name: str, value: float, unit: str = "", data: str = "own test") -> Figure:
    return Figure(name=name, data=data, value=value, unit=unit, n=9)


def test_trial_of__every_bar_reached__is_none():
    assert trial_of(BARS, [figure("Dice", 0.65), figure("error", 5.0, "mm")]) is None


def test_trial_of__bars_missed__tells_each_with_figure_and_bar():
    words = trial_of(BARS, [figure("Dice", 0.451), figure("error", 7.25, "mm")])
    assert words == "Dice is 0.451, asked is at least 0.65; error is 7.25 mm, asked is at most 5"


def test_trial_of__nothing_measured__is_a_trial():
    assert trial_of(BARS[:1], []) == "Dice could not be measured"


def test_trial_of__own_data_stand_before_another_site():
    assert trial_of(BARS[:1], [figure("Dice", 0.9), figure("Dice", 0.2, data="another site")]) is None


def test_every_task__has_bars():
    assert [name for name, spec in SPECS.items() if not spec.bars] == []
