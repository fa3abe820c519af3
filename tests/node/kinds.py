"""A package of every kind, with fresh weights and gates that let them speak."""

from __future__ import annotations

from pathlib import Path

import torch

from models.heads.task import build_heads
from models.packages import TaskPackage, load_package
from models.packages.writing import write_package
from tests.models import (
    test_category,
    test_detection,
    test_enhancement,
    test_landmarks,
    test_ordinal,
    test_quality,
    test_regression,
    test_report,
    test_segmentation,
    test_view,
)
from tests.models.engine.made import OUTLINE, made


def _tables() -> dict[str, dict[str, object]]:
    settings = {
        "segmentation": test_segmentation.card(
            *(test_segmentation.asked(name, area=True) for name in ("left lobe", "right lobe"))
        ),
        "classification": test_category.card(),
        "ordinal": test_ordinal.card(),
        "view": test_view.card(),
        "quality": test_quality.card(),
        "detection": test_detection.settings(),
        "landmarks": test_landmarks.settings(),
        "regression": test_regression.still(),
        "enhancement": test_enhancement.settings(),
        "report": test_report.settings(wording="template"),
    }
    tables = {kind: {**each.model_dump(mode="json"), "scope": 0.0} for kind, each in settings.items()}
    for structure in tables["segmentation"]["structures"]:
        structure["gates"] = {"confidence": 0.0, "area": (0.0, 1.0)}
    for one in tables["detection"]["classes"]:
        one["threshold"] = 1e-6
    tables["landmarks"]["confidence"] = 0.0
    tables["regression"] |= {"least_frames": 1, "most_spread": 1e6, "plausible": (-1e6, 1e6)}
    for one in (answer for question in tables["report"]["questions"] for answer in question["answers"]):
        one["threshold"] = 0.01
    tables["enhancement"]["gates"] = {"gain": 0.0, "change": 1.0, "likeness": 0.0, "invented": 1.0}
    return {"outline": OUTLINE, **tables}


TABLES = _tables()
KINDS = tuple(TABLES)


def every_kind(folder: Path) -> list[TaskPackage]:
    """Packages whose tasks are called like their kinds, with one encoder."""
    packages = [made(folder, kind, settings=table)[0] for kind, table in TABLES.items()]
    _mark_everything(next(package for package in packages if package.identity.task == "segmentation"))
    return [load_package(package.path) for package in packages]


def _mark_everything(package: TaskPackage) -> None:
    """Let the last structure fill the picture: fresh weights mark nothing."""
    heads = build_heads(package.encoder.config.channels, package.card.settings)
    with torch.no_grad():
        next(value for name, value in heads.named_parameters() if name.endswith("out.bias"))[-1] = 100.0
    write_package(heads, package.card, package.encoder, package.path)
