"""The task packages of this node, as its configuration wants them, and what is told of them at the start."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.logs import log_context

if TYPE_CHECKING:
    from models.packages import Inventory, Refusal, TaskPackage
    from node.config import Settings

_log = logging.getLogger(__name__)


def installed(settings: Settings) -> tuple[tuple[TaskPackage, ...], tuple[Refusal, ...]]:
    """The task packages that can be used, one a task, by task name; and the folders that cannot, with the reason."""
    found = inventory_of(settings)
    return found.packages, found.refusals


def inventory_of(settings: Settings) -> Inventory:
    """Everything in the bundled folders that the configuration takes, and in its own."""
    from models.packages import inventory

    return inventory(settings.models.packages, settings.models.bundled)


def tell_refusals(refusals: Iterable[Refusal]) -> None:
    """Log the folders that are no usable package."""
    for refusal in refusals:
        _log.error("A task package was refused", extra=log_context(code=refusal.code, reason=refusal.reason))


def tell_packages(packages: Iterable[TaskPackage]) -> None:
    """Log the packages, and of each the data that are not free for every use."""
    for package in packages:
        identity = package.identity
        about = {"task": identity.task, "package": identity.digest[:19]}
        _log.info("Task package", extra=log_context(**about, reason=f"{package.use} data"))
        if identity.trial:
            _log.warning("A trial: nobody should rely on it", extra=log_context(**about, reason=identity.trial))
        limited = package.limited
        if limited:
            words = "; ".join(f"{each.name} ({each.use}: {each.licence})" for each in limited)
            _log.warning("Trained on data that is not free for every use", extra=log_context(**about, reason=words))
