"""How a training runs: everything that decides the weights, in one value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import yaml

from trainer.errors import BadRecipe

TASKS = ("fetal-head", "breast-lesion")
CLASSIFIES = {"fetal-head": False, "breast-lesion": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training of one or several tasks on a shared encoder."""

    tasks: tuple[str, ...] = TASKS
    encoder: str = "echocare_tiny"
    epochs: int = 20
    seed: int = 0
    batch: int = 8
    rate: float = 1.2e-3  # the highest
    warmup: float = 0.08  # share of the steps
    decay: float = 0.05
    sizes: tuple[tuple[float, int], ...] = ((0.5, 128), (0.8, 160), (1.0, 192))  # share of the epochs, then edge
    strength: float = 1.0  # of the variation of pictures, 0 to 1
    repeat: dict[str, int] = field(default_factory=dict)  # showings in an epoch, by task
    outsiders: int = 64  # pictures of other organs in an epoch
    nonsense: int = 24
    headless: int = 24
    phantoms: int = 72
    phantom_pool: int = 240
    ema: float = 0.995
    scope_weight: float = 0.3
    answer_weight: float = 0.4
    still_norms: bool = False  # leave the statistics of batch norm as they are: for few pictures in a process

    def size(self, epoch: int) -> int:
        """Edge of the pictures in an epoch (from 0), px."""
        share = (epoch + 0.5) / self.epochs
        return next(size for until, size in self.sizes if share <= until)

    def digest(self) -> str:
        """Hex digest that tells recipes apart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def read_recipe(path: Path, tasks: tuple[str, ...]) -> Recipe:
    """A recipe from a YAML file of its keys; keys left out keep their defaults.

    Raises
    ------
    BadRecipe
        The file cannot be read, or a key is unknown.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise BadRecipe(f"the recipe {path} cannot be read: {fault}") from fault
    known = {item.name for item in fields(Recipe)}
    if not isinstance(raw, dict) or not set(raw) <= known:
        raise BadRecipe(f"the recipe {path} may only have the keys {', '.join(sorted(known))}")
    if "sizes" in raw:
        raw["sizes"] = tuple((float(share), int(size)) for share, size in raw["sizes"])
    return Recipe(**{**raw, "tasks": tasks})
