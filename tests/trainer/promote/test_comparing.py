"""The decision, as a pure function."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.promote.comparing import ALL, Foreign, Rules, Scored, Verdict, decide
from trainer.promote.errors import CannotCompare

QUIET = Foreign(pictures=50, running=0, candidate=0)
RULES = Rules(margin=0.05, margin_answered=0.05, least_patients=5)
shares = st.floats(0, 1, width=32)


def scored(goodness: list[float], patients: list[int] | None = None, answered: bool = True) -> list[Scored]:
    whose = patients or list(range(len(goodness)))
    return [
        Scored(name=f"p{i}", patient=str(whose[i]), goodness=value, answered=answered)
        for i, value in enumerate(goodness)
    ]


def judged(decision, group=ALL, figure="goodness"):
    return next(each for each in decision.judgements if (each.group, each.figure) == (group, figure))


@st.composite
def cohorts(draw):
    count = draw(st.integers(8, 40))
    before = draw(st.lists(shares, min_size=count, max_size=count))
    after = draw(st.lists(shares, min_size=count, max_size=count))
    patients = draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    marks = draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    groups = {f"g{m}": [i for i, mark in enumerate(marks) if mark == m] for m in set(marks)}
    return scored(before, patients), scored(after, patients), groups


@settings(max_examples=60, deadline=None)
@given(cohorts(), st.floats(0, 0.3))
def test_decision__any_cohort__never_promotes_what_is_worse_in_a_group_by_more_than_the_margin(cohort, margin):
    running, candidate, groups = cohort
    decision = decide(running, candidate, groups, QUIET, dataclasses.replace(RULES, margin=margin, least_patients=2))
    if decision.promote:
        for places in (range(len(running)), *groups.values()):
            lost = np.mean([running[i].goodness - candidate[i].goodness for i in places])
            assert lost <= margin + 1e-6


@settings(max_examples=30, deadline=None)
@given(cohorts())
def test_decision__same_answers__are_not_worse_whatever_the_margin(cohort):
    running, _, groups = cohort
    rules = Rules(margin=0, margin_answered=0, least_patients=2, allow_unknown=("*",))
    decision = decide(running, running, groups, QUIET, rules)
    enough = len({each.patient for each in running}) >= rules.least_patients
    assert decision.promote is enough
    assert {each.difference for each in decision.judgements} == {0}


def test_decision__better_in_all_but_one_subgroup__is_refused_and_names_it():
    running = scored([0.5] * 30)
    candidate = scored([0.9] * 20 + [0.3] * 10)
    decision = decide(running, candidate, {"device: A": range(20), "device: B": range(20, 30)}, QUIET, RULES)
    assert judged(decision).verdict is Verdict.NOT_WORSE
    assert not decision.promote
    (reason,) = decision.reasons
    assert reason.startswith("device: B, goodness: -0.2000")


def test_decision__mean_within_the_margin_but_interval_beyond_it__is_refused():
    running = scored([0.5] * 10)
    candidate = scored([0.5 + (0.4 if i % 2 else -0.4) for i in range(10)])
    decision = decide(running, candidate, {}, QUIET, RULES)
    assert judged(decision).difference == pytest.approx(0, abs=1e-9)
    assert judged(decision).low < -RULES.margin
    assert not decision.promote


def test_decision__pictures_of_one_patient__count_as_one_patient():
    running, candidate = scored([0.5] * 40, [0] * 40), scored([0.9] * 40, [0] * 40)
    decision = decide(running, candidate, {}, QUIET, RULES)
    assert judged(decision).verdict is Verdict.UNKNOWN
    assert not decision.promote


@pytest.mark.parametrize(
    ("allowed", "promoted"),
    [((), False), (("device: B",), True), (("device",), True), (("*",), True), (("size",), False)],
)
def test_decision__subgroup_of_few_patients__blocks_unless_the_site_allows_it(allowed, promoted):
    running, candidate = scored([0.5] * 20), scored([0.6] * 20)
    rules = dataclasses.replace(RULES, allow_unknown=allowed)
    decision = decide(running, candidate, {"device: A": range(18), "device: B": range(18, 20)}, QUIET, rules)
    assert judged(decision, "device: B").verdict is Verdict.UNKNOWN
    assert decision.promote is promoted
    assert any("device: B" in reason and "unknown" in reason for reason in decision.reasons)


def test_decision__all_pictures_together_are_too_few__no_setting_allows_it():
    rules = dataclasses.replace(RULES, allow_unknown=("*", ALL))
    assert not decide(scored([0.5] * 3), scored([0.9] * 3), {}, QUIET, rules).promote


def test_decision__answers_more_pictures_out_of_scope__is_refused():
    running, candidate = scored([0.5] * 20), scored([0.9] * 20)
    decision = decide(running, candidate, {}, Foreign(pictures=50, running=1, candidate=2), RULES)
    assert not decision.promote
    assert "2 of 50 pictures out of scope" in decision.reasons[0]


def test_decision__keeps_silent_where_the_other_answers__is_refused_though_as_good():
    decision = decide(scored([0.5] * 20), scored([0.5] * 20, answered=False), {}, QUIET, RULES)
    assert judged(decision, figure="answered").verdict is Verdict.WORSE
    assert not decision.promote


def test_decision__silence_that_makes_no_figure__is_judged_by_what_was_answered_alone():
    running, candidate = scored([-2.0] * 20), scored([-2.0] * 19 + [float("-inf")])
    decision = decide(running, candidate, {}, QUIET, RULES)
    assert (judged(decision).pictures, judged(decision).difference) == (19, 0)
    assert decision.promote


def test_decision__not_the_same_pictures__is_no_comparison():
    with pytest.raises(CannotCompare):
        decide(scored([0.5, 0.5]), scored([0.5, 0.5], [0, 7]), {}, QUIET, RULES)
    with pytest.raises(CannotCompare):
        decide([], [], {}, QUIET, RULES)


def test_interval__of_two_kinds_of_patients__as_the_binomial_gives_it():
    # 100 patients, half of them better by one: the mean of 100 draws has a standard error of 0.05.
    decision = decide(scored([0.0] * 100), scored([1.0, 0.0] * 50), {}, QUIET, RULES)
    whole = judged(decision)
    assert whole.difference == 0.5
    assert whole.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.03)
    assert whole.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.03)


def answering(sure: list[float]) -> list[Scored]:
    """Pictures that are outlined alike, with the probability that the right answer to a question was given."""
    return [
        dataclasses.replace(each, answer=value) for each, value in zip(scored([0.8] * len(sure)), sure, strict=True)
    ]


def test_decision__outlines_as_good_but_the_question_is_answered_worse__is_refused():
    decision = decide(answering([0.9] * 20), answering([0.5] * 20), {}, QUIET, RULES)
    assert judged(decision).verdict is Verdict.NOT_WORSE
    (reason,) = decision.reasons
    assert reason.startswith("all, answer: -0.4000")
    assert not decision.promote


def test_decision__nobody_answered_the_question__is_refused_unless_the_site_says_that_it_need_not_be_known():
    unknown = answering([float("nan")] * 20)
    decision = decide(unknown, unknown, {}, QUIET, RULES)
    assert judged(decision, figure="answer").verdict is Verdict.UNKNOWN
    assert "let people answer more in reports" in decision.reasons[0]
    every_group = dataclasses.replace(RULES, allow_unknown=("*",))
    assert not decide(unknown, unknown, {}, QUIET, every_group).promote
    allowed = decide(unknown, unknown, {}, QUIET, dataclasses.replace(RULES, allow_unknown=("answer",)))
    assert allowed.promote
    assert "unknown, and allowed by the configuration: all, answer" in allowed.reasons


def test_decision__task_without_a_question__judges_no_answer():
    decision = decide(scored([0.5] * 20), scored([0.5] * 20), {}, QUIET, RULES)
    assert {each.figure for each in decision.judgements} == {"goodness", "answered"}


def test_decision__no_ultrasound_of_other_organs_to_be_silent_on__is_refused_unless_the_site_says_so():
    alike, noise = scored([0.5] * 20), Foreign(pictures=60, running=0, candidate=0, made_only=True)
    decision = decide(alike, alike, {}, noise, dataclasses.replace(RULES, allow_unknown=("*",)))
    (reason,) = decision.reasons
    assert "adapt.data" in reason
    assert decide(alike, alike, {}, dataclasses.replace(noise, same_gates=True), RULES).promote
    assert decide(alike, alike, {}, noise, dataclasses.replace(RULES, allow_unknown=("scope",))).promote


def test_decision__candidate_is_a_trial__is_refused_unless_the_site_takes_trials():
    alike = scored([0.5] * 20)
    decision = decide(alike, alike, {}, QUIET, RULES, trial="Dice is 0.5, asked is at least 0.65")
    (reason,) = decision.reasons
    assert "Dice is 0.5" in reason
    assert "models.trials" in reason
    assert not decision.promote
    taken = dataclasses.replace(RULES, allow_trial=True)
    assert decide(alike, alike, {}, QUIET, taken, trial="Dice is 0.5").promote
