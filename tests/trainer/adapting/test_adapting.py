"""Small adaptations on bright blobs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.findings import Category, NoFinding
from models.packages import EncoderPackage, load_package, verify
from models.packages.licences import use_of_licence
from tests.models.built import encoder_package
from tests.trainer.adapting import toy
from trainer.adapting import rival
from trainer.adapting.beside import of_card, read_figures, write_figures
from trainer.adapting.convolutions import CONVOLUTIONAL
from trainer.adapting.further import data_words
from trainer.adapting.loop import Adaptation
from trainer.adapting.measuring import cases_of, results_of
from trainer.adapting.packing import figure, note_baseline, pack
from trainer.adapting.pool import few, gather
from trainer.adapting.report import Page, page
from trainer.errors import WrongCheckpoint
from trainer.evaluate import engine_of, look


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return toy.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> EncoderPackage:
    return encoder_package(tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def pool(data):
    whole = gather(toy.spec("segmentation"), data, None, 0)
    return dataclasses.replace(whole, outsiders=whole.outsiders[:4])


def learned(folder, encoder, data, kind="segmentation", **changes):
    task = toy.spec(kind)
    pool = gather(task, data, None, 0)
    pool = dataclasses.replace(pool, outsiders=pool.outsiders[:4])
    adaptation = Adaptation(dataclasses.replace(toy.PLAN, **changes), task, pool, encoder, folder / "state")
    for _ in adaptation.run():
        pass
    return adaptation


@pytest.mark.parametrize("kind", toy.KINDS)
def test_adaptation__of_each_kind__gives_a_whole_package_with_figures_that_measuring_gives_again(
    kind, data, encoder, tmp_path
):
    long_enough = {"epochs": 10, "least": 32} if kind == "outline" else {"epochs": 1}  # one that finds none is refused
    adaptation = learned(tmp_path, encoder, data, kind, **long_enough)
    packed = pack(adaptation, encoder, data, tmp_path / "packages" / "toy", "echocare-train adapt")
    package = verify(tmp_path / "packages" / "toy")
    assert package.card.settings.kind == kind
    assert package.card.figures, "a card without figures says nothing"
    assert package.encoder.digest == encoder.digest
    with engine_of(package) as engine:
        cases = cases_of(engine, "toy", toy.spec(kind).examples(data, "test"))
    again = results_of(cases, package.card.settings, data_words(toy.spec(kind), "test"))
    assert tuple(map(figure, again)) == package.card.figures
    assert packed.package.identity == package.identity


def test_adaptation__of_enough_pictures__refuses_what_lies_far_from_them_whatever_its_scope_head_says(
    encoder, tmp_path
):
    data = toy.make(tmp_path / "data", counts={"train": 64, "val": 6, "test": 6})
    pack(learned(tmp_path, encoder, data, "classification", epochs=1), encoder, data, tmp_path / "toy", "")
    package = verify(tmp_path / "toy")
    assert package.card.settings.unlike is not None
    open_scope = package.card.model_copy(update={"settings": package.card.settings.model_copy(update={"scope": 0.0})})
    stripes = np.tile(np.array([[0, 255]], np.uint8), (80, 48))
    with engine_of(dataclasses.replace(package, card=open_scope)) as engine:
        (own,) = look(engine, "toy", toy.spec("classification").examples(data, "test")[0].picture).findings
        (far,) = look(engine, "toy", stripes).findings
    assert isinstance(own, Category)
    assert isinstance(far, NoFinding)
    assert "too unlike all that" in far.reason


def test_adaptation__of_blobs__finds_them_on_pictures_it_never_saw(data, encoder, tmp_path):
    adaptation = learned(tmp_path, encoder, data, epochs=10, least=32)
    packed = pack(adaptation, encoder, data, tmp_path / "toy", "")
    dice = next(r for r in packed.results if r.name == "blob Dice, where marked")
    assert dice.value > 0.8
    assert dice.low is not None
    assert dice.low <= dice.value


@pytest.mark.parametrize("method", ["frozen", "lora", "full"])
def test_adaptation__stopped_and_taken_up_again__same_weights_as_in_one_go(method, data, pool, encoder, tmp_path):
    plan, task = dataclasses.replace(toy.PLAN, method=method), toy.spec("segmentation")
    whole = Adaptation(plan, task, pool, encoder, tmp_path / "one")
    assert len(list(whole.run())) == 2
    for _ in Adaptation(plan, task, pool, encoder, tmp_path / "two").run():
        break
    resumed = Adaptation(plan, task, pool, encoder, tmp_path / "two")
    assert resumed.next_epoch == 1
    assert len(list(resumed.run())) == 1
    for name, value in whole.pupil.learned().items():
        assert torch.equal(value, resumed.pupil.learned()[name]), name


def test_adaptation__checkpoint_of_another_plan__is_refused(pool, encoder, tmp_path):
    task = toy.spec("segmentation")
    for _ in Adaptation(toy.PLAN, task, pool, encoder, tmp_path).run():
        break
    with pytest.raises(WrongCheckpoint, match="another plan"):
        Adaptation(dataclasses.replace(toy.PLAN, seed=9), task, pool, encoder, tmp_path)


def test_adaptation__validation_gets_no_better__ends_early_with_the_weights_of_the_best_epoch(pool, encoder, tmp_path):
    plan = dataclasses.replace(toy.PLAN, epochs=30, patience=1)
    adaptation = Adaptation(plan, toy.spec("segmentation"), pool, encoder, tmp_path)
    epochs = list(adaptation.run())
    assert len(epochs) < 30
    assert not epochs[-1].best
    best = adaptation.best[1]
    assert all(torch.equal(value, best[name]) for name, value in adaptation.pupil.learned().items())


def test_lora__after_learning__keeps_the_shared_encoder_and_trains_few_numbers(data, encoder, tmp_path):
    adaptation = learned(tmp_path, encoder, data, method="lora", epochs=1)
    pack(adaptation, encoder, data, tmp_path / "toy", "")
    package = load_package(tmp_path / "toy")
    assert package.encoder.digest == encoder.digest
    assert package.card.adapter is not None
    whole = sum(p.numel() for p in adaptation.pupil.encoder.parameters())
    assert adaptation.pupil.adapter is not None
    assert sum(p.numel() for p in adaptation.pupil.adapter.parameters()) < 0.05 * whole


def test_full__after_learning__writes_an_encoder_of_its_own_that_names_all_data(data, encoder, tmp_path):
    adaptation = learned(tmp_path, encoder, data, method="full", epochs=1)
    pack(adaptation, encoder, data, tmp_path / "toy", "")
    package = load_package(tmp_path / "toy")
    assert package.encoder.digest != encoder.digest
    assert {d.name for d in encoder.card.data} < {d.name for d in package.encoder.card.data}


def test_card__after_packing__names_licence_seed_split_and_how_often_nonsense_was_answered(data, encoder, tmp_path):
    adaptation = learned(tmp_path, encoder, data, epochs=1, seed=3)
    card = pack(adaptation, encoder, data, tmp_path / "toy", "echocare-train adapt --task toy").package.card
    inside = card.training.data[0]
    assert (inside.pictures, inside.patients) == (8, 4)
    assert inside.use == use_of_licence(inside.licence) == "permissive"
    assert card.training.seed == 3
    assert "patient" in card.training.split
    assert (card.silence[-1].data, card.silence[-1].n) == ("noise, text, shapes, empty frames", 6)
    assert {"phantom heads", "phantom breasts"} <= {each.data for each in card.silence}
    assert "not measured" in card.baseline


def test_baseline__packed_beside_the_package__is_told_on_its_card_and_beside_its_figures(data, encoder, tmp_path):
    own = pack(learned(tmp_path, encoder, data, epochs=1), encoder, data, tmp_path / "own", "")
    scratch = learned(tmp_path / "scratch", None, data, method="scratch", epochs=1)
    base = pack(scratch, None, data, tmp_path / "base", "").package.card
    note_baseline(tmp_path / "own", tmp_path / "base", toy.spec("segmentation"))
    assert "from scratch" in load_package(tmp_path / "own").card.baseline
    assert "answered" in load_package(tmp_path / "own").card.baseline
    column = of_card("from scratch", base.figures)
    told = page(own.package.card, Page(results=own.results, cases=own.cases, beside=[column]))
    assert "<th>from scratch</th>" in told
    assert all(f"{each.value:.4f} {each.unit}".strip() in told for each in base.figures)


def test_rival__a_convolutional_network__has_the_figures_of_a_package_and_is_told_on_its_card(data, encoder, tmp_path):
    own = pack(learned(tmp_path, encoder, data, epochs=1), encoder, data, tmp_path / "own", "")
    network = learned(tmp_path / "cnn", None, data, method="scratch", architecture=CONVOLUTIONAL, epochs=1)
    told = rival.measured(network, data)
    assert [each.name for each in told.figures][:2] == [each.name for each in own.results][:2]
    write_figures(told, tmp_path / "cnn.json")
    assert read_figures(tmp_path / "cnn.json") == told
    rival.note(tmp_path / "own", told, toy.spec("segmentation"))
    rival.note(tmp_path / "own", told, toy.spec("segmentation"))
    (line,) = load_package(tmp_path / "own").card.baseline.split("\n")
    assert line.startswith("a convolutional network (lcnet_150 of timm")
    assert "answered" in line


def test_shots__two_of_each_answer__come_from_different_patients(data):
    chosen = few(toy.spec("classification").examples(data, "train"), 2, 0)
    assert sorted(example.truth.number for example in chosen) == [0, 0, 1, 1]
    for answer in (0, 1):
        assert len({e.patient for e in chosen if e.truth.number == answer}) == 2
