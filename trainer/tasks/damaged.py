"""Tasks about pictures of all sets that are damaged on purpose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.data.cohort import read_gray
from trainer.data.degrade import KINDS, Damage, degraded
from trainer.tasks.spec import Example, Row, TaskSpec
from trainer.tasks.truths import Clean, undamaged
from trainer.tasks.view import ORGAN_OF_SET

SETS_SHOWN = (*ORGAN_OF_SET, "abdomen")
MOST = {"train": 60, "val": 5, "test": 12}  # pictures of each set, evenly over its index
SEVERITIES = (1 / 3, 2 / 3, 1.0)
DAMAGE = "damage"  # the trait that tells which kind a picture has


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedSpec(TaskSpec):
    """A task whose training pictures are damaged anew at each showing, and whose others are damaged for good.

    Each validation and test picture is shown undamaged, with each kind alone and with all; severities take turns.
    """

    def examples(self, data: Path, split: str) -> list[Example]:
        """Some pictures of each set, evenly over it; raises as `TaskSpec.examples`."""
        found = _some(TaskSpec.examples(self, data, split), MOST[split])
        if split == "train":
            return found
        return [_worse(example, damage) for number, example in enumerate(found) for damage in _damages(number, example)]


def as_it_is(folder: Path, name: str, row: Row) -> Clean:
    """The picture of a row, undamaged.

    Raises
    ------
    MissingData
        It is not there.
    """
    return undamaged(read_gray(folder / row["image"]))


def _some(examples: list[Example], most: int) -> list[Example]:
    of_set: dict[str, list[Example]] = {}
    for example in examples:
        of_set.setdefault(example.name.split("/")[0], []).append(example)
    return [
        mine[i * len(mine) // most] if len(mine) > most else mine[i]
        for mine in of_set.values()
        for i in range(min(most, len(mine)))
    ]


def _damages(number: int, example: Example) -> list[Damage]:
    seed = int.from_bytes(hashlib.sha256(example.name.encode()).digest()[:4], "big")
    turn = [SEVERITIES[(number + kind) % len(SEVERITIES)] for kind in range(len(KINDS) + 1)]
    alone = [Damage(**{kind: severity}, seed=seed) for kind, severity in zip(KINDS, turn[1:], strict=True)]
    return [Damage(seed=seed), *alone, Damage(**dict.fromkeys(KINDS, turn[0]), seed=seed)]


def _worse(example: Example, damage: Damage) -> Example:
    given = degraded(example.picture, damage)
    truth = replace(undamaged(example.picture), given=given, damage=damage)
    name = f"{example.name}, {damage.words}"
    return replace(example, name=name, picture=given, truth=truth, traits={**example.traits, DAMAGE: damage.words})
