"""The packages that come with the software."""

from __future__ import annotations

import pytest

from models.packages import BUNDLED, Inventory, discover, inventory, verify
from models.packages.folders import NON_COMMERCIAL, PERMISSIVE
from trainer.tasks import SPECS
from trainer.tasks.bars import trial_of

PLACES = {
    "fetal-head": PERMISSIVE,
    "breast-lesion": PERMISSIVE,
    "breast-birads": PERMISSIVE,
    "carotid": PERMISSIVE,
    "nerve-vessel": PERMISSIVE,
    "liver-mass": PERMISSIVE,
    "muscle-architecture": PERMISSIVE,
    "heart-chambers": NON_COMMERCIAL,
    "ejection-fraction": NON_COMMERCIAL,
    "thyroid-nodule": NON_COMMERCIAL,
    "thyroid-tirads": NON_COMMERCIAL,
    "abdomen-organs": NON_COMMERCIAL,
    "lung": NON_COMMERCIAL,
    "fetal-landmarks": NON_COMMERCIAL,
    "organ-detection": NON_COMMERCIAL,
    "enhance": NON_COMMERCIAL,
    "quality": NON_COMMERCIAL,
    "report": NON_COMMERCIAL,
    "view": NON_COMMERCIAL,
}
MOST_BYTES = 40_000_000  # of all weights together


@pytest.mark.parametrize("task", PLACES)
def test_bundled_package__verifies_in_the_folder_of_its_licences(task):
    package = verify(BUNDLED / PLACES[task] / task)
    assert package.identity.task == task
    assert package.identity.digest.startswith("sha256:")
    assert (package.use == "permissive") == (PLACES[task] == PERMISSIVE)


def test_bundled_weights__are_those_of_the_packages_and_small():
    weights = list(BUNDLED.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in weights) <= MOST_BYTES
    found = inventory()
    assert {package.identity.task for package in found.packages} == set(PLACES)
    used = {package.encoder.digest for package in found.packages}
    assert {encoder.digest for encoder in found.encoders} == used, "an encoder that no package names is dead weight"


def test_bundled_packages__of_every_task_of_the_trainer__share_one_encoder_a_folder():
    assert set(PLACES) == set(SPECS)
    found = inventory()
    assert found.refusals == ()
    for place in (PERMISSIVE, NON_COMMERCIAL):
        mine = {package.encoder.digest for package in found.packages if PLACES[package.identity.task] == place}
        assert len(mine) == 1


def test_bundled_cards__miss_no_bar_or_say_that_they_are_trials_and_why():
    for package in discover()[0]:
        card = package.card
        assert card.trial == trial_of(SPECS[card.task].bars, card.figures), card.task
        assert card.headlines(), card.task


def test_bundled_cards__carry_figures_with_intervals_and_silence():
    for package in discover()[0]:
        # the test split of a trial may be of one patient: that gives no interval
        assert package.card.trial or any(figure.low is not None for figure in package.card.figures)
        assert package.card.silence
        assert "research" in package.card.status


def folder_of(found: Inventory, name: str) -> list[str]:
    everything = (*found.packages, *found.replaced, *found.encoders)
    return [each.use for each in everything if each.path.is_relative_to(BUNDLED / name)]


def test_bundled_folders__keep_what_is_not_free_for_every_use_apart():
    found = inventory()
    assert set(folder_of(found, PERMISSIVE)) == {"permissive"}
    assert "permissive" not in folder_of(found, NON_COMMERCIAL)
