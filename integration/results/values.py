"""How a number is shown: the same in the SR, on the SC and to the reader."""

from __future__ import annotations

from typing import Final

from models.findings import Box, Category, Finding, Narrative, NoFinding, Quantity, TaskIdentity

RESEARCH_MARK: Final = "research use only, not for diagnosis"
TRIAL_MARK: Final = "a trial: nobody should rely on it"
_DECIMALS = {"mm": 1, "mm2": 1, "ml": 1, "%": 1, "px": 1, "px2": 0, "px3": 0}
_SHOWN_UNITS = {"mm2": "mm²", "px": "pixels", "px2": "pixels", "px3": "pixels", "1": ""}


def standing_words(research_use: bool, task: TaskIdentity) -> tuple[str, ...]:
    """What every text of a result begins with: that it is for research, and that its task is a trial, where so."""
    research = (f"{RESEARCH_MARK}.",) if research_use else ()
    return (*research, f"{TRIAL_MARK}: {task.trial}.") if task.trial else research


def shown_value(value: float, unit: str) -> float:
    """The value with the digits that its unit deserves: a tenth of a millimetre is below what a reader can set."""
    if unit in _DECIMALS:
        return round(value, _DECIMALS[unit])
    return float(f"{value:.4g}")


def percent(fraction: float) -> float:
    """A probability of 0 to 1 in percent."""
    return shown_value(100.0 * fraction, "%")


def quantity_text(quantity: Quantity) -> str:
    """One line: "head circumference 301.2 mm"."""
    return f"{quantity.name} {number_text(quantity)}"


def number_text(quantity: Quantity) -> str:
    """The value and its unit: "301.2 mm"."""
    decimals = _DECIMALS.get(quantity.unit)
    value = shown_value(quantity.value, quantity.unit)
    number = f"{value:.{decimals}f}" if decimals is not None else f"{value:g}"
    return f"{number} {_SHOWN_UNITS.get(quantity.unit, quantity.unit)}".rstrip()


def category_text(category: Category) -> str:
    """One line: "assessment: benign (probability 91.0 %)"."""
    probability = "" if category.probability is None else f" (probability {percent(category.probability):.1f} %)"
    return f"{category.name}: {category.value.meaning}{probability}"


def box_text(box: Box) -> str:
    """One line: "thyroid nodule (certainty 82.0 %)"."""
    return box.name if box.confidence is None else f"{box.name} (certainty {percent(box.confidence):.1f} %)"


def box_label(box: Box) -> str:
    """A few letters beside a rectangle: "thyroid nodule 82 %"."""
    return box.name if box.confidence is None else f"{box.name} {100 * box.confidence:.0f} %"


def withheld_text(quantity: Quantity) -> str | None:
    """Why a quantity has no physical unit; None where it has one or never could."""
    if quantity.reason is None:
        return None
    return f"{quantity.name}: no physical unit, because {quantity.reason}"


def no_finding_text(finding: NoFinding) -> str:
    """Why the task says nothing."""
    return f"{finding.name}: no finding, because {finding.reason}"


def finding_texts(finding: Finding) -> tuple[str, ...]:
    """All that a finding says in words, a line each; none for one that is only a mark."""
    match finding:
        case Quantity():
            withheld = withheld_text(finding)
            return (quantity_text(finding),) if withheld is None else (quantity_text(finding), withheld)
        case Category():
            return (category_text(finding),)
        case NoFinding():
            return (no_finding_text(finding),)
        case Narrative(text=text):
            return (text,)
        case Box():
            return (box_text(finding),)
        case _:
            return ()
