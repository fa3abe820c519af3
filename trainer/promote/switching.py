"""Promotion and rollback: recorded before and after, so that a crash leaves one package active and the record right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.packages import verify
from models.packages.package import TaskPackage
from trainer.promote.errors import NothingToRollBack, PackageAltered
from trainer.promote.record import Record, Step, entry
from trainer.promote.storing import KEPT, active, files_digest, keep, load_kept, switch

BEGINNINGS = (Step.PROMOTING, Step.ROLLING_BACK)
OUTCOMES = {Step.PROMOTING: Step.PROMOTED, Step.ROLLING_BACK: Step.ROLLED_BACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A promotion that was not rolled back."""

    run: str
    digest: str
    kept: str  # its name in `.kept`
    files: str  # digest of its bytes
    before: str | None  # name in `.kept` of what it replaced; None: a package from elsewhere
    before_digest: str


def promote(
    record: Record,
    promoted: Path,
    candidate: TaskPackage,
    running: TaskPackage,
    run: str,
    who: str,
    why: dict[str, Any],
) -> None:
    """Let a candidate be the promoted package of its task. The caller holds the site folder, and has decided.

    Parameters
    ----------
    why
        What the decision rests on, for the record.

    Raises
    ------
    PackageError
        The candidate's weights are damaged.
    PackageAltered
        A kept copy is not what it was.
    OSError
        The folder cannot be written.
    """
    task = candidate.identity.task
    verify(candidate.path)
    kept = keep(candidate, promoted)
    what = {
        "kept": kept,
        "digest": candidate.identity.digest,
        "encoder": candidate.identity.encoder_digest,
        "files": files_digest(promoted / KEPT / kept),
        "before": active(promoted, task),
        "before_digest": running.identity.digest,
        **why,
    }
    record.add(entry(Step.PROMOTING, task, run, who, what=what))
    switch(promoted, task, kept)
    record.add(entry(Step.PROMOTED, task, run, who, what={"digest": candidate.identity.digest, "kept": kept}))


def roll_back(record: Record, promoted: Path, task: str, who: str) -> Standing:
    """Bring back what the standing promotion of a task replaced. The caller holds the site folder.

    Returns
    -------
    Standing
        The promotion that stood until now.

    Raises
    ------
    NothingToRollBack
        No promotion of the task stands.
    PackageAltered
        What it replaced is not on disk byte for byte as it was.
    PackageError
        It cannot be used, for example because its encoder is gone.
    """
    stack = standing(record, task)
    if not stack:
        raise NothingToRollBack(f"no promotion of '{task}' stands: the node runs what it has from elsewhere")
    last = stack[-1]
    if last.before is not None:
        _check(promoted, last.before, stack[-2].files if len(stack) > 1 else None)
    what = {"kept": last.before, "digest": last.before_digest, "withdrawn": last.digest, "withdrawn_kept": last.kept}
    record.add(entry(Step.ROLLING_BACK, task, last.run, who, what=what))
    switch(promoted, task, last.before)
    record.add(entry(Step.ROLLED_BACK, task, last.run, who, what=what))
    return last


def standing(record: Record, task: str) -> list[Standing]:
    """The promotions of a task that stand one upon the other, the active one last."""
    stack: list[Standing] = []
    begun: dict[str, Any] = {}
    for each in record.of(task, Step.PROMOTING, Step.PROMOTED, Step.ROLLED_BACK):
        if each.step is Step.PROMOTING:
            begun = each.what
        elif each.step is Step.PROMOTED:
            told = {name: begun[name] for name in ("digest", "kept", "files", "before", "before_digest")}
            stack.append(Standing(run=each.run, **told))
        elif stack:
            stack.pop()
    return stack


def unsettled(record: Record, promoted: Path, task: str) -> tuple[Step, bool] | None:
    """A switch that was begun and not noted as ended: which, and whether it was carried out; None where none was."""
    last = record.last(task, *BEGINNINGS, *OUTCOMES.values(), Step.INTERRUPTED)
    if last is None or last.step not in BEGINNINGS:
        return None
    return last.step, active(promoted, task) == last.what["kept"]


def settle(record: Record, promoted: Path, task: str, who: str) -> None:
    """Note the end of a switch that a crash cut off: as done where the rename was reached, as interrupted where not."""
    found = unsettled(record, promoted, task)
    begun = record.last(task, *BEGINNINGS)
    if found is None or begun is None:
        return
    step, carried_out = found
    noted = OUTCOMES[step] if carried_out else Step.INTERRUPTED
    what = {**begun.what, "noted": "after a crash"}
    record.add(entry(noted, task, begun.run, who, what=what))


def withdrawn(record: Record, task: str) -> set[str]:
    """Digests of packages that were promoted and rolled back."""
    return {each.what["withdrawn"] for each in record.of(task, Step.ROLLED_BACK)}


def _check(promoted: Path, kept: str, files: str | None) -> None:
    folder = promoted / KEPT / kept
    if not folder.is_dir() or files not in (None, files_digest(folder)):
        raise PackageAltered(
            f"{folder} is not what was promoted once: put it back from a backup; the active package stays as it is"
        )
    load_kept(promoted, kept)
