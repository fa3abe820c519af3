"""Values that configuration keys take: sizes, AE titles, names, paths, URLs of the database and of the archive.

References
----------
DICOM PS3.5 6.2 (VR AE).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
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


AeTitle = Annotated[str, AfterValidator(check_ae_title)]
AePattern = Annotated[str, AfterValidator(_check_ae_pattern)]
ArchiveUrl = Annotated[str, AfterValidator(resolve_archive)]
DatabaseUrl = Annotated[str, AfterValidator(resolve_database)]
LocalPath = Annotated[Path, AfterValidator(_resolve)]
Name = Annotated[str, AfterValidator(_check_name)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
