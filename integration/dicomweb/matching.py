"""Searching work items: the parameters of a query, and whether a data set in the DICOM JSON model matches them.

References
----------
DICOM PS3.18 8.3.4 (query parameters), 11.9 (Search transaction), PS3.4 C.2.2.2 (attribute matching).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from integration.dicomweb.workitems import DicomJson, WorkitemInvalid

MOST_RESULTS: Final = 1000  # of one answer
MOST_VALUE: Final = 1000  # characters
_PAGING: Final = ("limit", "offset")
_TIMES: Final = frozenset({"DA", "TM", "DT"})
_LONGEST_TIME: Final = 20  # YYYYMMDDHHMMSSFFFFFF
_LOCK: Final = "00081195"  # Transaction UID: its holder's secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one attribute has to be."""

    path: tuple[str, ...]  # tags from the outside in, as keys of the JSON model
    value: str
    representation: str  # VR of the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search."""

    conditions: tuple[Condition, ...]
    limit: int
    offset: int
    fuzzy: bool  # fuzzy matching was asked for, which there is none of

    def value_of(self, tag: str) -> str | None:
        """The single value that a top-level attribute has to be, where it is one."""
        found = [
            each.value for each in self.conditions if each.path == (tag,) and not re.search(r"[*?,\\]", each.value)
        ]
        return found[0] if found and found[0] else None


def read_query(pairs: Iterable[tuple[str, str]]) -> Query:
    """The parameters of a search.

    Parameters
    ----------
    pairs
        Names and values as they stand in the query.

    Raises
    ------
    WorkitemInvalid
        A parameter is none, or its value cannot be used.
    """
    conditions: list[Condition] = []
    numbers = {"limit": MOST_RESULTS, "offset": 0}
    fuzzy = False
    for name, value in pairs:
        if name in _PAGING:
            if not re.fullmatch(r"[0-9]{1,9}", value):
                raise WorkitemInvalid(f"{name} is a whole number")
            numbers[name] = int(value)
        elif name == "fuzzymatching":
            fuzzy = value == "true"
        elif name == "includefield":
            continue  # every attribute is given anyway
        else:
            conditions.append(_condition(name, value))
    limit = min(numbers["limit"], MOST_RESULTS)
    return Query(conditions=tuple(conditions), limit=limit, offset=numbers["offset"], fuzzy=fuzzy)


def matches(query: Query, content: DicomJson) -> bool:
    """Whether a data set meets all conditions; an empty condition is met by everything."""
    return all(
        not each.value or any(_fits(each, value) for value in _values(content, each.path)) for each in query.conditions
    )


def _condition(name: str, value: str) -> Condition:
    path = tuple(_tag(part) for part in name.split("."))
    if _LOCK in path:
        raise WorkitemInvalid("the Transaction UID cannot be searched for")
    if len(value) > MOST_VALUE:
        raise WorkitemInvalid(f"a value has more than {MOST_VALUE} characters")
    return Condition(path=path, value=value, representation=dictionary_VR(int(path[-1], 16)))


def _tag(word: str) -> str:
    tag = int(word, 16) if re.fullmatch(r"[0-9A-Fa-f]{8}", word) else tag_for_keyword(word)
    try:
        if tag is None:
            raise KeyError(word)
        dictionary_VR(tag)
    except KeyError:
        raise WorkitemInvalid("a query parameter is neither an attribute's tag nor its keyword") from None
    return f"{tag:08X}"


def _values(content: Mapping[str, object], path: tuple[str, ...]) -> Iterable[str]:
    element = content.get(path[0])
    values = element.get("Value") if isinstance(element, dict) else None
    for value in values if isinstance(values, list) else []:
        if len(path) > 1:
            if isinstance(value, dict):
                yield from _values(value, path[1:])
        elif isinstance(value, dict):
            yield from (str(group) for group in value.values())  # a person's name
        else:
            yield str(value)


def _fits(condition: Condition, value: str) -> bool:
    wanted, kind = condition.value, condition.representation
    if kind == "UI":
        return value in re.split(r"[,\\]", wanted)
    if kind in _TIMES:
        low, dash, high = _range(wanted)
        moment = _digits(value)
        return _padded(low, "0") <= _padded(moment, "0") <= _padded(high if dash else low, "9")
    if kind == "PN":
        wanted, value = wanted.casefold(), value.casefold()
    return _is_like(value, wanted)


def _is_like(value: str, pattern: str) -> bool:
    """Wildcard matching: `*` is any text, `?` one character; in steps of at most the product of both lengths."""
    at, seen, star, mark = 0, 0, -1, 0
    while seen < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, seen, at + 1
        elif at < len(pattern) and pattern[at] in ("?", value[seen]):
            at, seen = at + 1, seen + 1
        elif star >= 0:
            mark += 1
            at, seen = star + 1, mark
        else:
            return False
    return not pattern[at:].strip("*")


def _range(wanted: str) -> tuple[str, str, str]:
    """Its two ends and, where it has two, the dash between them. Offsets from UTC are not heeded."""
    low, dash, high = wanted.partition("-")
    return _digits(low), dash, _digits(high) if high else "9" * _LONGEST_TIME


def _digits(word: str) -> str:
    return re.sub(r"\D", "", re.sub(r"[+-]\d{4}$", "", word))


def _padded(word: str, fill: str) -> str:
    return word[:_LONGEST_TIME].ljust(_LONGEST_TIME, fill)
