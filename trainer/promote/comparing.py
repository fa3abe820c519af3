"""Whether a candidate is worse than what runs: a pure function from both packages' answers to a decision.

Both answer the same held-out pictures, so differences are taken picture by picture and resampled by patient. A group
is not worse when the lower end of the 95 % interval of the mean difference is not below minus the margin: the claim is
one of non-inferiority, so too few patients never count in the candidate's favour.

References
----------
Walker & Nowacki, "Understanding equivalence and noninferiority testing", J Gen Intern Med 2011; 26: 192-196.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from trainer import bootstrap
from trainer.promote.errors import CannotCompare

ALL: Final = "all"
ANY_GROUP: Final = "*"
ANSWER: Final = "answer"
SCOPE: Final = "scope"  # in `allow_unknown`: whether a candidate keeps silent on other organs


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One held-out picture as one package answered it."""

    name: str  # of the picture
    patient: str
    goodness: float  # the greater, the better; not finite where silence leaves nothing to judge
    answered: bool
    # Probability of the right answer to the task's question: NaN where nothing tells it, None where nothing is asked
    answer: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Pictures out of scope."""

    pictures: int
    running: int  # answered by what runs
    candidate: int
    made_only: bool = False  # noise, text and shapes, and no ultrasound of anything else
    same_gates: bool = False  # both packages refuse the same pictures as out of scope, whatever these show


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the site calls good enough; see `settings.DecidePart`."""

    margin: float = 0.02
    margin_answered: float = 0.05
    margin_answer: float = 0.05
    least_patients: int = 10
    allow_unknown: tuple[str, ...] = ()
    allow_trial: bool = False


class Verdict(StrEnum):
    """What can be said of one figure in one group."""

    NOT_WORSE = "not worse"
    WORSE = "worse"  # or not shown to be no worse
    UNKNOWN = "unknown"  # too few patients


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One figure in one group."""

    group: str
    figure: str
    pictures: int
    patients: int
    running: float | None  # means; None where the group has no picture
    candidate: float | None
    difference: float | None  # candidate minus running
    low: float | None  # of its 95 % interval
    high: float | None
    margin: float
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the candidate may take the place of what runs, and why."""

    promote: bool
    reasons: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    foreign: Foreign


def decide(
    running: Sequence[Scored],
    candidate: Sequence[Scored],
    groups: Mapping[str, Sequence[int]],
    foreign: Foreign,
    rules: Rules,
    trial: str | None = None,
) -> Decision:
    """Compare two packages.

    Parameters
    ----------
    running, candidate
        The same pictures in the same order.
    groups
        Subgroups: name to places in `running`. The group of all pictures is always judged.
    foreign
        How often each answered pictures that it should not answer.
    rules
        Margins and least numbers.
    trial
        Why the candidate calls itself a trial where what runs is none; None where it is fit to be sent.

    Raises
    ------
    CannotCompare
        The pictures are not the same, or there are none.
    """
    if not running or [(s.name, s.patient) for s in running] != [(s.name, s.patient) for s in candidate]:
        raise CannotCompare("both packages must answer the same held-out pictures, at least one, in the same order")
    whole = {ALL: range(len(running)), **{name: places for name, places in groups.items() if name != ALL}}
    figures: list[tuple[str, float, Callable[[Scored], float]]] = [
        ("goodness", rules.margin, lambda scored: scored.goodness),
        ("answered", rules.margin_answered, lambda scored: float(scored.answered)),
    ]
    if any(each.answer is not None for each in (*running, *candidate)):
        figures.append((ANSWER, rules.margin_answer, lambda scored: np.nan if scored.answer is None else scored.answer))
    judgements = tuple(
        _judge(group, [running[i] for i in places], [candidate[i] for i in places], rules, figure)
        for group, places in whole.items()
        for figure in figures
    )
    against = [words for each in judgements if (words := _against(each, rules))]
    if foreign.candidate > foreign.running:
        against.append(
            f"it answers {foreign.candidate} of {foreign.pictures} pictures out of scope, what runs {foreign.running}"
        )
    if foreign.made_only and not foreign.same_gates and SCOPE not in rules.allow_unknown:
        against.append(
            "out of scope: unknown, no ultrasound of other organs is there to be silent on: name a folder of public"
            f" sets in adapt.data, or '{SCOPE}' in decide.allow_unknown"
        )
    if trial is not None and not rules.allow_trial:
        against.append(
            f"it calls itself a trial ({trial}), what runs is none: no node starts with an active route to a trial,"
            " unless models.trials is set there and decide.allow_trial here"
        )
    return Decision(
        promote=not against,
        reasons=tuple(against) or (f"not worse by more than the margin in {len(whole)} group(s)", *_waived(judgements)),
        judgements=judgements,
        foreign=foreign,
    )


