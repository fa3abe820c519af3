"""What the cards say before anything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from models.packages.card import Card, EncoderOnCard, InputScope, Training, Weights
from trainer.adapting.baselines import on_card
from trainer.lineage import Stage
from trainer.tasks.spec import TaskSpec

VERSION = "0.3.0"
STATUS = "research use only, not for diagnosis"
SPLIT = "by patient: sha256 of the patient key modulo 10, 0-6 train, 7 validation, 8 test, 9 kept aside"
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
        headline=spec.headline,
        baseline=on_card(spec) or NO_BASELINE,
        silence=(),
        limits=spec.limits,
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
