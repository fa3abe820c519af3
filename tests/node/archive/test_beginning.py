from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence

from node.archive.beginning import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    MOST_BYTES,
    Encoding,
    Unreadable,
    read_beginning,
)
from tests.node.archive.samples import US_IMAGE, encoded, still

PRIVATE = "1.2.840.113619.5.2"
NATIVE = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG]


@pytest.mark.parametrize("transfer_syntax", NATIVE)
def test_beginning__native__finds_both_uids(transfer_syntax: str) -> None:
    found = read_beginning(encoded(still("1.9.8"), transfer_syntax), transfer_syntax, whole=True)
    assert found is not None
    assert (found.sop_class_uid, found.sop_instance_uid) == (US_IMAGE, "1.9.8")


@pytest.mark.parametrize("written", NATIVE)
def test_beginning__private_transfer_syntax__takes_the_encoding_that_makes_sense(written: str) -> None:
    found = read_beginning(encoded(still("1.9.8"), written), PRIVATE, whole=True)
    assert found is not None
    assert found.sop_instance_uid == "1.9.8"
    assert (
        found.encoding
        is {
            IMPLICIT_LITTLE: Encoding.IMPLICIT_LITTLE,
            EXPLICIT_LITTLE: Encoding.EXPLICIT_LITTLE,
            EXPLICIT_BIG: Encoding.EXPLICIT_BIG,
        }[written]
    )


def test_beginning__deflated__is_inflated_as_far_as_needed() -> None:
    body = zlib.compress(encoded(still("1.9.8")), wbits=-zlib.MAX_WBITS)
    found = read_beginning(body, DEFLATED, whole=True)
    assert found is not None
    assert found.sop_instance_uid == "1.9.8"


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("transfer_syntax", NATIVE)
def test_beginning__sequence_before_the_uids__is_passed_over(transfer_syntax: str, undefined: bool) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "en", "RFC5646", "English"
    ds = still("1.9.8")
    ds.LanguageCodeSequence = Sequence([item])
    ds["LanguageCodeSequence"].is_undefined_length = undefined
    ds.LanguageCodeSequence[0].is_undefined_length_sequence_item = undefined
    found = read_beginning(encoded(ds, transfer_syntax), transfer_syntax, whole=True)
    assert found is not None
    assert found.sop_instance_uid == "1.9.8"


@given(cut=st.integers(1, 119))
def test_beginning__cut_short__asks_for_more_or_says_it_is_unreadable(cut: int) -> None:
    body = encoded(still("1.9.8"))
    start = body[:cut]
    found = read_beginning(start, EXPLICIT_LITTLE, whole=False)
    assert found is None or found.sop_instance_uid == "1.9.8"


@pytest.mark.parametrize(
    ("written", "negotiated"),
    [(IMPLICIT_LITTLE, EXPLICIT_LITTLE), (EXPLICIT_LITTLE, IMPLICIT_LITTLE), (EXPLICIT_BIG, EXPLICIT_LITTLE)],
)
def test_beginning__wrong_transfer_syntax__finds_no_uid(written: str, negotiated: str) -> None:
    try:
        found = read_beginning(encoded(still(side=300), written), negotiated, whole=True)
    except Unreadable:
        return
    assert found is not None
    assert found.sop_instance_uid == ""


def test_beginning__uids_absent__are_empty() -> None:
    ds = still()
    del ds.SOPInstanceUID
    found = read_beginning(encoded(ds), EXPLICIT_LITTLE, whole=True)
    assert found is not None
    assert found.sop_instance_uid == ""


@given(
    start=st.binary(max_size=300), whole=st.booleans(), transfer_syntax=st.sampled_from([*NATIVE, DEFLATED, PRIVATE])
)
def test_beginning__any_bytes__are_read_or_refused(start: bytes, whole: bool, transfer_syntax: str) -> None:
    try:
        read_beginning(start, transfer_syntax, whole=whole)
    except Unreadable as fault:
        assert str(fault)


def test_beginning__sequences_without_end__are_refused_within_the_limit() -> None:
    opening = b"\x08\x00\x06\x00SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(Unreadable, match="deep"):
        read_beginning(opening * (MOST_BYTES // len(opening)), EXPLICIT_LITTLE, whole=False)