def _judge(
    group: str,
    running: Sequence[Scored],
    candidate: Sequence[Scored],
    rules: Rules,
    figure: tuple[str, float, Callable[[Scored], float]],
) -> Judgement:
    name, margin, value = figure
    # Where one of both was silent and its task makes no figure of that, `answered` tells it and this one cannot.
    known = [(a, b) for a, b in zip(running, candidate, strict=True) if np.isfinite([value(a), value(b)]).all()]
    running, candidate = [a for a, _ in known], [b for _, b in known]
    patients = sorted({scored.patient for scored in running})
    before, after = (np.array([value(scored) for scored in side], dtype=np.float64) for side in (running, candidate))
    difference = low = high = None
    if patients:
        difference = float(np.mean(after - before))
        low, high = _interval(after - before, [patients.index(scored.patient) for scored in running], len(patients))
    if low is None or len(patients) < rules.least_patients:
        verdict = Verdict.UNKNOWN
    else:
        # Rounding in the last place is no difference between packages.
        verdict = Verdict.NOT_WORSE if low >= -margin - 1e-12 else Verdict.WORSE
    return Judgement(
        group=group,
        figure=name,
        pictures=len(running),
        patients=len(patients),
        running=float(before.mean()) if patients else None,
        candidate=float(after.mean()) if patients else None,
        difference=difference,
        low=low,
        high=high,
        margin=margin,
        verdict=verdict,
    )


def _interval(differences: np.ndarray, whose: Sequence[int], patients: int) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean difference of pictures, patients drawn with all their pictures."""
    sums = np.bincount(whose, weights=differences, minlength=patients)
    counts = np.bincount(whose, minlength=patients)
    drawn = np.random.default_rng(bootstrap.SEED).integers(0, patients, (bootstrap.ROUNDS, patients))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    # A lower end above the difference itself, as lopsided samples can give, would vouch for a group that is worse.
    middle = float(differences.mean())
    return min(float(low), middle), max(float(high), middle)


def _against(each: Judgement, rules: Rules) -> str:
    if each.verdict is Verdict.WORSE:
        return (
            f"{each.group}, {each.figure}: {each.difference:+.4f} (95 % interval {each.low:+.4f} to {each.high:+.4f},"
            f" {each.patients} patients) may be worse by more than the margin {each.margin:g}"
        )
    # All pictures together are what the site knows at least; no setting makes that group dispensable but for the answer
    # to a question, which outlines do not tell.
    names = {each.group, each.group.partition(":")[0], ANY_GROUP}  # "device: X", "device", "*"
    allowed = each.group != ALL and bool(names & set(rules.allow_unknown))
    allowed |= each.figure == ANSWER and ANSWER in rules.allow_unknown
    if each.verdict is Verdict.UNKNOWN and not allowed:
        return (
            f"{each.group}, {each.figure}: unknown, {each.patients} patients are fewer than {rules.least_patients}"
            + _remedy(each)
        )
    return ""


def _remedy(each: Judgement) -> str:
    if each.figure == ANSWER:
        return f"; let people answer more in reports, or name '{ANSWER}' in decide.allow_unknown"
    return "" if each.group == ALL else "; gather more, or name the group in decide.allow_unknown"


def _waived(judgements: Sequence[Judgement]) -> list[str]:
    unknown = dict.fromkeys(
        f"{each.group}, {each.figure}" if each.group == ALL else each.group
        for each in judgements
        if each.verdict is Verdict.UNKNOWN
    )
    return [f"unknown, and allowed by the configuration: {', '.join(unknown)}"] if unknown else []
