"""Values that configuration keys take: sizes, AE titles, names, paths, URLs of the database and of the archive.

References
----------
DICOM PS3.5 6.2 (VR AE).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(DAYS)})"
HOURS = re.compile(rf"(?:({_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)\s+)?(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
AE_MAX_CHARACTERS = 16
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql+psycopg://"


def parse_size(value: object) -> object:
    """Read a size such as "2GB", "512 MiB" or a number of bytes.

    Raises
    ------
    ValueError
        The text is not a number with an optional unit.
    """
    if not isinstance(value, str):
        return value
    match = SIZE.fullmatch(value)
    if match is None:
        raise ValueError('must be a size, such as "2GB", "512MiB" or a number of bytes')
    number, unit = match.groups()
    return int(float(number) * UNITS[(unit or "").upper()])


def check_ae_title(value: str) -> str:
    """Hold an AE title to VR AE, and return it without the spaces that carry no meaning.

    Raises
    ------
    ValueError
        Empty, longer than 16 characters, or with a character that VR AE excludes.
    """
    title = value.strip(" ")
    if not title:
        raise ValueError("an AE title must hold something other than spaces")
    if len(title) > AE_MAX_CHARACTERS:
        raise ValueError(f"an AE title has at most {AE_MAX_CHARACTERS} characters, this one has {len(title)}")
    if not all(" " <= character <= "~" and character != "\\" for character in title):
        raise ValueError("an AE title is made of ASCII characters without backslash or control characters")
    return title


def _check_ae_pattern(value: str) -> str:
    return value if value == "*" else check_ae_title(value)


def _check_name(value: str) -> str:
    if NAME.fullmatch(value) is None:
        raise ValueError("must be a name: letters, digits, '.', '_' and '-', at most 64, letter or digit first")
    return value


def base_of(info: ValidationInfo) -> Path:
    """The folder that relative paths start from: the configuration file's, else the current one."""
    context = info.context
    return Path(context["base"]) if isinstance(context, dict) and "base" in context else Path.cwd()


def _resolve(value: Path, info: ValidationInfo) -> Path:
    return base_of(info) / value.expanduser()


def resolve_database(value: str, info: ValidationInfo) -> str:
    """Make the path of a SQLite URL absolute; let a PostgreSQL URL pass.

    Raises
    ------
    ValueError
        The URL is of neither kind.
    """
    if value.startswith(POSTGRESQL):
        return value
    path = value.removeprefix(SQLITE)
    if path == value or not path or path == ":memory:":
        raise ValueError(f"must be {SQLITE}PATH or {POSTGRESQL}USER@HOST/NAME")
    return f"{SQLITE}{_resolve(Path(path), info)}"


def resolve_archive(value: str, info: ValidationInfo) -> str:
    """Make an archive URL absolute: `file:var/archive` becomes `file:///…/var/archive`.

    Raises
    ------
    ValueError
        The URL is not a local file URL.
    """
    parts = urlsplit(value)
    if parts.scheme != "file" or parts.netloc or not parts.path:
        raise ValueError("must be a local folder, such as file:var/archive")
    return _resolve(Path(unquote(parts.path)), info).as_uri()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time of day, on some days of the week, in local time."""

    days: tuple[int, ...]  # on which it begins; Monday is 0
    begin: tuple[int, int]  # hour and minute
    end: tuple[int, int]  # 24:00 is (24, 0); not after `begin`: on the next day


def parse_hours(value: str) -> Span:
    """Read a time of day such as "22:00-06:00" or "mon-fri 08:00-18:30" or "sat,sun 00:00-24:00".

    Raises
    ------
    ValueError
        The text is none.
    """
    match = HOURS.fullmatch(value.strip().lower())
    if match is None:
        raise ValueError('must be like "22:00-06:00", "mon-fri 08:00-18:30" or "sat,sun 00:00-24:00"')
    days, *numbers = match.groups()
    begin, end = (int(numbers[0]), int(numbers[1])), (int(numbers[2]), int(numbers[3]))
    if begin > (23, 59) or end > (24, 0) or max(begin[1], end[1]) > 59:
        raise ValueError("has a time of day that there is not: times go from 00:00 to 24:00")
    if begin == end:
        raise ValueError("begins when it ends: a whole day is 00:00-24:00")
    return Span(days=_days(days), begin=begin, end=end)


def _days(words: str | None) -> tuple[int, ...]:
    if words is None:
        return tuple(range(7))
    found: set[int] = set()
    for part in words.split(","):
        first, _, last = part.partition("-")
        start, stop = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(start, stop + 1 if stop >= start else stop + 8)}
    return tuple(sorted(found))


def _check_hours(value: str) -> str:
    parse_hours(value)
    return value


def check_url(value: str) -> str:
    """Hold the address of a web service to http or https with a host, and return it without a slash at its end.

    Raises
    ------
    ValueError
        It is of another scheme, has no host or a wrong port, or holds a login, a query or a fragment.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as https://host/dicom-web")
    _ = parts.port  # raises where it is no port
    if "@" in parts.netloc:
        raise ValueError("holds a login: give it under `login`, where it does not get into logs")
    if parts.query or parts.fragment:
        raise ValueError("must end with a path: no '?' and no '#'")
    return value.rstrip("/")


AeTitle = Annotated[str, AfterValidator(check_ae_title)]
AePattern = Annotated[str, AfterValidator(_check_ae_pattern)]
ArchiveUrl = Annotated[str, AfterValidator(resolve_archive)]
DatabaseUrl = Annotated[str, AfterValidator(resolve_database)]
Hours = Annotated[str, AfterValidator(_check_hours)]
LocalPath = Annotated[Path, AfterValidator(_resolve)]
Name = Annotated[str, AfterValidator(_check_name)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
WebUrl = Annotated[str, AfterValidator(check_url)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
