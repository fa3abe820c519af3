"""The tasks that can be adapted one by one: what each is, where its truth lies, what stands for how well it does."""

from __future__ import annotations

from trainer.errors import TrainerError
from trainer.tasks import (
    abdomen_organs,
    breast_birads,
    breast_lesion,
    carotid,
    ejection_fraction,
    enhance,
    fetal_head,
    fetal_landmarks,
    heart_chambers,
    liver_mass,
    lung,
    muscle_architecture,
    nerve_vessel,
    organ_detection,
    quality,
    report,
    thyroid_nodule,
    thyroid_tirads,
    view,
)
from trainer.tasks.spec import Example, TaskSpec, Variation

__all__ = ["SPECS", "Example", "TaskSpec", "UnknownTask", "Variation", "spec_of"]

SPECS: dict[str, TaskSpec] = {
    module.SPEC.name: module.SPEC
    for module in (
        fetal_head,
        breast_lesion,
        carotid,
        nerve_vessel,
        heart_chambers,
        ejection_fraction,
        thyroid_nodule,
        liver_mass,
        abdomen_organs,
        view,
        fetal_landmarks,
        muscle_architecture,
        lung,
        organ_detection,
        breast_birads,
        thyroid_tirads,
        enhance,
        quality,
        report,
    )
}


class UnknownTask(TrainerError):
    """No task of this trainer has the name."""

    code = "unknown-task"


def spec_of(name: str) -> TaskSpec:
    """The task of a name.

    Raises
    ------
    UnknownTask
        There is none; the message names those there are.
    """
    if name not in SPECS:
        raise UnknownTask(f"there is no task '{name}' to adapt; tasks are {', '.join(SPECS)}")
    return SPECS[name]
