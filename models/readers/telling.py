"""Answers about whole pictures as findings, and the probabilities they rest on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, Code, Finding, NoFinding, Quantity
from models.packages.parts import CodeOnCard
from models.packages.settings_pictures import Answer, Concept


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log-odds, without overflow."""
    likely: NDArray[np.float64] = np.exp(-np.logaddexp(0.0, -logits))
    return likely


def answered(question: Concept, value: CodeOnCard, group: str, frame: int, probability: float) -> Category:
    """The answer to a question."""
    return Category(
        name=question.name,
        group=group,
        frame=frame,
        code=code_of(question.code),
        site=code_of(question.site),
        confidence=probability,
        value=value.to_code(),
        probability=probability,
    )


def probabilities(answers: tuple[Answer, ...], likely: NDArray[np.float64], group: str, frame: int) -> list[Finding]:
    """The probability of each answer whose card wants it said, per cent; `likely` is (answers,)."""
    return [
        Quantity(
            name=answer.probability.name,
            group=group,
            frame=frame,
            code=code_of(answer.probability.code),
            site=code_of(answer.probability.site),
            value=100 * float(share),
            unit="%",
        )
        for answer, share in zip(answers, likely, strict=True)
        if answer.probability is not None
    ]


def silent(question: Concept, group: str, frame: int, confidence: float, reason: str) -> NoFinding:
    """That a question is not answered, and why."""
    return NoFinding(
        name=question.name,
        group=group,
        frame=frame,
        code=code_of(question.code),
        site=code_of(question.site),
        confidence=confidence,
        reason=reason,
    )


def unsure(what: str, probability: float, least: float) -> str:
    """The words for a best answer that is not good enough."""
    return f"the answer is unsure (likeliest is {what}, probability {probability:.2f} < {least:.2f})"


def code_of(code: CodeOnCard | None) -> Code | None:
    """As findings carry it."""
    return code.to_code() if code is not None else None
