"""Numbers of pairs of pictures: learned, packed, measured; and ejection fractions that masks give."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch

from models.findings import Mask, NoFinding, Quantity
from models.packages import verify
from models.readers.regression import UNCERTAINTY
from tests.models.built import encoder_package
from tests.models.looking import picture
from tests.trainer.adapting import hearts, toy
from trainer.adapting import variation
from trainer.adapting.agreement import bias, correlation, limits, mean_absolute_error
from trainer.adapting.bland_altman import bland_altman
from trainer.adapting.case import Asked
from trainer.adapting.closing_numbers import regression
from trainer.adapting.feed import Kept, view
from trainer.adapting.further import data_words
from trainer.adapting.judging_ejection import mended, plots, results
from trainer.adapting.judging_masks import segmentation_case
from trainer.adapting.judging_numbers import regression_case
from trainer.adapting.loop import Adaptation
from trainer.adapting.measuring import cases_of, plots_of, results_of
from trainer.adapting.packing import figure, pack
from trainer.adapting.pool import Shown, gather
from trainer.adapting.pupil import Pupil
from trainer.errors import MissingData
from trainer.evaluate import engine_of
from trainer.tasks import spec_of
from trainer.tasks.spec import Example, Variation
from trainer.tasks.truths import Number

PLAN = dataclasses.replace(toy.PLAN, task="ejection-fraction")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    torch.set_num_threads(1)
    return hearts.make(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return encoder_package(tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def pool(data):
    whole = gather(hearts.spec(), data, None, 0)
    return dataclasses.replace(whole, outsiders=whole.outsiders[:4])


@pytest.fixture(scope="module")
def packed(data, encoder, pool, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    plan = dataclasses.replace(PLAN, epochs=12, least=160, views=8)
    known = dataclasses.replace(pool, val=pool.train)  # an encoder of chance sees too little to do well on others
    adaptation = Adaptation(plan, hearts.spec(), known, encoder, out / "state")
    with pytest.MonkeyPatch.context() as patch:  # nor through light that varies
        patch.setattr(variation, "_shaded", lambda square, rng: square)
        for _ in adaptation.run():
            pass
    return pack(adaptation, encoder, data, out / "packages" / "ejection-fraction", "echocare-train adapt")


def test_pairs__of_an_index__are_one_example_with_both_pictures(data):
    examples = hearts.spec().examples(data, "train")
    assert len(examples) == hearts.COUNTS["train"]
    assert all(example.name.endswith("_ED") and len(example.pictures) == 2 for example in examples)
    assert examples[-1].picture.mean() > examples[-1].others[0].mean()  # the second is the smaller heart
    assert set(examples[0].traits) == {"data set", "view"}  # what the pictures differ in is no trait of the pair


def test_pairs__without_end_systole__are_missing_data(tmp_path):
    index = hearts.make(tmp_path) / hearts.SET / "index.csv"
    index.write_text("".join(line for line in index.read_text().splitlines(True) if "train0_4CH_ES" not in line))
    with pytest.raises(MissingData, match="train0_4CH_ED has 0 end-systolic"):
        hearts.spec().examples(tmp_path, "train")


def test_pairs__shown_in_a_varied_view__are_varied_alike():
    square = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    shown = Shown(square=square, truth=Number(value=1.0), others=(square,))
    for seed in range(5):
        seen = view(shown, Variation(drawn=1.0), 64, np.random.default_rng(seed))
        assert (seen.square == seen.others[0]).all()


def test_pairs__of_kept_maps__come_with_the_maps_of_their_own_pictures(pool, encoder):
    task = hearts.spec()
    pupil = Pupil(PLAN, task.settings, encoder)
    for batch in Kept(PLAN, task, pool, pupil, lambda done, total: None).batches(0):
        assert len(batch.images) == batch.own + PLAN.outsiders == 2 * len(batch.truths) + PLAN.outsiders
        assert torch.allclose(batch.maps[4], pupil.maps(batch.images)[4], atol=0.02)


def test_adaptation__of_pairs__tells_their_ejection_fractions_again(packed, data):
    with engine_of(packed.package) as engine:
        cases = cases_of(engine, "ejection-fraction", hearts.spec().examples(data, "train"))
    told = {result.name: result for result in results_of(cases, packed.package.card.settings, "train")}
    off = told["ejection fraction, mean absolute error"]
    assert off.value < 0.8 * told["ejection fraction, error if the mean of training were said"].value
    assert off.low <= off.value <= off.high
    assert told["ejection fraction, correlation"].value > 0.7
    assert told["answered"].value > 80


def test_package__of_pairs__has_whole_gates_and_says_where_its_reference_comes_from(packed):
    package = verify(packed.package.path)
    settings, card = package.card.settings, package.card
    assert settings.plausible == (20.0, 75.0)
    assert settings.most_spread < 100
    assert "DERIVED" in card.limits[0]
    assert (card.training.data[0].pictures, card.training.data[0].patients) == (40, 20)
    assert card.training.data[0].use == "non-commercial"


def test_package__of_pairs__gives_the_figures_of_its_card_again_and_a_plot(packed, data):
    with engine_of(packed.package) as engine:
        cases = cases_of(engine, "ejection-fraction", hearts.spec().examples(data, "test"))
        still = hearts.spec().examples(data, "test")[0].picture
        three = engine.run("ejection-fraction", [picture(still, frame) for frame in (1, 2, 3)]).findings
    settings = packed.package.card.settings
    again = results_of(cases, settings, data_words(hearts.spec(), "test"))
    assert tuple(map(figure, again)) == packed.package.card.figures
    (plot,) = plots_of(cases, settings)
    assert "<circle" in plot
    assert [type(finding) for finding in three] == [NoFinding]
    assert "3 frames are more than the 2" in three[0].reason


@pytest.mark.parametrize("method", ["frozen", "full"])
def test_adaptation__of_pairs_stopped_and_taken_up_again__same_weights_as_in_one_go(method, pool, encoder, tmp_path):
    plan, task = dataclasses.replace(PLAN, method=method), hearts.spec()
    whole = Adaptation(plan, task, pool, encoder, tmp_path / "one")
    assert len(list(whole.run())) == 2
    for _ in Adaptation(plan, task, pool, encoder, tmp_path / "two").run():
        break
    resumed = Adaptation(plan, task, pool, encoder, tmp_path / "two")
    assert len(list(resumed.run())) == 1
    for name, value in whole.pupil.learned().items():
        assert torch.equal(value, resumed.pupil.learned()[name]), name


def told(value: float, half: float, truth: float) -> Asked:
    """A number that was said of a picture."""
    settings = spec_of("ejection-fraction").settings
    about = {"group": "ejection fraction 1", "frame": 1, "unit": "%"}
    said = (
        Quantity(name=settings.name, value=value, **about),
        Quantity(name="half", code=UNCERTAINTY, value=half, **about),
    )
    return asked_of(said, Number(value=truth))


def asked_of(findings, truth) -> Asked:
    example = Example(name="hearts/1", picture=np.zeros((80, 96), np.uint8), truth=truth, patient="a")
    return Asked(example=example, findings=findings, raw={}, place=None)


def test_closing__of_numbers__widens_spreads_to_the_errors_and_bounds_by_what_was_learned():
    seen = [told(50 + off, 1.96, 50.0) for off in (-3, 3) * 10]  # a spread of 1 was told, errors are 3
    settings = regression(spec_of("ejection-fraction").settings, seen, [Number(value=v) for v in (12.0, 50.0, 78.0)])
    assert settings.spread_factor == pytest.approx(3)
    assert settings.most_spread == pytest.approx(3.3)
    assert settings.plausible == (12.0, 78.0)


def test_judging__of_a_number__tells_error_and_whether_the_interval_held():
    settings = spec_of("ejection-fraction").settings
    case = regression_case(told(60.0, 4.0, 55.0), settings)
    assert case.rows == {"found, reference": (60.0, 55.0)}
    assert case.scores["ejection fraction, truth within the interval of 95 %", "%"] == 0
    silent = regression_case(asked_of((), Number(value=55.0)), settings)
    assert silent.scores["answered", "%"] == 0
    assert not silent.rows


def test_agreement__of_four_pairs__as_worked_out_by_hand():
    rows = np.array([[50.0, 48], [60, 61], [70, 66], [40, 41]])
    assert mean_absolute_error(rows) == 2
    assert bias(rows) == 1
    half = 1.96 * np.sqrt((1 + 4 + 9 + 4) / 3)
    assert limits(rows) == pytest.approx((1 - half, 1 + half))
    assert correlation(rows) == pytest.approx(np.corrcoef(rows.T)[0, 1])
    assert np.isnan(limits(rows[:1])[0])
    assert np.isnan(correlation(rows[:1]))


def test_bland_altman__of_pairs__has_a_mark_for_each_and_lines_at_bias_and_limits():
    plot = ElementTree.fromstring(bland_altman([48, 61, 66, 41, np.nan], [50, 60, 70, 40, 3], "%", "a < b"))
    space = "{http://www.w3.org/2000/svg}"
    marks = plot.findall(f"{space}circle")
    assert len(marks) == 4
    assert len(plot.findall(f"{space}line")) == 3
    words = [text.text for text in plot.findall(f"{space}text")]
    assert "bias 1.0" in words
    assert "mean of found and reference (a < b, %)" in words
    left, top = np.array([[float(mark.get(key)) for mark in marks] for key in ("cx", "cy")])
    assert left.argmax() == 2  # the pair with the greatest mean lies to the right
    assert top.argmin() == 2  # and it differs most, upwards


@pytest.mark.parametrize("pairs", [[], [[50.0, 50.0]], [[50.0, 50.0], [50.0, 50.0]]])
def test_bland_altman__of_hardly_any_pairs__is_still_a_picture(pairs):
    reference, found = np.array(pairs).reshape(-1, 2).T
    assert ElementTree.fromstring(bland_altman(reference, found, "%")).tag.endswith("svg")


def heart_cases(data, systolic_marked=True):
    """Judged pictures of a package that marks what is true; in the first patient's end-systole perhaps nothing."""
    task = spec_of("heart-chambers")
    cases = []
    for example in task.examples(data, "test"):
        mask = example.truth.classes == 1
        ventricle = task.settings.structures[0].structure
        marked = Mask(
            name="left ventricle",
            group="left ventricle 1",
            frame=1,
            code=ventricle.type.to_code(),
            category=ventricle.category.to_code(),
            rows=mask.shape[0],
            columns=mask.shape[1],
            deflated=Mask.deflate(mask),
        )
        unmarked = NoFinding(name="left heart", group="left heart", frame=1, reason="nothing")
        left_out = not systolic_marked and example.name.endswith("test0_4CH_ES")
        nothing = {"mask": np.zeros((len(task.settings.structures), 8, 8), np.float32)}
        asked = Asked(example=example, findings=(unmarked if left_out else marked,), raw=nothing, place=None)
        cases.append(segmentation_case(asked, task.settings))
    return cases, task.settings


