"""Where weights come from: packages to start from, and what was done to them before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.packages.package import load_package
from models.packages.weights import ENCODER_PREFIX, encoder_of, heads_of
from trainer.errors import WrongCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One training that went into some weights, or the package that it started from."""

    name: str
    digest: str  # of the recipe, or of the package
    epochs: int = 0  # done
    seconds: float = 0.0
    notes: str = ""  # how a package says that it came about


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Weights of a shared network that a training may start from."""

    weights: Mapping[str, torch.Tensor]
    stages: tuple[Stage, ...] = ()  # in order


def read_start(paths: Sequence[Path]) -> Start:
    """What a training starts from: packages, of which the first gives the encoder.

    Heads of packages on other encoders of the same architecture are taken along: where these descend from one another,
    a head finds its way back sooner than a fresh one finds its own.

    Raises
    ------
    WrongCheckpoint
        A package's encoder has another architecture or an adapter.
    PackageError
        A package is not there or not whole.
    """
    stages = []
    packages = [load_package(path) for path in paths]
    if len({package.encoder.name for package in packages}) != 1:
        raise WrongCheckpoint(f"{', '.join(str(path) for path in paths)} have encoders of different architectures")
    adapted = [str(package.path) for package in packages if package.card.adapter is not None]
    if adapted:
        raise WrongCheckpoint(f"{', '.join(adapted)} changes its encoder by an adapter: start from packages without")
    encoder = encoder_of(packages[0].encoder).state_dict()
    weights = {f"{ENCODER_PREFIX}{name}": value for name, value in encoder.items()}
    for package in packages:
        task = package.identity.task
        weights |= {f"heads.{task}.{name}": value for name, value in heads_of(package).state_dict().items()}
        told = package.card.training
        name = f"package {task} {package.identity.version}"
        stages.append(Stage(name=name, digest=package.identity.digest, seconds=3600 * told.hours, notes=told.notes))
    return Start(weights=weights, stages=tuple(stages))
