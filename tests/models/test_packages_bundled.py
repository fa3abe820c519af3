"""The packages that come with the software."""

from __future__ import annotations

import pytest

from models.packages import BUNDLED, Inventory, discover, inventory, verify
from models.packages.folders import NON_COMMERCIAL, PERMISSIVE

MOST_BYTES = 8_000_000


@pytest.mark.parametrize("task", ["fetal-head", "breast-lesion"])
def test_bundled_package__verifies_and_is_small(task):
    package = verify(BUNDLED / PERMISSIVE / task)
    assert package.identity.task == task
    assert package.identity.digest.startswith("sha256:")
    assert package.weights.stat().st_size <= MOST_BYTES


def test_bundled_fetal_head_and_breast_lesion__share_one_encoder():
    packages, refusals = discover(bundled="permissive")
    assert refusals == ()
    shared = [package for package in packages if package.identity.task in ("fetal-head", "breast-lesion")]
    assert len({package.encoder.digest for package in shared}) == 1


def test_bundled_cards__carry_figures_with_intervals_and_silence():
    for package in discover()[0]:
        assert any(figure.low is not None for figure in package.card.figures)
        assert package.card.silence
        assert "research" in package.card.status


def folder_of(found: Inventory, name: str) -> list[str]:
    everything = (*found.packages, *found.replaced, *found.encoders)
    return [each.use for each in everything if each.path.is_relative_to(BUNDLED / name)]


def test_bundled_folders__keep_what_is_not_free_for_every_use_apart():
    found = inventory()
    assert set(folder_of(found, PERMISSIVE)) == {"permissive"}
    assert "permissive" not in folder_of(found, NON_COMMERCIAL)
