"""Pretrained against from nothing, and an adapter against full fine-tuning: the commands of `benchmarks`."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import lora, pretraining, series
from benchmarks.arms import Arm, NotCompared, Outcome, Run, evenly, figure_of, made, values
from benchmarks.differences import of_task, over_tasks
from tests.models.built import encoder_package
from tests.trainer.adapting import toy
from trainer.tasks import SPECS
from trainer.tasks.truths import UNKNOWN, UNLABELLED, Answer, Boxes, LabelMap, Outlined, ViewAnswer

ARM = Arm(task="toy", method="full", size=32, steps=1, batch=8)
NONE = float("nan")
LEARN = ["--tasks", "toy", "--size", "32", "--steps", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return toy.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_package(tmp_path_factory.mktemp("given"))


@pytest.fixture(autouse=True)
def tasks(monkeypatch):
    monkeypatch.setitem(SPECS, "toy", toy.spec("segmentation"))


def run(dices: list[tuple[float, ...]], **changes) -> Run:
    """A run whose pictures had these Dice values, two pictures of each patient."""
    found = [Outcome(picture=str(n), patient=str(n // 2), values=each) for n, each in enumerate(dices)]
    return Run(
        key="",
        arm=replace(ARM, **changes),
        figure=0,
        pictures=1,
        patients=1,
        epochs=1,
        steps=1,
        seconds=1,
        validation=0,
        encoder_numbers=1000,
        adapter_numbers=20,
        trained_numbers=120,
        outcomes=tuple(found),
    )


def test_pretraining__of_a_toy__leaves_a_line_for_each_run_and_the_difference(data, encoder, tmp_path):
    command = ["--data", str(data), "--encoder", str(encoder.path), "--out", str(tmp_path), "--seeds", "1", *LEARN]
    code = pretraining.main([*command, "--share", "0.5"])
    told = json.loads((tmp_path / "pretraining.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [line["arm"]["method"] for line in lines] == ["scratch", "full"]
    assert {(line["patients"], line["pictures"]) for line in lines} == {(2, 4)}
    assert all(len(line["outcomes"]) == toy.COUNTS["test"] for line in lines)
    assert told["differences"][0]["value"] == pytest.approx(lines[1]["figure"] - lines[0]["figure"], abs=1e-5)
    assert code == (0 if told["differences"][-1]["low"] > 0 else 1)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "checkpoints of finished runs are in the way"


def test_lora__of_a_toy_stopped_and_taken_up_again__makes_no_run_twice(data, encoder, tmp_path, monkeypatch, capsys):
    command = ["--data", str(data), "--encoder", str(encoder.path), "--out", str(tmp_path), *LEARN]
    asked = []

    def stopped_at_second(arm, place, on_step):
        asked.append(arm.method)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return made(arm, place, on_step)

    monkeypatch.setattr(series, "made", stopped_at_second)
    assert lora.main(command) == 130
    assert "goes on" in capsys.readouterr().err
    lora.main(command)
    assert asked == ["full", "lora", "lora"]
    told = json.loads((tmp_path / "lora.json").read_text())
    assert 0 < told["adapter_share"] <= 0.05
    assert told["adapter_share"] < told["learned_share"] < 1


@pytest.mark.parametrize("main", [pretraining.main, lora.main])
def test_experiment__task_of_a_kind_without_such_a_figure__is_refused_in_words(
    main, encoder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(SPECS, "toy", toy.spec("landmarks"))
    assert main(["--data", str(tmp_path), "--encoder", str(encoder.path), "--out", str(tmp_path), *LEARN]) == 2
    assert "kind 'landmarks'" in capsys.readouterr().err


def test_runs__written_and_read__are_the_same_with_what_is_not_known(tmp_path):
    whole = run([(0.5, NONE), (0.25, 1.0)], share=0.1)
    series._write({whole.key: whole}, tmp_path / "runs.jsonl")
    (again,) = series.read(tmp_path / "runs.jsonl").values()
    assert again.arm == whole.arm
    assert str(again) == str(whole)  # NaN equals nothing, itself neither


def test_difference__better_on_every_picture__has_an_interval_above_zero():
    rng = np.random.default_rng(0)
    before = [(float(x),) for x in rng.uniform(0.3, 0.9, 20)]
    after = [(x + 0.05 + float(more),) for (x,), more in zip(before, rng.uniform(0, 0.02, 20), strict=True)]
    found = of_task([run(before)], [run(after)], 200).difference
    assert 0.05 < found.low < found.value < found.high < 0.07
    assert (found.pictures, found.patients) == (20, 10)


def test_difference__as_good__has_zero_in_its_interval():
    rng = np.random.default_rng(1)
    before, after = ([(float(x),) for x in rng.uniform(0.3, 0.9, 20)] for _ in range(2))
    found = of_task([run(before)], [run(after)], 200).difference
    assert found.low < 0 < found.high


def test_difference__draws_that_disagree__widen_the_interval():
    flat = run([(0.5,)] * 8)
    draws = [run([(0.7,)] * 8), run([(0.4,)] * 8)]
    found = of_task([flat, flat], draws, 200).difference
    assert found.value == pytest.approx(0.05)
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(0.2))


def test_difference__measured_on_other_pictures__is_refused():
    with pytest.raises(ValueError, match="different pictures"):
        of_task([run([(0.5,)])], [run([(0.5,), (0.6,)])], 10)


def test_mean_of_tasks__gives_each_the_same_weight():
    few = of_task([run([(0.5,)] * 2)], [run([(0.7,)] * 2)], 20)
    many = of_task([run([(0.5,)] * 40)], [run([(0.5,)] * 40)], 20)
    whole = over_tasks("mean", [few, many])
    assert whole.value == pytest.approx(0.1)
    assert (whole.pictures, whole.theirs) == (42, 0.5)


def test_values__of_structures__dice_where_they_are_and_nothing_where_they_are_not():
    settings = toy.KINDS["segmentation"]
    likely = np.array([[[0.9, 0.6, 0.2, 0.9]]], np.float32)
    truth = LabelMap(classes=np.array([[1, 0, 0, UNLABELLED]], np.uint8))
    assert values(settings, {"mask": likely}, truth) == (pytest.approx(2 / 3),)
    assert np.isnan(values(settings, {"mask": likely}, LabelMap(classes=np.zeros((1, 4), np.uint8)))[0])


def test_values__of_an_outline_a_question_and_a_view__as_worked_out_by_hand():
    mask = np.array([[255, 255, 0, 0]], np.uint8)
    said = {"mask": np.array([[0.8, 0.1, 0.1, 0.1]], np.float32)}
    assert values(toy.KINDS["outline"], said, Outlined(mask=mask)) == (pytest.approx(2 / 3),)
    answer = {"answer": np.log(np.array([0.25, 0.75], np.float32))}
    assert values(toy.KINDS["classification"], answer, Answer(number=1)) == (1.0, pytest.approx(0.25), 0.75)
    # the likeliest organ of the likelier region loses to the only organ of the other
    view = {"region": np.log([0.45, 0.55]), "organ": np.log([1.0, 0.6, 0.4])}
    assert values(toy.KINDS["view"], view, ViewAnswer(region=0, organ=0)) == (1.0,)
    assert values(toy.KINDS["view"], view, ViewAnswer(region=1, organ=1)) == (0.0,)
    assert np.isnan(values(toy.KINDS["view"], view, ViewAnswer(region=1, organ=UNKNOWN))[0])


def test_values__of_boxes__are_refused():
    boxes = Boxes(boxes=np.zeros((0, 4)), classes=np.zeros(0, np.int64), labelled=np.ones(1, bool))
    with pytest.raises(NotCompared, match="Boxes"):
        values(toy.KINDS["segmentation"], {}, boxes)


def test_figure__of_structures__is_the_mean_of_their_means_and_of_answers_the_auc():
    rows = np.array([[0.8, NONE], [0.6, 0.1]])
    assert figure_of(toy.KINDS["segmentation"])(rows) == pytest.approx((0.7 + 0.1) / 2)
    answers = np.array([[0.0, 0.9, 0.1], [1.0, 0.2, 0.8], [NONE, 0.5, 0.5]])
    assert figure_of(toy.KINDS["classification"])(answers) == 1.0


def test_evenly__more_than_there_are__takes_all_and_fewer_from_end_to_end():
    listed = list("abcdefg")
    assert evenly(listed, 20) == listed
    assert evenly(listed, 3) == ["a", "d", "g"]


@pytest.mark.parametrize("experiment", [pretraining, lora])
def test_experiment__asked_how_it_is_used__tells_every_option(experiment, capsys):
    with pytest.raises(SystemExit) as end:
        experiment.main(["--help"])
    assert end.value.code == 0
    assert "--encoder" in capsys.readouterr().out
