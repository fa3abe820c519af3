"""The tasks that can learn together."""

from __future__ import annotations

from trainer.tasks import breast_lesion, fetal_head, spec_of
from trainer.tasks.spec import TaskSpec

OUTLINES = {module.SPEC.name: module.SPEC for module in (fetal_head, breast_lesion)}


def joint_spec(name: str) -> TaskSpec:
    """The task of a name, among them the two outlines that `adapt` learns by recipe.

    Raises
    ------
    UnknownTask
        There is none; the message names those there are.
    """
    return OUTLINES.get(name) or spec_of(name)
