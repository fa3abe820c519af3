"""How a pretraining runs: everything that decides the weights, beside the pictures, in one value."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import yaml

from models.encoder.config import CONFIGS
from trainer.errors import BadRecipe

COARSEST = 32  # stride of the encoder's last map, px: edges of pictures are multiples of it
FINE = 16  # stride of the map that difficulty is read from, px


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainRecipe:
    """One pretraining of one encoder; of every picture two views are shown."""

    encoder: str = "echocare_tiny"
    steps: int = 2400  # of the optimizer
    seed: int = 0
    batch: int = 16  # pictures of a step, over all processes
    pieces: int = 1  # gradient accumulation: a process passes its share of a batch in so many pieces
    checkpointing: bool = False  # compute activations again on the way back: less memory, a third more time
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where the device computes with it
    rate: float = 1e-3  # the highest
    warmup: float = 0.05  # share of the steps
    decay: float = 0.05
    ema: float = 0.996  # what the averaged network keeps of itself in a step
    sizes: tuple[tuple[float, int], ...] = ((0.8, 96), (1.0, 192))  # share of the steps, then edge, px
    strength: float = 1.0  # of the variation of pictures, 0 to 1
    patches: int = 6  # along an edge, each hidden or seen whole: at 192 px they are 32 px wide, as in SimMIM
    hidden: tuple[float, float] = (0.4, 0.6)  # share of the patches that is hidden, at first and at last
    hardest: float = 0.5  # share of the hidden patches that are the hardest ones, at last; at first none
    reconstruction_weight: float = 1.0
    contrast_weight: float = 0.1
    view_weight: float = 0.1
    temperature: float = 0.2  # of the contrast
    balance: float = 0.3  # 0: each region, organ and device as often as its kin; 1: as often as there are pictures
    most: float = 6.0  # a picture is shown at most so many times as often as without balance
    phantoms: int = 240  # pictures made here
    unseen: tuple[str, ...] = ()  # data sets that are left out, so that they can judge

    def size(self, step: int) -> int:
        """Edge of the pictures of a step (from 0), px."""
        share = (step + 0.5) / self.steps
        return next(size for until, size in self.sizes if share <= until)

    def rate_at(self, step: int) -> float:
        """Learning rate: a straight rise, then half a cosine down to a hundredth."""
        rise = max(1.0, self.warmup * self.steps)
        if step < rise:
            return self.rate * (step + 1) / rise
        way = (step - rise) / max(1.0, self.steps - rise)
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * way)))

    def hidden_at(self, step: int) -> float:
        """Share of the patches that is hidden."""
        first, last = self.hidden
        return first + (last - first) * step / self.steps

    def hardest_at(self, step: int) -> float:
        """Share of the hidden patches that is chosen by difficulty: from easy to hard."""
        return self.hardest * step / self.steps

    def digest(self) -> str:
        """Hex digest that tells recipes apart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def read_pretrain_recipe(path: Path) -> PretrainRecipe:
    """A recipe from a YAML file of its keys; keys left out keep their defaults.

    Raises
    ------
    BadRecipe
        The file cannot be read, a key is unknown, or values do not go together.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise BadRecipe(f"the recipe {path} cannot be read: {fault}") from fault
    known = {item.name for item in fields(PretrainRecipe)}
    if not isinstance(raw, dict) or not set(raw) <= known:
        raise BadRecipe(f"the recipe {path} may only have the keys {', '.join(sorted(known))}")
    recipe = from_plain(raw)
    check(recipe)
    return recipe


def from_plain(raw: dict[str, object]) -> PretrainRecipe:
    """A recipe from lists and numbers, as YAML and checkpoints hold them; raises BadRecipe."""
    try:
        taken = dict(raw)
        if "sizes" in taken:
            taken["sizes"] = tuple((float(share), int(size)) for share, size in taken["sizes"])  # type: ignore[attr-defined]  # a wrong shape is caught below
        for name in ("hidden", "unseen"):
            if name in taken:
                taken[name] = tuple(taken[name])  # type: ignore[arg-type]  # a wrong type is caught below
        return PretrainRecipe(**taken)  # type: ignore[arg-type]  # `check` looks at the values
    except (TypeError, ValueError) as fault:
        raise BadRecipe(f"a value of the recipe is of another kind than it should be: {fault}") from fault


def check(recipe: PretrainRecipe, processes: int = 1) -> None:
    """Refuse a recipe that cannot run in so many processes; raises BadRecipe."""
    faults = []
    if recipe.encoder not in CONFIGS:
        faults.append(f"encoder is one of {', '.join(sorted(CONFIGS))}")
    if recipe.batch % (processes * recipe.pieces):
        faults.append(f"batch {recipe.batch} does not divide into {processes} processes x {recipe.pieces} pieces")
    step = math.lcm(FINE * max(2, recipe.patches), COARSEST)
    if recipe.patches < 2 or any(size < step or size % step for _, size in recipe.sizes):
        faults.append(f"patches is at least 2, and with {recipe.patches} each of sizes a multiple of {step} px")
    if not recipe.sizes or recipe.sizes[-1][0] != 1.0:
        faults.append("the last of sizes is for the share 1.0 of the steps")
    if not all(0 < share < 1 for share in recipe.hidden) or not 0 <= recipe.hardest <= 1:
        faults.append("hidden lies between 0 and 1, hardest from 0 to 1")
    if recipe.steps < 1 or recipe.batch < 2:
        faults.append("steps is at least 1, batch at least 2")
    if faults:
        raise BadRecipe(f"the recipe cannot run: {'; '.join(faults)}")
