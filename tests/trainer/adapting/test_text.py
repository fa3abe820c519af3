"""Reports: what rows say, what is learned of it, and how texts are judged against codes and truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.packages import verify
from models.report_grammar import Grammar
from tests.models.asking import code, settings_of
from tests.models.built import encoder_package
from tests.trainer.adapting import toy
from trainer.adapting.closing_text import RANGE, report, trusted
from trainer.adapting.loop import Adaptation
from trainer.adapting.packing import pack
from trainer.adapting.pool import gather
from trainer.tasks.report import SPEC, findings
from trainer.tasks.truths import Findings


def answer(word: str, *ways: str) -> dict[str, object]:
    return {"value": code(word), "sentences": {"en": list(ways)}, "threshold": 0.01}


SIZE = {
    "name": "size",
    "code": code("size"),
    "form": "one_of",
    "answers": [answer("small", "A small blob", "The blob is small"), answer("big", "A big blob", "The blob is big")],
}
PLACE = {
    "name": "place",
    "code": code("place"),
    "form": "one_of",
    "only_if": code("big"),
    "answers": [answer("left", "It lies to the left"), answer("right", "It lies to the right")],
}
SETTINGS = settings_of("report", scope=0.5, name="toy report", language="en", questions=[SIZE, PLACE])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return toy.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    encoder = encoder_package(folder / "given")
    task = dataclasses.replace(toy.spec("classification"), settings=SETTINGS, truth=seen)
    pool = gather(task, data, None, 0)
    pool = dataclasses.replace(pool, outsiders=pool.outsiders[:4])
    plan = dataclasses.replace(toy.PLAN, epochs=6, least=64, views=4)
    adaptation = Adaptation(plan, task, pool, encoder, folder / "state")
    for _ in adaptation.run():
        pass
    return pack(adaptation, encoder, data, folder / "packages" / "toy", "")


def seen(folder, name, row):
    big, left = row["big"] == "1", int(row["x"]) < 48
    place = [float(left), float(not left)] if big else [np.nan, np.nan]
    return Findings(holds=np.array([float(not big), float(big), *place]), wording=int(row["x"]))


def figure(found, name):
    return next(result.value for result in found.results if result.name == name)


def test_report__learned_on_blobs__says_sizes_aright_and_nothing_but_what_is_coded(found):
    verify(found.package.path)
    assert figure(found, "size accuracy, silence counted as wrong") > 60
    assert figure(found, "text says exactly what is coded") == 100
    assert figure(found, "statements withheld") + figure(found, "size stated") > 0
    assert {r.name for r in found.results} >= {"size F1, mean of answers", "text agrees with every known finding"}


def test_report__of_a_small_blob__is_not_asked_where_it_lies(found):
    small = [case for case in found.cases if case.asked.example.truth.holds[0] == 1]
    assert small
    assert all("place" not in case.rows for case in small)
    for case in small:
        said = [f.name for f in case.asked.findings]
        assert "place" not in said or case.rows["size"][0] == 1


def test_settings__waiting_for_a_value_that_comes_later__are_refused():
    with pytest.raises(ValidationError, match="waits for"):
        settings_of("report", name="toy report", language="en", questions=[PLACE, SIZE])


def test_findings__of_rows__leave_other_organs_and_unknown_answers_open():
    grammar = Grammar(SPEC.settings)
    row = {"id": "1", "tirads": "4b", "composition": "solid", "echogenicity": "", "margins": "odd"}
    truth = findings(Path(), "thyroid", row).holds
    assert grammar.template(np.flatnonzero(truth == 1)) == (
        "The thyroid is shown. The nodule is solid. The category is TI-RADS 4b."
    )
    lung = {"id": "2", "b_lines": "1", "consolidations": "0", "pleural_irregularities": "", "effusion": "0"}
    truth = findings(Path(), "lung_pocus", lung).holds
    assert grammar.template(np.flatnonzero(truth == 1)) == (
        "The lung is shown. B-lines are seen. No consolidations are seen. No signs of pleural effusion are seen."
    )
    names = [each.question.name for each in grammar.statements]
    unknown = {names[number] for number in np.flatnonzero(np.isnan(truth))}
    assert {"TI-RADS category", "BI-RADS category", "pleural irregularities"} <= unknown


def test_report__of_the_breast__never_speaks_of_tissue():
    words = " ".join(w for s in Grammar(SPEC.settings).statements for w in s.answer.sentences["en"]).lower()
    assert not any(word in words for word in ("carcinoma", "malignan", "cancer", "fibroadenoma", "benign"))


def test_trusted__of_answers__is_the_lowest_from_which_enough_were_right():
    sure = np.array([0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4])
    right = np.array([1, 1, 1, 1, 1, 0, 0, 0], bool)
    assert trusted(sure, right) == pytest.approx(0.5, abs=0.002)  # five of seven
    assert trusted(sure, np.zeros(8, bool)) == RANGE[1]
    assert trusted(sure[:3], np.ones(3, bool)) == RANGE[1]


def test_closing__without_validation_pictures_of_a_question__states_it_only_where_it_is_sure():
    closed = report(SETTINGS, [], [])
    assert all(each.threshold == 0.8 for question in closed.questions for each in question.answers)
