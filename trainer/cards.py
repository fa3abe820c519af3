"""What the cards say before anything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from models.packages.card import Card, DataSet, EncoderOnCard, InputScope, Training, Weights
from models.packages.parts import CodeOnCard, Structure
from models.packages.settings import Gates, OutlineSettings, Question
from trainer.lineage import Stage
from trainer.recipe import Recipe

VERSION = "0.2.0"
STATUS = "research use only, not for diagnosis"
SPLIT = "by patient: sha256 of the patient key modulo 10, 0-6 train, 7 validation, 8 test, 9 kept aside"
OUTSIDER_SETS = (
    DataSet(
        name="Common Carotid Artery Ultrasound Images (Momot 2022)",
        role="out of scope",
        licence="CC BY 4.0 by the record",
        pictures=70,
        patients=5,
    ),
    DataSet(name="usgra-seg (Kandaouroff 2025)", role="out of scope", licence="CC BY 4.0", pictures=184, patients=37),
    DataSet(name="TimTrack (van der Zee, Kuo 2022)", role="out of scope", licence="CC0 1.0", pictures=146, patients=6),
    DataSet(name="AUL liver (Xu et al. 2023)", role="out of scope", licence="CC BY 4.0", pictures=130),
)
PHANTOMS = DataSet(
    name="phantoms of this repository, seeds from 10000", role="both tasks", licence="this repository's", pictures=240
)
HC18 = DataSet(name="HC18 (van den Heuvel et al. 2018)", role="", licence="CC BY 4.0", pictures=340, patients=303)
BUS_BRA = DataSet(
    name="BUS-BRA (Gomez-Flores et al. 2024)",
    role="",
    licence="permissive (MIT-style), citation required",
    pictures=340,
    patients=286,
)
COMMON_LIMITS = (
    "one country or a few sites, few devices; no figures by device, age or body habitus",
    "measurements are made on the surest frame of a view; the other frames of a cine get masks only",
)


def draft(task: str, recipe: Recipe, stages: Sequence[Stage]) -> Card:
    """The card of a task with open gates, no calibration and no figures."""
    return (_fetal_head if task == "fetal-head" else _breast_lesion)(recipe, stages)


def _fetal_head(recipe: Recipe, stages: Sequence[Stage]) -> Card:
    head = CodeOnCard(value="69536005", scheme="SCT", meaning="Head")
    return Card(
        schema=1,
        task="fetal-head",
        version=VERSION,
        title="Fetal head biometry",
        status=STATUS,
        intended_use="Outline of the fetal skull in a standard transverse plane; head circumference through the outer"
        " edge of the skull, biparietal (outer to outer) and occipitofrontal diameter.",
        input=InputScope(
            size=recipe.sizes[-1][1],
            words="B-mode still or cine of the fetal head in the transthalamic or transventricular plane",
            not_for="other planes, other organs, 3-D or Doppler pictures; two heads in one view",
        ),
        settings=OutlineSettings(
            scope=0.5,
            structure=Structure(
                name="fetal head",
                category=CodeOnCard(value="91723000", scheme="SCT", meaning="Anatomical Structure"),
                type=head,
                site=head,
            ),
            measures="ellipse",
            gates=Gates(confidence=0.5, area=(0.01, 0.9), dominance=0.5, ellipse=0.5),
        ),
        encoder=EncoderOnCard(name=recipe.encoder, digest="sha256:" + "0" * 64),
        weights=Weights(sha256="0" * 64, precision="float16"),
        training=_training(recipe, stages, HC18, BUS_BRA),
        figures=(),
        baseline="a plain U-Net of 0.5 M parameters at 192 px, 25 epochs, 18 minutes on two cores:"
        " Dice 0.9745, HC mean absolute error 2.05 mm on the same test pictures",
        silence=(),
        limits=(
            *COMMON_LIMITS,
            "HC18 is of one Dutch hospital, mostly of normal heads; small or misshapen heads were hardly seen",
            "biparietal and occipitofrontal diameter are the axes of the fitted ellipse, not a reader's calipers",
        ),
    )


def _breast_lesion(recipe: Recipe, stages: Sequence[Stage]) -> Card:
    return Card(
        schema=1,
        task="breast-lesion",
        version=VERSION,
        title="Breast lesion outline and probability of cancer",
        status=STATUS,
        intended_use="Outline of the most marked lesion of a breast view; longest and perpendicular diameter, area;"
        " calibrated probability of cancer. No advice on management.",
        input=InputScope(
            size=recipe.sizes[-1][1],
            words="B-mode still or cine of the breast, linear probe, a lesion in view",
            not_for="other organs, elastography, Doppler; pictures without a lesion were not in the training data",
        ),
        settings=OutlineSettings(
            scope=0.5,
            structure=Structure(
                name="breast lesion",
                category=CodeOnCard(value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure"),
                type=CodeOnCard(value="4147007", scheme="SCT", meaning="Mass"),
                site=CodeOnCard(value="76752008", scheme="SCT", meaning="Breast"),
            ),
            measures="diameters",
            question=Question(
                name="impression",
                code=CodeOnCard(value="121073", scheme="DCM", meaning="Impression"),
                yes=CodeOnCard(value="21594007", scheme="SCT", meaning="Malignant"),
                no=CodeOnCard(value="30807003", scheme="SCT", meaning="Benign"),
                probability_name="probability of cancer",
                probability_code=CodeOnCard(value="111047", scheme="DCM", meaning="Probability of cancer"),
                temperature=1.0,
                shift=0.0,
                threshold=0.5,
                threshold_from="not chosen yet",
            ),
            gates=Gates(confidence=0.5, area=(0.002, 0.9), dominance=0.3, ellipse=0.0),
        ),
        encoder=EncoderOnCard(name=recipe.encoder, digest="sha256:" + "0" * 64),
        weights=Weights(sha256="0" * 64, precision="float16"),
        training=_training(recipe, stages, BUS_BRA, HC18),
        figures=(),
        baseline="none was measured",
        silence=(),
        limits=(
            *COMMON_LIMITS,
            "BUS-BRA is of one Brazilian hospital; the probability holds for its share of cancers, about a third",
            "of several lesions in one view only the largest outline is given",
        ),
    )


def _training(recipe: Recipe, stages: Sequence[Stage], wanted: DataSet, other: DataSet) -> Training:
    data = (
        wanted.model_copy(update={"role": "in scope"}),
        other.model_copy(update={"role": "the other task on the shared encoder; here out of scope"}),
        *OUTSIDER_SETS,
        PHANTOMS,
    )
    return Training(
        data=data,
        split=SPLIT,
        command="echocare-train adapt --task fetal-head --task breast-lesion --data DIR",
        seed=recipe.seed,
        hours=round(_hours(stages), 1),
        machine="two x86-64 cores with AVX2 (Zen 3), no accelerator, shared with other work",
        notes=_story(stages),
    )


def _hours(stages: Sequence[Stage]) -> float:
    """Wall hours of all stages; packages that a training started from were trained together, so they count once."""
    packages = [stage.seconds for stage in stages if not stage.epochs]
    return (max(packages, default=0.0) + sum(stage.seconds for stage in stages if stage.epochs)) / 3600


def _story(stages: Sequence[Stage]) -> str:
    told = []
    for stage in stages:
        if stage.epochs:
            told.append(f"Stage {stage.name}: {stage.epochs} epochs, recipe {stage.digest[:12]}.")
        elif stage.notes and stage.notes not in told:
            told.append(stage.notes)
    return " ".join(told)
