"""How right coded statements are, and whether the text says what is true and what is coded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from models.findings import Category, Narrative, NoFinding
from models.packages.settings_report import ReportQuestion, ReportSettings
from models.report_grammar import Grammar
from trainer.adapting.case import Asked, Case, Score, means, over_rows
from trainer.adapting.curves import macro_f1
from trainer.evaluate import Result
from trainer.tasks.truths import Findings

SILENCE = -1


def report_case(asked: Asked, settings: ReportSettings) -> Case:
    """Judge one report; of a question that nobody answered nothing is told."""
    truth = asked.example.truth
    if not isinstance(truth, Findings):
        raise TypeError(f"{asked.example.name} has no findings")
    grammar = Grammar(settings)
    coded = _coded(asked, settings)
    texts = [finding.text for finding in asked.findings if isinstance(finding, Narrative)]
    written = grammar.stated(texts[0]) if texts else []
    answered = not all(isinstance(finding, NoFinding) for finding in asked.findings)
    scores: dict[Score, float] = {("answered", "%"): 100.0 * answered}
    rows: dict[str, tuple[float, ...]] = {}
    made, right, known = 0, 0, 0
    agrees, wrong = True, False
    for question, first, beyond in _spans(settings):
        holds = truth.holds[first:beyond]
        if not np.isfinite(holds).all() or holds.sum() != 1:
            continue
        answer = int(holds.argmax())
        mine = [number - first for number in coded if first <= number < beyond]
        said = mine[0] if mine else SILENCE
        known, made, right = known + 1, made + bool(mine), right + (said == answer)
        words = [number - first for number in written or [] if first <= number < beyond]
        agrees &= words == [answer]
        wrong |= bool(words) and words != [answer]
        scores[f"{question.name} accuracy, silence counted as wrong", "%"] = 100.0 * (said == answer)
        scores[f"{question.name} stated", "%"] = 100.0 * bool(mine)
        if mine:
            scores[f"{question.name} accuracy, of those stated", "%"] = 100.0 * (said == answer)
        rows[question.name] = (float(said), float(answer))
    scores["text agrees with every known finding", "%"] = 100.0 * agrees
    scores["text says nothing wrong", "%"] = 100.0 * (not wrong)
    if texts:
        same = written is not None and sorted(written) == sorted(coded)
        scores["text says exactly what is coded", "%"] = 100.0 * same
    scores["statements withheld", "%"] = 100.0 * (1 - made / known)
    if made:
        scores["statements right, of those made", "%"] = 100.0 * right / made
    return Case(asked=asked, goodness=right / known, scores=scores, rows=rows)


def report_results(cases: Sequence[Case], settings: ReportSettings, data: str) -> list[Result]:
    """Means of all scores, and the F1 of each question."""
    told = [
        result
        for question in settings.questions
        for result in over_rows(cases, data, question.name, [((f"{question.name} F1, mean of answers", ""), macro_f1)])
    ]
    return [*means(cases, data), *told]


def _coded(asked: Asked, settings: ReportSettings) -> list[int]:
    """The numbers of the statements that were made in codes."""
    pairs = {(f.name, f.value) for f in asked.findings if isinstance(f, Category)}
    return [
        first + number
        for question, first, _ in _spans(settings)
        for number, answer in enumerate(question.answers)
        if (question.name, answer.value.to_code()) in pairs
    ]


def _spans(settings: ReportSettings) -> Iterator[tuple[ReportQuestion, int, int]]:
    """Each question, its first statement, and the one after its last."""
    first = 0
    for question in settings.questions:
        yield question, first, first + len(question.answers)
        first += len(question.answers)
