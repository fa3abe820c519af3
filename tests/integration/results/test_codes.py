"""No code is invented."""

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from integration.results import codes

USED = {name: value for name, value in vars(codes).items() if isinstance(value, Code)}


@pytest.mark.parametrize("name", USED)
def test_code__in_dictionary_or_listed_exception__has_its_meaning(name):
    code = USED[name]
    if (code.scheme_designator, code.value) in codes.EXCEPTIONS:
        return
    known = any(code.value in entries for entries in concepts[code.scheme_designator].values())
    if (code.scheme_designator, code.value) in codes.OTHER_MEANINGS:
        assert known
        return
    meanings = {
        meaning
        for entries in concepts[code.scheme_designator].values()
        for value, (meaning, _) in entries.items()
        if value == code.value
    }
    assert code.meaning in meanings


def test_exceptions__none_is_in_the_dictionary__so_each_is_needed():
    for scheme, value in codes.EXCEPTIONS:
        assert not any(value in entries for entries in concepts.get(scheme, {}).values())


def test_every_code__fits_its_elements():
    for code in USED.values():
        assert len(code.value) <= codes.MAX_VALUE and len(code.meaning) <= codes.MAX_MEANING