def test_heart_chambers__marked_as_outlined__have_no_error_of_the_ejection_fraction(data):
    cases, settings = heart_cases(data)
    figures = {result.name: result for result in results(cases, settings, "test")}
    assert figures["ejection fraction by discs, answered"].value == 100
    assert figures["ejection fraction by discs, mean absolute error"].value == 0
    assert figures["ejection fraction by discs, mean absolute error"].n == hearts.COUNTS["test"]
    assert figures["ejection fraction by discs, correlation"].value == pytest.approx(1)
    assert len(plots(cases, settings)) == 1


def test_heart_chambers__one_systole_unmarked__that_pair_counts_as_not_answered(data):
    cases, settings = heart_cases(data, systolic_marked=False)
    figures = {result.name: result for result in results(cases, settings, "test")}
    assert figures["ejection fraction by discs, answered"].value == 87.5
    assert figures["ejection fraction by discs, mean absolute error"].n == 7


def test_heart_chambers__pictures_of_one_phase_alone__tell_no_ejection_fraction(data):
    cases, settings = heart_cases(data)
    diastole = [case for case in cases if case.asked.example.traits["phase"] == "ED"]
    assert not [each for each in results(diastole, settings, "test") if "ejection" in each.name]
    assert plots(diastole, settings) == []
    without = settings.model_copy(update={"ejection": None})
    assert not [each for each in results(cases, without, "test") if "ejection" in each.name]


