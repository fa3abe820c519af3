"""A site with a toy task: bright blobs to outline, and a package with weights of chance that runs."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from models.heads.task import build_heads
from models.packages import TaskPackage, load_package
from models.packages.writing import write_package
from tests.models.built import encoder_package, outline_card
from tests.trainer.adapting import toy
from trainer import bootstrap
from trainer.adapting import pool, silence
from trainer.adapting.plan import Plan
from trainer.promote import site_task, steps
from trainer.promote.record import Record
from trainer.promote.settings import AdaptPart, CohortPart, DecidePart, Site

TASK = "toy"
LENIENT = DecidePart(margin=1.0, margin_answered=1.0, least_patients=2, allow_unknown=("*", "scope"))


def package(folder: Path, seed: int = 0) -> TaskPackage:
    """A package with weights of chance that answers whatever it is shown; its encoder lies beside it."""
    encoder = encoder_package(folder.parent / "encoders")
    settings = toy.KINDS["segmentation"].model_copy(update={"scope": 0.0})
    torch.manual_seed(seed)
    card = outline_card(TASK, settings=settings, version=f"0.0.{seed}")
    write_package(build_heads(encoder.config.channels, settings), card, encoder, folder)
    return load_package(folder)


def site(folder: Path, **changes: object) -> Site:
    """A site whose pictures are blobs, and whose margins let everything pass."""
    toy.make(folder, "pictures")
    package(folder / "packages" / TASK)
    given: dict[str, object] = {
        "folder": folder / "site",
        "packages": (folder / "packages",),
        "cohort": CohortPart(folder=folder / "pictures"),
        "adapt": AdaptPart(epochs=1, start="chance"),
        "decide": LENIENT,
    }
    return Site(**{**given, **changes})


def made_small(patch: pytest.MonkeyPatch) -> None:
    """The toy task, with few made pictures and few rounds: what they mean does not depend on how many there are."""
    torch.set_num_threads(1)
    patch.setattr(bootstrap, "ROUNDS", 200)
    patch.setattr(pool, "NONSENSE", {"train": (6, 31), "val": (6, 32), "test": (6, 33)})
    patch.setattr(silence, "PHANTOM_SEEDS", range(2))
    patch.setattr(site_task, "NONSENSE", (6, 900_002))
    patch.setattr(steps, "spec_of", lambda task: toy.spec("segmentation"))
    patch.setattr(steps, "Plan", functools.partial(Plan, least=8, views=1, batch=4))


def steps_of(place: Site) -> list[str]:
    """The steps of the record, in order."""
    return [each.step.value for each in Record(place.folder).of(TASK)]
