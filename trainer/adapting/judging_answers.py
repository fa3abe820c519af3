"""How right answers about whole pictures are: classes, grades, views."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, Code, Finding
from models.packages.settings_pictures import ClassificationSettings, OrdinalSettings, ViewSettings
from models.readers.category import calibrated
from models.readers.ordinal import grade_probabilities
from models.readers.view import view_probabilities
from trainer.adapting.case import Asked, Case, Curve, Score, means, over_rows
from trainer.adapting.curves import auc_of, calibration_error, macro_f1, mean_auc, sensitivity_of, specificity_of
from trainer.evaluate import Result
from trainer.tasks.truths import UNKNOWN, Answer, ViewAnswer

SILENCE = -1
PAIR, SURE, ALL = "answer, truth", "probability, right", "truth, probabilities"


def classification_case(asked: Asked, settings: ClassificationSettings) -> Case:
    """Judge one answer of a set without order."""
    said = _said(asked.findings, settings.question.name, [answer.code.to_code() for answer in settings.answers])
    likely = calibrated(asked.raw["answer"].astype(np.float64), settings)
    return _case(asked, _truth(asked), said, likely, {})


def ordinal_case(asked: Asked, settings: OrdinalSettings) -> Case:
    """Judge one grade."""
    said = _said(asked.findings, settings.question.name, [grade.code.to_code() for grade in settings.grades])
    likely = grade_probabilities(asked.raw["beyond"].astype(np.float64), settings)
    truth = _truth(asked)
    scores: dict[Score, float] = {}
    if said != SILENCE and truth != UNKNOWN:
        scores["within one grade, of those answered", "%"] = 100.0 * (abs(said - truth) <= 1)
        scores["grade, mean absolute error", "grades"] = float(abs(said - truth))
    return _case(asked, truth, said, likely, scores)


def view_case(asked: Asked, settings: ViewSettings) -> Case:
    """Judge region and organ; the case's own answer is the organ."""
    truth = asked.example.truth
    if not isinstance(truth, ViewAnswer):
        raise TypeError(f"{asked.example.name} has no view")
    organs = [organ.code.to_code() for region in settings.regions for organ in region.organs]
    said = _said(asked.findings, settings.organ.name, organs)
    region = _said(asked.findings, settings.region.name, [r.code.to_code() for r in settings.regions])
    logs = np.concatenate([asked.raw["region"], asked.raw["organ"]]).astype(np.float64)
    _, likely = view_probabilities(logs, settings)
    scores: dict[Score, float] = {("region accuracy", "%"): 100.0 * (region == truth.region)}
    return _case(asked, truth.organ, said, likely, scores, "organ ")


def results(cases: Sequence[Case], settings: object, data: str) -> list[Result]:
    """Means of all scores, F1, AUC and calibration error; of a set without order also each answer's own figures."""
    return [
        *means(cases, data),
        *over_rows(cases, data, PAIR, [(("F1, mean of answers", ""), macro_f1)]),
        *over_rows(cases, data, ALL, [(("AUC, mean of answers", ""), mean_auc)]),
        *over_rows(cases, data, SURE, [(("calibration error", ""), calibration_error)]),
        *(_of_each(cases, settings, data) if isinstance(settings, ClassificationSettings) else ()),
    ]


def _of_each(cases: Sequence[Case], settings: ClassificationSettings, data: str) -> list[Result]:
    """How well each answer is told from all others, as it is said: silence is no answer."""
    out = []
    for number, answer in enumerate(settings.answers):
        words = answer.code.meaning
        said: list[tuple[Score, Curve]] = [
            ((f"sensitivity, {words}", ""), partial(sensitivity_of, number)),
            ((f"specificity, {words}", ""), partial(specificity_of, number)),
        ]
        out += over_rows(cases, data, PAIR, said)
        out += over_rows(cases, data, ALL, [((f"AUC, {words}", ""), partial(auc_of, number))])
    return out


def _case(
    asked: Asked, truth: int, said: int, likely: NDArray[np.float64], scores: dict[Score, float], what: str = ""
) -> Case:
    if truth == UNKNOWN:
        return Case(asked=asked, goodness=0.5, scores=scores)
    best = int(likely.argmax())
    right = 100.0 * (said == truth)
    whole = {(f"{what}accuracy", "%"): right, ("answered", "%"): 100.0 * (said != SILENCE), **scores}
    if said != SILENCE:
        whole[f"{what}accuracy, of those answered", "%"] = right
    rows = {
        PAIR: (float(said), float(truth)),
        SURE: (float(likely[best]), float(best == truth)),
        ALL: (float(truth), *(float(p) for p in likely)),
    }
    return Case(asked=asked, goodness=float(likely[truth]), scores=whole, rows=rows)


def _truth(asked: Asked) -> int:
    truth = asked.example.truth
    if not isinstance(truth, Answer):
        raise TypeError(f"{asked.example.name} has no answer")
    return truth.number


def _said(findings: Sequence[Finding], question: str, answers: Sequence[Code]) -> int:
    for finding in findings:
        if isinstance(finding, Category) and finding.name == question and finding.value in answers:
            return list(answers).index(finding.value)
    return SILENCE