def too_even(cases, count):
    """The same pictures, end-systoles marked too large by an edge; only so many pairs."""
    kernel = np.ones((3, 3), np.uint8)
    seen = []
    for case in cases[: 2 * count]:
        (mask,) = case.asked.findings
        if case.asked.example.traits["phase"] == "ES":
            grown = cv2.dilate(mask.to_array().astype(np.uint8), kernel, iterations=2) > 0
            mask = dataclasses.replace(mask, deflated=Mask.deflate(grown))
        seen.append(dataclasses.replace(case.asked, findings=(mask,)))
    return seen


def test_mended__systoles_marked_too_large__adds_what_pairs_lack_and_the_bias_goes(data, monkeypatch):
    monkeypatch.setattr("trainer.adapting.judging_ejection.LEAST_PAIRS", 8)
    cases, settings = heart_cases(data)
    seen = too_even(cases, 8)
    found = mended(seen, settings)
    assert found.shift > 3
    assert mended(too_even(cases, 7), settings).shift == 0  # too few pairs
    assert mended([case.asked for case in cases], settings).shift == 0  # nothing lacks
    better = settings.model_copy(update={"ejection": found})
    figures = {each.name: each for each in results([segmentation_case(a, better) for a in seen], better, "test")}
    assert abs(figures["ejection fraction by discs, bias"].value) < 0.1


def test_mended__pairs_that_are_far_off_either_way__says_no_ejection_fraction(data, monkeypatch):
    monkeypatch.setattr("trainer.adapting.judging_ejection.LEAST_PAIRS", 8)
    cases, settings = heart_cases(data)
    fractions = iter([(20.0, 60.0), (70.0, 30.0)] * 4)
    monkeypatch.setattr("trainer.adapting.judging_ejection.fractions", lambda *_: next(fractions))
    assert mended([case.asked for case in cases], settings) is None
