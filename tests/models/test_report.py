"""Reports: statements and wording learned from phantoms, words checked against codes, and kept silent about."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.findings import Category, Narrative, NoFinding
from models.packages.settings_report import ReportSettings
from models.report_grammar import END, Grammar, Walk
from tests.models.lessons import Pupil, pictures, read_all, same_alone_or_together, told
from trainer.losses_report import NO_WORD, ReportTarget, statements_loss, words_given, words_loss

HEAD, MASS, LEFT, RIGHT, LARGE, DARK = range(6)
WAYS = {
    "A head": ("The picture shows a fetal head", "A fetal head is seen"),
    "A mass": ("The picture shows a breast mass", "A breast mass is seen"),
    "Left": ("It lies on the left", "Its place is the left half"),
    "Right": ("It lies on the right", "Its place is the right half"),
    "Large": ("It is large", "It is large and fills the view"),
    "Dark": ("It is dark", "Its echoes are weak"),
}


def code(meaning):
    return {"value": meaning.upper(), "scheme": "99TEST", "meaning": meaning}


def answer(meaning, threshold=0.6):
    german = tuple(f"Auf Deutsch {n}: {meaning}" for n in range(2))
    return {"value": code(meaning), "threshold": threshold, "sentences": {"en": WAYS[meaning], "de": german}}


def question(name, form, *meanings, **more):
    return {"name": name, "code": code(name), "form": form, "answers": [answer(m) for m in meanings], **more}


def settings(**changes):
    whole = {
        "name": "phantom report",
        "language": "en",
        "questions": [
            question("structure", "one_of", "A head", "A mass"),
            question("place", "one_of", "Left", "Right"),
            question("look", "any_of", "Large", "Dark"),
        ],
    }
    return ReportSettings.model_validate({**whole, **changes})


GRAMMAR = Grammar(settings())


def truth_of(squares, masks):
    """Which of the six statements hold: (pictures, 6)."""
    middle = np.array([np.nonzero(mask)[1].mean() for mask in masks])
    share = masks.mean((1, 2))
    level = np.array([square[mask].mean() for square, mask in zip(squares, masks, strict=True)])
    head = np.arange(len(masks)) % 2 == 0
    left = middle < np.median(middle)
    columns = (head, ~head, left, ~left, share >= np.median(share), level <= np.median(level))
    return np.stack(columns, axis=1)


def written_of(number, holds):
    """What somebody wrote of a picture: their order and their words differ from picture to picture."""
    said = [int(i) for i in np.flatnonzero(holds)]
    ways = [GRAMMAR.statements[i].answer.sentences["en"][(number + i) % 2] for i in said]
    return ". ".join(ways[::-1] if number % 3 == 0 else ways) + "."


@pytest.fixture(scope="module")
def lesson():
    squares, masks = pictures()
    holds = truth_of(squares, masks)
    return squares, holds, [written_of(number, row) for number, row in enumerate(holds)]


def target(holds, texts):
    tokens = [GRAMMAR.tokens_of(text) for text in texts]
    words = torch.full((len(texts), max(map(len, tokens))), NO_WORD)
    for number, row in enumerate(tokens):
        words[number, : len(row)] = torch.tensor(row)
    return ReportTarget(truth=torch.tensor(holds, dtype=torch.float32), said=torch.tensor(holds), words=words)


@pytest.fixture(scope="module")
def taught(lesson):
    squares, holds, texts = lesson
    pupil = Pupil(settings())
    head, truth = pupil.heads.head, target(holds, texts)

    def loss(answers):
        words = head.writer(answers["cells"], truth.said, words_given(truth))
        return statements_loss(answers, truth, head.spans) + words_loss(words, truth)

    pupil.learn(squares, loss, steps=50, rate=3e-3)
    return pupil


def test_report__ten_phantoms_learned__codes_and_the_words_that_were_written(taught, lesson):
    for square, holds, text in zip(*lesson, strict=True):
        findings = taught.read(square[None])
        categories = [f for f in findings if isinstance(f, Category)]
        (narrative,) = [f for f in findings if isinstance(f, Narrative)]
        coded = [s.answer.value.meaning for s, held in zip(GRAMMAR.statements, holds, strict=True) if held]
        assert [c.value.meaning for c in categories] == coded
        assert all(c.probability > 0.6 for c in categories)
        assert narrative.text == text


def test_report__in_eval_mode__a_picture_does_not_depend_on_its_neighbours(taught, lesson):
    same_alone_or_together(taught, lesson[0])


def test_writer__has_about_a_million_weights_beside_the_base_encoder():
    from models.heads.report import ReportHead

    head = ReportHead((128, 256, 512, 1024, 2048), settings())
    assert 0.5e6 < sum(p.numel() for p in head.writer.parameters()) < 1.5e6


def test_writer__never_taught__still_says_all_that_is_coded_and_nothing_else():
    pupil = Pupil(settings(), seed=5)
    cells = pupil.raws(pictures()[0][:1])[0]["cells"]
    for said in ([HEAD], [MASS, RIGHT, LARGE], [HEAD, LEFT, LARGE, DARK]):
        chosen = np.zeros(6, np.float32)
        chosen[said] = 1
        words = pupil.conclude()(np.concatenate([cells, chosen])[None])["words"]
        assert sorted(GRAMMAR.stated(GRAMMAR.text_of(words.tolist()))) == said


def answered(head=0.9, left=0.8, large=0.7, dark=0.1):
    likely = [head, 1 - head, left, 1 - left, large, dark]
    return {"likely": np.array(likely, np.float32), "cells": np.zeros(256, np.float32)}


def saying(text, calls=None):
    def conclude(gathered):
        if calls is not None:
            calls.append(gathered)
        return {"words": np.array(GRAMMAR.tokens_of(text), np.float32)}

    return conclude


TEMPLATE = "The picture shows a fetal head. It lies on the left. It is large."


def test_reader__words_that_say_what_is_coded__are_the_text():
    calls = []
    written = "It is large and fills the view. A fetal head is seen. Its place is the left half."
    *categories, narrative = read_all(settings(), [told(answered())], saying(written, calls))
    assert narrative.text == written
    assert [(c.name, c.value.meaning, c.probability) for c in categories] == [
        ("structure", "A head", pytest.approx(0.9)),
        ("place", "Left", pytest.approx(0.8)),
        ("look", "Large", pytest.approx(0.7)),
    ]
    assert len({c.group for c in categories}) == 3
    (gathered,) = calls
    assert gathered.shape == (1, 256 + 6)
    assert gathered[0, -6:].tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "written",
    [
        "A fetal head is seen. It lies on the left. It is large. It is dark.",  # says more
        "A fetal head is seen. It lies on the left.",  # says less
        "A breast mass is seen. It lies on the left. It is large.",  # says another thing
        "A fetal head is seen. It lies on the left. It is large. It is large.",  # says a thing twice
    ],
)
def test_reader__words_that_say_anything_else__are_dropped_for_the_template(written):
    *_, narrative = read_all(settings(), [told(answered())], saying(written))
    assert narrative.text == TEMPLATE


@pytest.mark.parametrize("words", [[], [END], [2, 3, 4], [999, -4, 1, 0], list(range(40))])
def test_reader__words_that_are_no_text__are_dropped_for_the_template(words):
    *_, narrative = read_all(settings(), [told(answered())], lambda _: {"words": np.array(words, np.float32)})
    assert narrative.text == TEMPLATE


def test_reader__templates_only__asks_for_no_words():
    *_, narrative = read_all(settings(wording="template", language="de"), [told(answered())])
    assert narrative.text == "Auf Deutsch 0: A head. Auf Deutsch 0: Left. Auf Deutsch 0: Large."


def test_reader__unsure_answer__left_open_with_the_reason_and_not_in_the_text():
    said = "A fetal head is seen. It is large."
    structure, look, narrative, place = read_all(settings(), [told(answered(left=0.55))], saying(said))
    assert (structure.name, look.name) == ("structure", "look")
    assert narrative.text == said
    assert isinstance(place, NoFinding)
    assert place.name == "place"
    assert "likeliest is Left, probability 0.55 < 0.60" in place.reason


def test_reader__nothing_sure__one_finding_with_the_reasons_and_no_words():
    (finding,) = read_all(settings(), [told(answered(0.5, 0.5, 0.2))])
    assert isinstance(finding, NoFinding)
    assert "structure is unsure" in finding.reason
    assert "place is unsure" in finding.reason


def test_reader__cine__the_surest_frame_speaks():
    frames = [told(answered(head=p), n) for n, p in enumerate((0.7, 0.95, 0.8), 1)]
    findings = read_all(settings(wording="template"), frames)
    assert {f.frame for f in findings} == {2}


def test_reader__out_of_scope__silent_with_the_score():
    (finding,) = read_all(settings(scope=0.5), [told({**answered(), "scope": np.float32(0.3)})])
    assert isinstance(finding, NoFinding)
    assert "0.30 < 0.50" in finding.reason


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (TEMPLATE, [HEAD, LEFT, LARGE]),
        ("It is large. It lies on the left.", [LARGE, LEFT]),
        ("It is large.  It lies on the left.", [LARGE, LEFT]),
        ("It is large", None),
        ("It is very large.", None),
        ("It is large. It", None),
        ("it is large.", None),
        ("It is large..", None),
        ("Auf Deutsch 0: Large.", None),
        ("", []),
    ],
)
def test_grammar__text__its_statements_or_none_where_anything_is_not_one(text, stated):
    assert GRAMMAR.stated(text) == stated


def test_grammar__tokens__give_the_text_again():
    tokens = GRAMMAR.tokens_of(TEMPLATE)
    assert tokens[-1] == END
    assert GRAMMAR.text_of(tokens) == TEMPLATE
    with pytest.raises(ValueError, match="not made of the card's sentences"):
        GRAMMAR.tokens_of("It is round.")


def test_walk__any_choices__make_each_statement_once():
    rng = np.random.default_rng(3)
    for _ in range(50):
        said = [int(i) for i in rng.permutation(6)[: rng.integers(1, 7)]]
        walk, tokens = Walk(GRAMMAR, said), [-1]
        while tokens[-1] != END:
            tokens.append(int(rng.choice(walk.allowed())))
            walk.take(tokens[-1])
        assert sorted(GRAMMAR.stated(GRAMMAR.text_of(tokens[1:]))) == sorted(said)
        assert len(tokens) - 1 <= GRAMMAR.longest


def test_head__temperature__softens_the_probabilities_of_its_question():
    raws = []
    for temperature in (1.0, 4.0):
        soft = [question("structure", "one_of", "A head", "A mass", temperature=temperature)]
        raws.append(Pupil(settings(questions=soft)).raws(pictures()[0][:1])[0]["likely"])
    odds = [np.log(raw[0] / raw[1]) for raw in raws]
    assert odds[0] == pytest.approx(4 * odds[1], rel=1e-3)


def test_loss__unknown_and_contradictory_truth__teaches_nothing():
    nan = float("nan")
    truth = torch.tensor([[1, 0, nan, nan, nan, 1], [1, 1, 0, 0, nan, nan]])
    logits = torch.zeros(2, 6, requires_grad=True)
    whole = ReportTarget(truth=truth, said=truth == 1, words=torch.full((2, 4), NO_WORD))
    spans = ((0, 2, True), (2, 4, True), (4, 6, False))
    loss = statements_loss({"findings": logits}, whole, spans)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert logits.grad[0].abs().gt(0).tolist() == [True, True, False, False, False, True]
    assert not logits.grad[1].any()
    assert words_loss(torch.zeros(2, 4, 9), whole).item() == 0


def bad(**changes):
    return {**answer("Large"), **changes}


def asking(*answers, form="any_of"):
    return {"questions": [{"name": "look", "code": code("look"), "form": form, "answers": list(answers)}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"language": "fr"}, "the language fr has no sentences; there are de, en"),
        ({"questions": []}, "at least 1"),
        ({"questions": [question("look", "any_of", "Large")] * 2}, "more than one question is called look"),
        (asking(answer("Large"), form="one_of"), "needs two answers or more"),
        (asking(answer("Large"), answer("Large")), "more than one answer with the code LARGE"),
        (asking(bad(), bad(value=code("Big"))), "would say both 'look: Large' and 'look: Big'"),
        (asking(bad(), {**answer("Dark"), "sentences": {"en": ["It is dark"]}}), "not said in the same languages"),
        (asking(bad(sentences={"en": ["It is 2.5 large"]})), "no full stop"),
        (asking(bad(sentences={"en": ["It  is large"]})), "one space between"),
        (asking(bad(sentences={"en": []})), "has no sentence in the language en"),
        (asking(bad(threshold=1.5)), "less than 1"),
    ],
)
def test_settings__inconsistent__refused_with_the_fault(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)
