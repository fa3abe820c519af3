"""Reader of reports: the sure statements of the surest picture, coded, and a text that was checked against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, Finding, Narrative, NoFinding
from models.packages.settings_report import ReportQuestion, ReportSettings
from models.readers.reader import Conclude, Raw, Seen
from models.readers.scoping import out_of_scope, scope_of
from models.report_grammar import Grammar, Statement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What was seen in one view of one frame."""

    frame: int
    likely: NDArray[np.float64]  # (statements,), calibrated
    cells: NDArray[np.float32] | None  # what the text is worded from


class ReportReader:
    """One report about a still or a cine."""

    def __init__(self, settings: ReportSettings, conclude: Conclude) -> None:
        self._settings = settings
        self._conclude = conclude
        self._grammar = Grammar(settings)
        self._best: Looked | None = None
        self._silent: tuple[float, int, str] | None = None  # scope score, frame and reason

    def see(self, seen: Seen) -> None:
        """Keep a view while it is the surest."""
        reason = out_of_scope(seen, self._settings, self._settings.name)
        if reason is not None:
            if self._silent is None or scope_of(seen.raw) > self._silent[0]:
                self._silent = (scope_of(seen.raw), seen.frame, reason)
            return
        likely = np.asarray(seen.raw["likely"], dtype=np.float64)
        if self._best is None or self._sureness(likely) > self._sureness(self._best.likely):
            self._best = Looked(frame=seen.frame, likely=likely, cells=seen.raw.get("cells"))

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """One look is enough."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """A category for each sure statement, the text, and which questions are left open and why."""
        s = self._settings
        if self._best is None:
            if self._silent is None:
                return ()
            _, frame, reason = self._silent
            return (self._no_finding(frame, reason),)
        said, unsure = self._chosen(self._best.likely)
        if not said:
            reason = "; ".join(reason for _, reason in unsure) or "none of the statements is likely enough"
            return (self._no_finding(self._best.frame, reason),)
        text = Narrative(
            name=s.name,
            group=s.name,
            frame=self._best.frame,
            code=None if s.code is None else s.code.to_code(),
            text=self._worded(said, self._best),
        )
        return (
            *(self._category(self._grammar.statements[i], float(self._best.likely[i]), self._best.frame) for i in said),
            text,
            *(self._open(question, self._best.frame, reason) for question, reason in unsure),
        )

    def _sureness(self, likely: NDArray[np.float64]) -> float:
        """Mean over the questions that are asked of how far their answers are from open, 0 to 1."""
        return float(np.mean([_sureness(part, question) for question, part, *_ in asked(likely, self._settings)]))

    def _chosen(self, likely: NDArray[np.float64]) -> tuple[list[int], list[tuple[ReportQuestion, str]]]:
        """Statements to be made, and questions of one answer that stay open, with the reason."""
        said: list[int] = []
        unsure: list[tuple[ReportQuestion, str]] = []
        for question, part, first, chosen in asked(likely, self._settings):
            said += [first + number for number in chosen]
            if question.form == "one_of" and not chosen:
                best = int(part.argmax())
                answer = question.answers[best]
                reason = f"probability {part[best]:.2f} < {answer.threshold:.2f}"
                unsure.append((question, f"{question.name} is unsure (likeliest is {answer.value.meaning}, {reason})"))
        return said, unsure

    def _worded(self, said: Sequence[int], looked: Looked) -> str:
        """The network's words where they state exactly what is coded, else the template's."""
        template = self._grammar.template(said)
        if self._settings.wording == "template" or looked.cells is None:
            return template
        chosen = np.zeros(len(self._grammar.statements), np.float32)
        chosen[list(said)] = 1
        words = self._conclude(np.concatenate([looked.cells, chosen])[None])["words"]
        text = self._grammar.text_of([int(word) for word in words])
        stated = self._grammar.stated(text)
        return text if stated is not None and sorted(stated) == sorted(said) else template

    def _category(self, statement: Statement, probability: float, frame: int) -> Category:
        question, answer = statement.question, statement.answer
        return Category(
            name=question.name,
            group=self._group(question) + (f", {answer.value.meaning}" if question.form == "any_of" else ""),
            frame=frame,
            code=question.code.to_code(),
            site=None if question.site is None else question.site.to_code(),
            confidence=probability,
            value=answer.value.to_code(),
            probability=probability,
        )

    def _group(self, question: ReportQuestion) -> str:
        """A group for each question: within one, probabilities of several could not be told apart."""
        return f"{self._settings.name}, {question.name}"

    def _open(self, question: ReportQuestion, frame: int, reason: str) -> NoFinding:
        return NoFinding(
            name=question.name,
            group=self._group(question),
            frame=frame,
            code=question.code.to_code(),
            site=None if question.site is None else question.site.to_code(),
            reason=reason,
        )

    def _no_finding(self, frame: int, reason: str) -> NoFinding:
        s = self._settings
        code = None if s.code is None else s.code.to_code()
        return NoFinding(name=s.name, group=s.name, frame=frame, code=code, reason=reason)


def asked(
    likely: NDArray[np.float64], settings: ReportSettings
) -> Iterator[tuple[ReportQuestion, NDArray[np.float64], int, list[int]]]:
    """Each question that is asked of a picture.

    Parameters
    ----------
    likely
        (statements,), calibrated.

    Yields
    ------
    tuple
        The question, the probabilities of its answers, the number of its first statement, and the numbers (from 0) of
        the answers that are likely enough to be stated.
    """
    stated: set[tuple[str, str]] = set()
    first = 0
    for question in settings.questions:
        part, own = likely[first : first + len(question.answers)], first
        first += len(question.answers)
        needed = question.only_if
        if needed is not None and (needed.scheme, needed.value) not in stated:
            continue
        enough = [number for number, answer in enumerate(question.answers) if part[number] >= answer.threshold]
        best = int(part.argmax())
        chosen = enough if question.form == "any_of" else [best] if best in enough else []
        stated |= {(question.answers[i].value.scheme, question.answers[i].value.value) for i in chosen}
        yield question, part, own, chosen


def _sureness(part: NDArray[np.float64], question: ReportQuestion) -> float:
    if question.form == "one_of":
        return float(part.max())
    return float(np.maximum(part, 1 - part).mean())
