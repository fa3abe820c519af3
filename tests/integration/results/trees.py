"""Content trees of reports as tests look at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset


@dataclass(frozen=True)
class Row:
    """What a template's row asks of a child of a content item."""

    relationship: str
    value_type: str
    concept: tuple[str, str] | None  # scheme and value; None: any
    least: int = 1
    most: int | None = 1  # None: any number
    values: frozenset[str] | None = None  # code values that are allowed; None: any


def concept(item: Dataset) -> tuple[str, str]:
    name = item.ConceptNameCodeSequence[0]
    return name.CodingSchemeDesignator, name.CodeValue


def children(item: Dataset, row: Row) -> list[Dataset]:
    """The children that a row is about."""
    return [
        child
        for child in item.get("ContentSequence", ())
        if child.RelationshipType == row.relationship
        and child.ValueType == row.value_type
        and (row.concept is None or concept(child) == row.concept)
    ]


def check(item: Dataset, rows: list[Row], *, closed: bool = True) -> None:
    """Check that a container or number has what its template's rows ask, in their number, and nothing else."""
    seen = 0
    for row in rows:
        found = children(item, row)
        assert len(found) >= row.least, f"{concept(item)} lacks {row}"
        assert row.most is None or len(found) <= row.most, f"{concept(item)} has {len(found)} of {row}"
        for child in found:
            if row.values is not None:
                assert child.ConceptCodeSequence[0].CodeValue in row.values, row
        seen += len(found)
    if closed:
        assert seen == len(item.get("ContentSequence", ())), f"{concept(item)} has items of no row"


def every(item: Dataset) -> Iterator[Dataset]:
    """All content items below one."""
    for child in item.get("ContentSequence", ()):
        yield child
        yield from every(child)


def texts(item: Dataset) -> list[str]:
    return [child.TextValue for child in every(item) if child.ValueType == "TEXT"]


def codes_of_cid(number: int) -> frozenset[str]:
    """Code values of a context group in pydicom's dictionary."""
    from pydicom.sr._cid_dict import cid_concepts
    from pydicom.sr._concepts_dict import concepts

    return frozenset(
        value
        for scheme, keywords in cid_concepts[number].items()
        for keyword in keywords
        for value, (_, groups) in concepts[scheme].get(keyword, {}).items()
        if number in groups
    )
