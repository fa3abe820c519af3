"""What the words of a licence leave open."""

from __future__ import annotations

import pytest

from models.packages.card import DataSet
from models.packages.licences import strictest, use_of_licence


@pytest.mark.parametrize(
    ("words", "use"),
    [
        ("CC BY 4.0", "permissive"),
        ("CC BY 4.0 by the record", "permissive"),
        ("CC0 1.0", "permissive"),
        ("permissive (MIT-style), citation required", "permissive"),
        ("Apache 2.0", "permissive"),
        ("this repository's", "permissive"),
        ("CC BY-NC 4.0", "non-commercial"),
        ("CC-BY-NC-SA 4.0", "non-commercial"),
        ("free for non-commercial research", "non-commercial"),
        ("not for commercial use", "non-commercial"),
        ("research use only", "non-commercial"),
        ("CC BY-SA 4.0", "unclear"),
        ("CC BY-ND 4.0", "unclear"),
        ("none given", "unclear"),
        ("unknown, perhaps CC BY 4.0", "unclear"),
        ("", "unclear"),
        ("see the authors' page", "unclear"),
    ],
)
def test_use_of_licence__by_its_words(words, use):
    assert use_of_licence(words) == use


def test_data_set__without_use__takes_it_from_the_words():
    assert DataSet(name="a", role="b", licence="CC BY-NC 4.0").use == "non-commercial"


def test_data_set__with_use__keeps_what_was_said():
    assert DataSet(name="a", role="b", licence="by agreement", use="permissive").use == "permissive"


def test_strictest__of_several__the_one_that_allows_least():
    assert strictest(["permissive", "non-commercial", "unclear"]) == "non-commercial"
    assert strictest(["permissive", "unclear"]) == "unclear"
    assert strictest([]) == "unclear"
