"""Where a candidate begins: at the heads of the package that the node has from elsewhere, or at chance."""

from __future__ import annotations

from models.packages import inventory
from models.packages.card import Card
from models.packages.package import TaskPackage
from models.packages.weights import differences, heads_of
from trainer.adapting.loop import Adaptation
from trainer.promote.settings import Site

APART = "typical."  # what is typical of training pictures is learned anew of each candidate's


def beginning(site: Site, task: str, running: TaskPackage) -> TaskPackage | None:
    """The package that a candidate begins with: what the node would use if nothing had been promoted; None: chance.

    Not what was promoted: the same pictures give the same candidate, however often the loop runs, and no candidate is
    learned on top of another. On another encoder than that of what runs its heads would know nothing.
    """
    if site.adapt.start == "chance":
        return None
    found = (each for each in inventory(site.packages, site.bundled).packages if each.identity.task == task)
    return next((each for each in found if each.encoder.digest == running.encoder.digest), None)


def begin(adaptation: Adaptation, start: TaskPackage) -> bool:
    """Give what learns the heads of a package, unless it has learned already; False where they are of another kind.

    Raises
    ------
    DamagedWeights
        They cannot be read.
    """
    own = adaptation.pupil.heads
    heads = {name: value for name, value in heads_of(start).state_dict().items() if not name.startswith(APART)}
    if differences(heads, {name: tuple(value.shape) for name, value in own.state_dict().items()}):
        return False
    if adaptation.next_epoch == 0:
        own.load_state_dict(heads)
    return True


def told_on(card: Card, start: TaskPackage, *, keeps: bool = False) -> Card:
    """The card of a candidate that began with a package, and maybe keeps its gates of scope.

    What that package learned from is told as well.
    """
    words = f"{start.card.title} {start.card.version}"
    before = [
        data.model_copy(update={"role": f"{data.role}, before this adaptation"}) for data in start.card.training.data
    ]
    notes = f"{card.training.notes} Began with the heads of {words}, {start.identity.digest}."
    notes += " It keeps that one's gates of what is in scope." if keeps else ""
    training = card.training.model_copy(update={"data": (*card.training.data, *before), "notes": notes})
    return card.model_copy(update={"training": training})
