"""What is said of one live frame, and how it is written as a line of JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from models.findings import Finding, TaskIdentity
from models.findings_json import finding_to_json
from node.live.tally import Summary

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResult:
    """The answer to one frame."""

    time: datetime  # when the frame was received, UTC
    frame: int  # its number among all frames that came in, from 1; findings carry it too
    latency_ms: float  # from receipt to answer
    budget_ms: float
    stale: bool  # later than the budget: not current, and not to be shown as if it were
    dropped: int  # frames that newer ones replaced before their turn, so far
    identity: TaskIdentity
    findings: tuple[Finding, ...]  # steadied
    guidance: tuple[str, ...]


def result_to_json(result: LiveResult, *, research_use: bool) -> dict[str, Any]:
    """One result as a table of JSON values.

    Parameters
    ----------
    result
        What to write.
    research_use
        Whether it is marked as for research use only.
    """
    return {
        "schema": SCHEMA,
        "event": "result",
        "time": result.time.isoformat(timespec="milliseconds"),
        "task": result.identity.task,
        "package_digest": result.identity.digest,
        "trial": result.identity.trial or None,
        "frame": result.frame,
        "latency_ms": round(result.latency_ms, 1),
        "budget_ms": result.budget_ms,
        "dropped": result.dropped,
        "stale": result.stale,
        "research_use_only": research_use,
        "guidance": list(result.guidance),
        "findings": [finding_to_json(finding) for finding in result.findings],
    }


def summary_to_json(summary: Summary) -> dict[str, Any]:
    """The last line of a session: counts, and latencies in ms where there are any."""
    figures = {key: value for key, value in asdict(summary).items() if value is not None}
    rounded = {key: round(value, 1) if isinstance(value, float) else value for key, value in figures.items()}
    return {"schema": SCHEMA, "event": "summary", **rounded}
