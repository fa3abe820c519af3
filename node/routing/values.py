"""DICOM attributes as the values that conditions see: typed by their VR, and empty where the image has none.

References
----------
DICOM PS3.5 6.2 (value representations), PS3.6 (keywords and multiplicities).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeAlias

from pydicom import Dataset
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword
from pydicom.multival import MultiValue

Value: TypeAlias = str | int | float | list["Value"] | dict[str, "Value"]

INTEGERS: Final = frozenset(("IS", "US", "SS", "UL", "SL", "UV", "SV"))
DECIMALS: Final = frozenset(("DS", "FL", "FD"))
BULK: Final = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN"))
MOST_ITEMS = 100


class Unreadable(ValueError):
    """A value that is not of its VR."""


def is_keyword(name: str) -> bool:
    """Whether DICOM has an attribute of that keyword."""
    return tag_for_keyword(name) is not None


def keywords() -> Collection[str]:
    """All keywords of the data dictionary."""
    return keyword_dict.keys()


def vr_of(keyword: str) -> str:
    """The VR of a keyword; the first where the dictionary allows several ("US or SS")."""
    tag = tag_for_keyword(keyword)
    return "UN" if tag is None else dictionary_VR(tag).split(" ")[0]


def is_many(keyword: str) -> bool:
    """Whether an attribute may hold several values, so that conditions see a list."""
    tag = tag_for_keyword(keyword)
    return tag is not None and (vr_of(keyword) == "SQ" or dictionary_VM(tag) not in ("1", "0-1", "0"))


def is_number(keyword: str) -> bool:
    """Whether an attribute's values are numbers."""
    return vr_of(keyword) in INTEGERS | DECIMALS


def empty(keyword: str) -> Value:
    """What a condition sees of an attribute that is missing: "", 0 or an empty list."""
    if is_many(keyword):
        return []
    vr = vr_of(keyword)
    return 0 if vr in INTEGERS else 0.0 if vr in DECIMALS else ""


def values_of(ds: Dataset, wanted: Iterable[str]) -> dict[str, Value]:
    """The attributes of a data set or of a sequence item, by keyword; every wanted one is there."""
    names = tuple(wanted)
    return {name: value_of(ds, name, names) for name in names}


def value_of(ds: Dataset, keyword: str, below: Iterable[str] = ()) -> Value:
    """One attribute. What cannot be read as its VR is as if missing.

    Parameters
    ----------
    ds
        Where to look.
    keyword
        Of the attribute.
    below
        Keywords that items of a sequence get.
    """
    try:
        raw = ds.get(keyword)
        if raw is None:
            return empty(keyword)
        if vr_of(keyword) == "SQ":
            return [values_of(item, below) for item in list(raw)[:MOST_ITEMS]]
        several = list(raw) if isinstance(raw, (MultiValue, list, tuple)) else [raw]
        read = [_typed(value, keyword) for value in several if value is not None and value != ""]
    except Exception:  # pydicom raises whatever the bytes lead to  # noqa: BLE001
        return empty(keyword)
    if is_many(keyword):
        return list(read)
    if len(read) > 1 and not is_number(keyword):
        return "\\".join(str(value) for value in read)
    return read[0] if read else empty(keyword)


def _typed(value: object, keyword: str) -> Value:
    vr = vr_of(keyword)
    if vr in INTEGERS:
        return int(str(value))
    if vr in DECIMALS:
        return float(str(value))
    return str(value).strip()


def merged(first: Mapping[str, Value], other: Mapping[str, Value]) -> dict[str, Value]:
    """The first's values, with the other's where the first has none."""
    return {name: value or other[name] for name, value in first.items()}
