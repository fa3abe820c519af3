"""Where candidates begin."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch

from models.packages import load_package
from models.packages.weights import heads_of
from tests.trainer.adapting import toy
from tests.trainer.promote import toy_site
from tests.trainer.promote.toy_site import TASK
from trainer.adapting.loop import Adaptation
from trainer.adapting.pool import gather
from trainer.promote.settings import AdaptPart
from trainer.promote.starting import begin, beginning, told_on
from trainer.promote.steps import running_package


@pytest.fixture
def place(tmp_path):
    return toy_site.site(tmp_path, adapt=AdaptPart())


def adaptation(place, folder, kind="segmentation", **changes):
    spec = toy.spec(kind)
    toy.make(folder)
    pool = dataclasses.replace(gather(spec, folder, None, 0), outsiders=())
    encoder = running_package(place, TASK).encoder
    return Adaptation(dataclasses.replace(toy.PLAN, outsiders=0, **changes), spec, pool, encoder, folder / "state")


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_candidate__begins_with_the_heads_of_what_is_installed(place, tmp_path):
    start = beginning(place, TASK, running_package(place, TASK))
    assert start.path == place.packages[0] / TASK
    learner = adaptation(place, tmp_path / "data")
    assert not same(learner.pupil.heads, heads_of(start))
    assert begin(learner, start)
    assert same(learner.pupil.heads, heads_of(start))


def test_candidate__after_a_promotion__still_begins_with_what_was_there_before_it(place):
    installed = running_package(place, TASK)
    promoted = toy_site.package(place.promoted / TASK, seed=3)
    shutil.rmtree(place.promoted / "encoders")
    assert running_package(place, TASK).identity == promoted.identity
    assert beginning(place, TASK, promoted).identity == installed.identity


def test_candidate__on_another_encoder_or_by_the_sites_wish__begins_at_chance(place):
    running = running_package(place, TASK)
    of_chance = place.model_copy(update={"adapt": AdaptPart(start="chance")})
    assert beginning(of_chance, TASK, running) is None
    card = running.encoder.card.model_copy(update={"digest": "sha256:" + "7" * 64})
    other = dataclasses.replace(running.encoder, card=card)
    assert beginning(place, TASK, dataclasses.replace(running, encoder=other)) is None


def test_candidate__stopped_while_it_learned__does_not_begin_again(place, tmp_path):
    start = running_package(place, TASK)
    first = adaptation(place, tmp_path / "data", epochs=2)
    assert begin(first, start)
    next(first.run())
    resumed = adaptation(place, tmp_path / "data2", epochs=2)
    shutil.copytree(tmp_path / "data" / "state", tmp_path / "data2" / "state", dirs_exist_ok=True)
    resumed._restore()
    assert begin(resumed, start)
    assert same(resumed.pupil.heads, first.pupil.heads)


def test_candidate__installed_package_has_other_heads__begins_at_chance(place, tmp_path):
    learner = adaptation(place, tmp_path / "data", kind="classification")
    before = {name: value.clone() for name, value in learner.pupil.heads.state_dict().items()}
    assert not begin(learner, running_package(place, TASK))
    assert all(torch.equal(before[name], value) for name, value in learner.pupil.heads.state_dict().items())


def test_card__of_a_candidate__tells_what_it_began_with_and_what_that_one_learned_from(place):
    start = running_package(place, TASK)
    card = told_on(load_package(start.path).card, start)
    assert start.identity.digest in card.training.notes
    assert len(card.training.data) == 2 * len(start.card.training.data)
    assert card.training.data[-1].role.endswith(", before this adaptation")
    assert card.training.data[-1].use == start.card.training.data[-1].use
