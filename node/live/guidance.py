"""Words for who holds the probe, taken from what tasks say and never made up.

They come from three places. A task may give guidance of its own: a `Narrative` finding of the name "guidance". A task
of scan quality names what a scan lacks, and its card has the advice for that. And a task that says nothing gives its
reason. Directions ("towards …") are there only where a task or a card has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from models.findings import Category, Finding, Narrative, NoFinding, Quantity
from models.packages.settings_pictures import QualitySettings

if TYPE_CHECKING:
    from models.packages import TaskPackage

GUIDANCE: Final = "guidance"


def own_guidance(findings: Sequence[Finding]) -> tuple[str, ...]:
    """What a task itself advises."""
    return tuple(each.text for each in findings if isinstance(each, Narrative) and each.name == GUIDANCE)


def silence(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Why a task says nothing."""
    return tuple(each.reason for each in findings if isinstance(each, NoFinding))


def quality_guidance(findings: Sequence[Finding], settings: QualitySettings) -> tuple[str, ...]:
    """The card's advice for what a scan lacks, the surest lack first.

    Parameters
    ----------
    findings
        Of a quality task.
    settings
        Of its card.
    """
    answers = {each.name: each for each in findings if isinstance(each, Category)}
    poor = [
        (answers[aspect.name].probability or 0.0, aspect)
        for aspect in settings.aspects
        if aspect.name in answers and answers[aspect.name].value == aspect.poor.to_code()
    ]
    if poor:
        surest = sorted(poor, key=lambda item: -item[0])
        return tuple(f"{aspect.advice} ({aspect.poor.meaning})" for _, aspect in surest)
    score = next((each for each in findings if isinstance(each, Quantity) and each.name == settings.score.name), None)
    if score is not None and score.value < settings.least:
        return (f"find a better view ({settings.score.name} {score.value:.2f} < {settings.least:.2f})",)
    return ()


def quality_settings(package: TaskPackage) -> QualitySettings | None:
    """The settings of a quality task; None of any other."""
    settings = package.card.settings
    return settings if isinstance(settings, QualitySettings) else None
