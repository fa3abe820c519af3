"""Logging: plain lines or JSON, with nothing in it that names a patient.

A log call is a constant sentence with `extra=log_context(...)`; `log_context` lets through a closed list of keys and
hashes what identifies a study, so that a line can be followed without telling whose study it is.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import warnings
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, TextIO, TypeAlias

HASH_CHARACTERS: Final = 12
HASHED_KEYS: Final = frozenset({"study", "series", "instance"})
PLAIN_KEYS: Final = frozenset(
    {
        "action", "attempt", "bytes", "calling_ae", "code", "count", "destination", "duration_s", "exit_code", "job",
        "delivery", "mode", "package", "peer_address", "pid", "priority", "process", "reason", "retry_in_s", "revision",
        "role", "route", "signal", "sop_class", "state", "status", "task", "transfer_syntax", "worker",
    }
)  # fmt: skip
_ATTRIBUTE: Final = "echocare"
_OWN: Final = frozenset({"node", "integration", "models", "trainer", "__main__"})
_CONSTANT: Final = frozenset({"uvicorn"})  # says constant sentences only, besides its access log, which is off
_CALLERS_TELL: Final = frozenset({"pynetdicom", "python_multipart"})
_OF_THE_NETWORK: Final = frozenset({"pynetdicom.dul", "pynetdicom.fsm", "pynetdicom.transport"})
_Fault: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]


def hashed(uid: str) -> str:
    """The first 12 hexadecimal digits of a UID's SHA-256: how a UID appears in logs."""
    return hashlib.sha256(uid.encode("ascii", "replace")).hexdigest()[:HASH_CHARACTERS]


def log_context(**keys: str | int | float | None) -> dict[str, dict[str, str | int | float]]:
    """What a log line may carry beside its sentence, for the argument `extra` of a log call.

    Parameters
    ----------
    **keys
        Keys of the closed list in this module. `study`, `series` and `instance` take UIDs and come out hashed.
        None is left out.

    Raises
    ------
    ValueError
        A key is not on the list: it could carry an identifier.
    """
    unknown = sorted(keys.keys() - PLAIN_KEYS - HASHED_KEYS)
    if unknown:
        raise ValueError(f"not allowed in logs: {', '.join(unknown)}; the list is in node.logs")
    return {
        _ATTRIBUTE: {
            key: hashed(str(value)) if key in HASHED_KEYS else value for key, value in keys.items() if value is not None
        }
    }


class Unexpected(Exception):
    """Stands in a log for an exception whose own words are withheld."""


def masked(error: BaseException) -> _Fault:
    """`exc_info` for an unexpected exception: its kind and where it came from, without its words.

    Libraries put attribute values into their messages; the traceback alone leads to the fault.
    """
    stand_in = Unexpected(f"{type(error).__module__}.{type(error).__qualname__}, its words are withheld")
    return Unexpected, stand_in, error.__traceback__


class PlainFormatter(logging.Formatter):
    """One line: time, level, module, sentence, key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; a traceback follows on lines of its own."""
        context = " ".join(f"{key}={value}" for key, value in _context(record).items())
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {_words(record)}"
        line = f"{line} [{context}]" if context else line
        fault = _fault(record)
        return f"{line}\n{self.formatException(fault)}" if fault else line


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record; a traceback goes into the key `traceback`."""
        line: dict[str, str | int | float] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _words(record),
            "pid": record.process or 0,
            **_context(record),
        }
        if fault := _fault(record):
            line["traceback"] = self.formatException(fault)
        return json.dumps(line, ensure_ascii=False)


def setup(*, form: Literal["plain", "json"] = "plain", level: str = "INFO") -> None:
    """Send this process's logs to standard error; calling it again replaces what was set.

    Other packages are heard from WARNING up only, and without their words: some of them print data sets and values.
    pynetdicom is heard only where it caught an exception, in a handler of ours for example. What it says of peers that
    refuse, abort or fall silent is told by whoever called it, in words of ours; so is a body that is no multipart one.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else PlainFormatter())
    handler.addFilter(_is_heard)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.showwarning = warn_without_words


def warn_without_words(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Stand in for `warnings.showwarning`: libraries put attribute values into their warnings."""
    logging.getLogger(__name__).warning(
        "A library warned; its words are withheld", extra=log_context(reason=f"{category.__name__} line {lineno}")
    )


def _is_heard(record: logging.LogRecord) -> bool:
    if _is_own(record):
        return True
    if record.name.partition(".")[0] in _CALLERS_TELL:
        return record.name not in _OF_THE_NETWORK and _fault(record) is not None
    return record.levelno >= logging.WARNING


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in _OWN


def _words(record: logging.LogRecord) -> str:
    if _is_own(record) or record.name.partition(".")[0] in _CONSTANT:
        return record.getMessage()
    return "A library reported a fault; its words are withheld"


def _fault(record: logging.LogRecord) -> _Fault | None:
    """What goes into the log of an exception: of a library's, its kind and where it came from alone."""
    if record.exc_info is None or record.exc_info[1] is None:
        return None
    _, error, trace = record.exc_info
    return (type(error), error, trace) if _is_own(record) else masked(error)


def _context(record: logging.LogRecord) -> dict[str, str | int | float]:
    if not _is_own(record):
        return {"reason": f"{record.module} line {record.lineno}"}
    context = getattr(record, _ATTRIBUTE, None)
    return context if isinstance(context, dict) else {}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
