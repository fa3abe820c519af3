"""How tasks learn together: everything that decides the weights, beside the pictures, in one value."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import yaml

from trainer.errors import BadRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class JointRecipe:
    """One training of several tasks on a shared encoder."""

    tasks: tuple[str, ...]  # the first one that knows a picture says how it may be varied
    encoder: str = "echocare_tiny"
    epochs: int = 20
    seed: int = 0
    batch: int = 8  # pictures of one data set
    foreign: int = 2  # pictures of other sets, and made ones, beside them
    rate: float = 7e-4  # the highest, of the encoder
    head_rate: float = 1.5e-3  # the highest, of heads
    warmup: float = 0.06  # share of the steps
    decay: float = 0.05
    sizes: tuple[tuple[float, int], ...] = ((0.35, 128), (0.6, 160), (1.0, 192))  # share of the epochs, then edge
    most: dict[str, int] = field(default_factory=dict)  # pictures of a set in an epoch, where not all
    repeat: dict[str, int] = field(default_factory=dict)  # showings of a set in an epoch, where not one
    weight: dict[str, float] = field(default_factory=dict)  # of a task's loss, where not 1
    phantoms: int = 240  # that are made; in use where a task outlines them
    ema: float = 0.998
    scope_weight: float = 0.3
    bfloat16: bool = False  # products in bfloat16: on processors that compute with it, 1.6 times as fast
    permissive: bool = False  # whether sets with other than permissive licences are refused

    def size(self, epoch: int) -> int:
        """Edge of the pictures in an epoch (from 0), px."""
        share = (epoch + 0.5) / self.epochs
        return next(size for until, size in self.sizes if share <= until)

    def digest(self) -> str:
        """Hex digest that tells recipes apart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def recipe_of(raw: object, where: str) -> JointRecipe:
    """A recipe from its keys; keys left out keep their defaults.

    Raises
    ------
    BadRecipe
        A key is unknown, `tasks` is missing, or a value has another shape.
    """
    known = {item.name for item in fields(JointRecipe)}
    if not isinstance(raw, dict) or not set(raw) <= known or not raw.get("tasks"):
        raise BadRecipe(f"{where} must name `tasks`, and may only have the keys {', '.join(sorted(known))}")
    try:
        changed = {**raw, "tasks": tuple(str(task) for task in raw["tasks"])}
        if "sizes" in raw:
            changed["sizes"] = tuple((float(share), int(size)) for share, size in raw["sizes"])
    except (TypeError, ValueError) as fault:
        raise BadRecipe(f"{where}: `tasks` is a list of names, `sizes` a list of pairs: {fault}") from fault
    return JointRecipe(**changed)


def read_joint_recipe(path: Path) -> JointRecipe:
    """A recipe from a YAML file.

    Raises
    ------
    BadRecipe
        The file cannot be read, or as `recipe_of`.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise BadRecipe(f"the recipe {path} cannot be read: {fault}") from fault
    return recipe_of(raw, f"the recipe {path}")
