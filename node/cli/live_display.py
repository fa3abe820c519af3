"""How a live session is shown: a table that changes in a terminal, lines where there is none, JSON for scripts."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

import typer

from models.findings import Category, Finding, Mask, Narrative, NoFinding, Quantity
from node.cli.output import console
from node.live import LiveResult, Summary, result_to_json, summary_to_json

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

RESEARCH: Final = "Research use only, not for diagnosis."
QUIET_S: Final = 1.0  # without a frame, what was shown last is not current any more
WIDTHS: Final = {"finding": 28, "value": 16, "note": 24}  # least ones, so that the table does not jump
PER_SECOND: Final = 12  # times a table is drawn


class Display(Protocol):
    """Where a session is shown, from its beginning to its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, words: str) -> None:
        """The session runs; the words say what on what."""

    def show(self, result: LiveResult) -> None:
        """An answer."""

    def wait(self, seconds: float) -> None:
        """No answer; the last one is so many seconds old."""

    def end(self, summary: Summary) -> None:
        """The session is over."""


class _Plain:
    """What needs no setting up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def wait(self, seconds: float) -> None:
        pass


class JsonLines(_Plain):
    """One line of JSON an answer on standard output, and the summary last; words on standard error."""

    def __init__(self, *, research_use: bool) -> None:
        self._research_use = research_use

    def begin(self, words: str) -> None:
        typer.echo(words, err=True)

    def show(self, result: LiveResult) -> None:
        typer.echo(json.dumps(result_to_json(result, research_use=self._research_use), ensure_ascii=False))

    def end(self, summary: Summary) -> None:
        typer.echo(json.dumps(summary_to_json(summary)))


class Lines(_Plain):
    """One line of words an answer."""

    def __init__(self, *, research_use: bool) -> None:
        self._research_use = research_use

    def begin(self, words: str) -> None:
        typer.echo(words, err=True)
        if self._research_use:
            typer.echo(RESEARCH)

    def show(self, result: LiveResult) -> None:
        if result.stale:
            typer.echo(f"{_head(result)}: too late to be shown (budget {result.budget_ms:.0f} ms)")
            return
        rows = rows_of(result.findings)
        said = "; ".join(" ".join(part for part in row[:2] if part) for row in rows)
        notes = dict.fromkeys(note for _, _, note in rows if note)
        advice = [words for words in result.guidance if words not in notes]
        typer.echo(
            f"{_head(result)}: {said}" + "".join(f" ({note})" for note in notes) + "".join(f" | {a}" for a in advice)
        )

    def end(self, summary: Summary) -> None:
        typer.echo(summary_words(summary))


class Screen:
    """A table that changes, in a terminal."""

    def __init__(self, out: Console, *, research_use: bool) -> None:
        from rich.live import Live

        self._out, self._research_use = out, research_use
        self._title = ""
        self.picture: Group | str = ""  # what is drawn now
        self._live: Live = Live(console=out, refresh_per_second=PER_SECOND, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, words: str) -> None:
        """Say what runs on what."""
        self._title = words
        self._draw(self._drawn((), "waiting for the first frame"))

    def show(self, result: LiveResult) -> None:
        """Draw an answer; of a stale one only that it is."""
        if result.stale:
            late = f"{_head(result)}: too late to be shown (budget {result.budget_ms:.0f} ms)"
            self._draw(self._drawn((), late))
            return
        status = f"{_head(result)}, {result.dropped} dropped"
        self._draw(self._drawn(rows_of(result.findings), status, result.guidance))

    def wait(self, seconds: float) -> None:
        """Take away what is not current any more."""
        if seconds >= QUIET_S:
            self._draw(self._drawn((), f"no answer for {seconds:.0f} s"))

    def end(self, summary: Summary) -> None:
        """Leave the summary on the screen."""
        self._out.print(summary_words(summary))

    def _draw(self, picture: Group) -> None:
        self.picture = picture
        self._live.update(picture)

    def _drawn(self, rows: tuple[tuple[str, str, str], ...], status: str, guidance: tuple[str, ...] = ()) -> Group:
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for column, width in WIDTHS.items():
            table.add_column(column, overflow="fold", min_width=width)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        words = [Text(f"→ {each}", style="bold") for each in guidance]
        research = [Text(RESEARCH, style="italic")] if self._research_use else []
        return Group(Text(self._title), table, *words, Text(status, style="dim"), *research)


def display_for(*, as_json: bool, research_use: bool) -> Display:
    """The display that fits where the output goes."""
    if as_json:
        return JsonLines(research_use=research_use)
    out = console()
    return Screen(out, research_use=research_use) if out.is_terminal else Lines(research_use=research_use)


def rows_of(findings: tuple[Finding, ...]) -> tuple[tuple[str, str, str], ...]:
    """Name, value and note of each finding that can be said in words."""
    return tuple(row for finding in findings if (row := _row(finding)) is not None)


def _row(finding: Finding) -> tuple[str, str, str] | None:
    match finding:
        case Quantity():
            unit = "" if finding.unit == "1" else f" {finding.unit}"
            return finding.name, f"{finding.value:.4g}{unit}", finding.reason or ""
        case Category():
            return finding.name, finding.value.meaning + _sure(finding.probability), ""
        case NoFinding():
            return "no finding", "", finding.reason
        case Narrative():
            return finding.name, finding.text, ""
        case Mask():
            return None  # an outline is no line of text; its measurements are
        case _:
            return finding.name, _sure(finding.confidence).strip(), ""


def _sure(probability: float | None) -> str:
    return "" if probability is None else f" ({probability:.2f})"


def _head(result: LiveResult) -> str:
    return f"frame {result.frame}, {result.latency_ms:.0f} ms"


def summary_words(summary: Summary) -> str:
    """The counts and latencies in one line."""
    counts = (
        f"{summary.seen} frames seen: {summary.answered} answered, {summary.stale} stale, {summary.dropped} dropped, "
        f"{summary.bad} bad, {summary.failed} failed"
    )
    if summary.median_ms is None or summary.p95_ms is None:
        return counts
    return f"{counts}; latency {summary.median_ms:.0f} ms in the middle, {summary.p95_ms:.0f} ms at the 95th percentile"
