"""What a package says of held-out pictures and of pictures out of scope, as the decision takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.findings import Finding, NoFinding
from models.packages.package import TaskPackage
from models.packages.settings import OutlineSettings
from trainer.adapting.case import Case
from trainer.adapting.judging_masks import SURE
from trainer.adapting.measuring import cases_of
from trainer.evaluate import engine_of, look
from trainer.promote.comparing import Scored
from trainer.promote.errors import CannotCompare
from trainer.tasks.spec import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One package measured."""

    scored: tuple[Scored, ...]  # in the order of the examples
    foreign: int  # pictures out of scope that it answered


def measure(package: TaskPackage, examples: Sequence[Example], foreign: Sequence[NDArray[np.uint8]]) -> Measured:
    """Ask a package as the node runs it.

    Parameters
    ----------
    package
        Of the task whose truths the examples have.
    examples
        Held-out pictures.
    foreign
        Gray pictures (H, W) that should not be answered.

    Raises
    ------
    CannotCompare
        The package is of another kind than the examples' truths.
    EngineError, PackageError
        It does not run.
    """
    task = package.identity.task
    with engine_of(package) as engine:
        try:
            cases = cases_of(engine, task, examples)
        except TypeError as fault:
            raise CannotCompare(
                f"the package {package.path} (kind '{package.card.settings.kind}') cannot be judged by the labels of"
                f" '{task}': {fault}"
            ) from fault
        answered = sum(_says(look(engine, task, picture).findings) for picture in foreign)
    settings = package.card.settings
    asks = isinstance(settings, OutlineSettings) and settings.question is not None
    scored = tuple(
        Scored(
            name=case.asked.example.name,
            patient=case.asked.example.patient,
            goodness=float(case.goodness),
            answered=_says(case.asked.findings),
            answer=_right(case) if asks else None,
        )
        for case in cases
    )
    return Measured(scored=scored, foreign=answered)


def _right(case: Case) -> float:
    """The probability that was given to the right answer; NaN where it is not known or nothing was said."""
    if SURE not in case.rows:
        return math.nan
    sure, truth, _ = case.rows[SURE]
    return sure if truth > 0.5 else 1 - sure


def _says(findings: Sequence[Finding]) -> bool:
    return not all(isinstance(finding, NoFinding) for finding in findings)
