"""The packages that come with the software."""

from __future__ import annotations

import pytest

from models.packages import BUNDLED, discover, verify

MOST_BYTES = 8_000_000


@pytest.mark.parametrize("task", ["fetal-head", "breast-lesion"])
def test_bundled_package__verifies_and_is_small(task):
    package = verify(BUNDLED / task)
    assert package.identity.task == task
    assert package.identity.digest.startswith("sha256:")
    assert package.weights.stat().st_size <= MOST_BYTES


def test_bundled_packages__share_one_encoder():
    packages, refusals = discover()
    assert refusals == ()
    assert len({package.encoder.digest for package in packages}) == 1


def test_bundled_cards__carry_figures_with_intervals_and_silence():
    for package in discover()[0]:
        assert any(figure.low is not None for figure in package.card.figures)
        assert package.card.silence
        assert "research" in package.card.status
        assert package.use == "permissive"
