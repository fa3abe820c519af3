"""Where a site's loop stands, from its record and from what lies in its folder. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.promote.record import Entry, Record
from trainer.promote.settings import Site
from trainer.promote.storing import active
from trainer.promote.switching import standing, unsettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One task."""

    task: str
    active: str | None  # digest of the promoted package; None: none is, the node runs what it has from elsewhere
    before: str | None  # digest of what a rollback brings back; None: nothing to roll back
    open_run: str | None
    last: Entry
    warning: str | None  # a switch that a crash cut off, or a link that the record does not tell of


def statuses(site: Site) -> tuple[Status, ...]:
    """Each task of the record, by name; raises BadRecord."""
    record = Record(site.folder)
    return tuple(_of(site, record, task) for task in sorted({each.task for each in record.entries}))


def _of(site: Site, record: Record, task: str) -> Status:
    stack, kept = standing(record, task), active(site.promoted, task)
    begun = unsettled(record, site.promoted, task)
    told = stack[-1].kept if stack else None
    digest = stack[-1].digest if stack else None
    before = stack[-1].before_digest if stack else None
    warning = None
    if begun is not None:
        step, carried_out = begun
        outcome = "it was carried out" if carried_out else "it was not carried out, what was active before still is"
        warning = f"{step} was cut off: {outcome}; the next command notes that"
        if carried_out:
            what = record.of(task, step)[-1].what
            digest, before = (what["digest"] if kept is not None else None), what.get("before_digest")
    elif kept != told:
        warning = (
            f"promoted/{task} is {kept or 'missing'}, the record says {told or 'none'}: somebody changed it by hand"
        )
    return Status(
        task=task,
        active=digest,
        before=before,
        open_run=record.open_run(task),
        last=record.of(task)[-1],
        warning=warning,
    )
