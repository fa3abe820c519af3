"""What the cards say before anything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from models.packages.card import Card, DataSet, EncoderOnCard, InputScope, Training, Weights
from trainer.lineage import Stage
from trainer.recipe import Recipe
from trainer.tasks.spec import TaskSpec

VERSION = "0.3.0"
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

BASELINES = {
    "fetal-head": "a plain U-Net of 0.5 M parameters at 192 px, 25 epochs, 18 minutes on two cores:"
    " Dice 0.9745, HC mean absolute error 2.05 mm on the same test pictures",
}
NOT_MEASURED = "not measured"
NO_BASELINE = f"{NOT_MEASURED}; `echocare-train adapt --baseline scratch` does it"


def draft(spec: TaskSpec, size: int, encoder: str, training: Training) -> Card:
    """The card of a task with open gates, no calibration and no figures.

    Parameters
    ----------
    size
        Edge of the network's square, px.
    encoder
        Name of the architecture.
    """
    return Card(
        schema=1,
        task=spec.name,
        version=VERSION,
        title=spec.title,
        status=STATUS,
        intended_use=spec.intended_use,
        input=InputScope(size=size, words=spec.words, not_for=spec.not_for),
        # validation pictures choose the scope threshold, so until then none of them may be refused
        settings=spec.settings.model_copy(update={"scope": 0.0}),
        encoder=EncoderOnCard(name=encoder, digest="sha256:" + "0" * 64),
        weights=Weights(sha256="0" * 64, precision="float16"),
        training=training,
        figures=(),
        baseline=BASELINES.get(spec.name, NO_BASELINE),
        silence=(),
        limits=spec.limits,
    )


def outline_training(task: str, recipe: Recipe, stages: Sequence[Stage]) -> Training:
    """How the two outlines that are learned by recipe came about."""
    wanted, other = (HC18, BUS_BRA) if task == "fetal-head" else (BUS_BRA, HC18)
    return _training(recipe, stages, wanted, other)


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
        hours=round(hours(stages), 1),
        machine="two x86-64 cores with AVX2 (Zen 3), no accelerator, shared with other work",
        notes=story(stages),
    )


def hours(stages: Sequence[Stage]) -> float:
    """Wall hours of all stages; packages that a training started from were trained together, so they count once."""
    packages = [stage.seconds for stage in stages if not stage.epochs]
    return (max(packages, default=0.0) + sum(stage.seconds for stage in stages if stage.epochs)) / 3600


def story(stages: Sequence[Stage]) -> str:
    """All stages in words."""
    told = []
    for stage in stages:
        if stage.epochs:
            told.append(f"Stage {stage.name}: {stage.epochs} epochs, recipe {stage.digest[:12]}.")
        elif stage.notes and stage.notes not in told:
            told.append(stage.notes)
    return " ".join(told)
