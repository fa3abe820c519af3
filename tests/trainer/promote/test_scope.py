"""What candidates of a site keep silent on, where no public set shows them what else there is."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from models.heads.task import build_heads
from models.packages import load_package
from models.packages.weights import heads_of
from models.packages.writing import write_package
from tests.models.built import encoder_package, outline_card
from tests.trainer.adapting import toy
from tests.trainer.promote import toy_site
from tests.trainer.promote.toy_site import TASK
from trainer.promote.loop import State, run
from trainer.promote.record import Record
from trainer.promote.scope import keeps_scope, same_scope
from trainer.promote.settings import AdaptPart, DecidePart

LENIENT = DecidePart(margin=1.0, margin_answered=1.0, least_patients=2, allow_unknown=("*",))  # scope has to be known
OPEN, FAR = 0.01, 1e6  # limits of a package of chance that answers


@pytest.fixture
def little(monkeypatch):
    toy_site.made_small(monkeypatch)


def installed(folder, *, scope=OPEN, unlike=FAR, seed=0):
    """A package with both gates of scope."""
    encoder = encoder_package(folder.parent / "encoders")
    settings = toy.KINDS["segmentation"].model_copy(update={"scope": scope, "unlike": unlike})
    torch.manual_seed(seed)
    heads = build_heads(encoder.config.channels, settings)
    heads.typical.learn(torch.rand(16, heads.typical.mean.numel()))
    write_package(heads, outline_card(TASK, settings=settings, version="0.0.1"), encoder, folder)
    return load_package(folder)


def site(folder, **adapt):
    place = toy_site.site(folder, adapt=AdaptPart(epochs=1, **adapt), decide=LENIENT)
    return place, installed(place.packages[0] / TASK)


@pytest.mark.usefixtures("little")
def test_candidate__without_public_sets__keeps_the_gates_of_what_is_installed_and_may_be_promoted(tmp_path):
    place, before = site(tmp_path)
    outcome = run(place, TASK, "me", without_shadow=True)
    adapted, compared = Record(place.folder).entries[1:3]
    after = load_package(place.folder / adapted.what["folder"])
    assert (after.card.settings.scope, after.card.settings.unlike) == (OPEN, FAR)
    theirs, own = (heads_of(each).state_dict() for each in (before, after))
    kept = [name for name in theirs if name.startswith(("scope.", "typical."))]
    assert kept and all(torch.equal(own[name], theirs[name]) for name in kept)
    assert any(not torch.equal(own[name], theirs[name]) for name in theirs if name.startswith("head."))
    assert after.card.training.notes.endswith("It keeps that one's gates of what is in scope.")
    assert outcome.state is State.READY, compared.what["reasons"]


@pytest.mark.usefixtures("little")
def test_candidate__that_learned_what_is_in_scope_from_noise_alone__is_refused(tmp_path):
    place, before = site(tmp_path, scope="learned")
    assert run(place, TASK, "me", without_shadow=True).state is State.REFUSED
    adapted, compared = Record(place.folder).entries[1:3]
    after = load_package(place.folder / adapted.what["folder"])
    assert after.card.settings.scope != OPEN
    assert not same_scope(before, after)
    assert any(words.startswith("out of scope: unknown") for words in compared.what["reasons"])


@pytest.mark.parametrize(
    ("adapt", "public", "keeps"),
    [
        ({}, [], True),
        ({}, ["hc18"], False),
        ({"start": "chance"}, [], False),
        ({"method": "lora"}, [], False),
        ({"scope": "kept"}, ["hc18"], True),
        ({"scope": "learned"}, [], False),
    ],
)
def test_gates_of_scope__are_kept_where_nothing_tells_new_ones_what_else_there_is(tmp_path, adapt, public, keeps):
    assert keeps_scope(toy_site.site(tmp_path, adapt=AdaptPart(**adapt)), public) is keeps


@pytest.mark.parametrize("adapt", [{"method": "lora"}, {"start": "chance"}])
def test_settings__keep_gates_on_other_features__say_what_that_needs(adapt):
    with pytest.raises(ValidationError, match="method: frozen and start: installed"):
        AdaptPart(scope="kept", **adapt)


def test_gates_of_scope__of_other_limits_or_other_weights__are_not_the_same(tmp_path):
    one = installed(tmp_path / "one" / TASK)
    assert same_scope(one, one)
    for number, changed in enumerate(({"scope": 0.3}, {"unlike": 3.0}, {"seed": 1})):
        assert not same_scope(one, installed(tmp_path / f"other{number}" / TASK, **changed))
