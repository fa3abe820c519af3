"""What is asked for as priors, how far it is and what came of it; all of it in the database, for the next start too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from node.config import Priors
from node.db import PriorState, read, write
from node.db.dialect import insert_new
from node.db.events import Event, record
from node.db.tables import prior, prior_search
from node.pulling.patients import Subject, subjects_of

FETCHER = "fetcher"  # who, in events


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Older studies of the patient of a study, wanted from one peer."""

    id: int
    study_uid: str
    source: str
    most: int
    within_days: int
    until: datetime  # how long jobs wait for it


def ask(connection: sa.Connection, study_uid: str, wanted: Mapping[str, Priors], now: datetime) -> frozenset[str]:
    """Ask peers for priors of a study, once for each study and peer, in the caller's writing transaction.

    Returns
    -------
    frozenset of str
        The peers that had not been asked before.
    """
    new = set()
    for source, priors in wanted.items():
        values = {
            "study_uid": study_uid, "source": source, "most": priors.most, "within_days": priors.within_days,
            "asked_at": now, "until": now + timedelta(seconds=priors.wait_s),
        }  # fmt: skip
        if insert_new(connection, prior_search, values, ("study_uid", "source")) is not None:
            new.add(source)
            _tell(connection, "scheduler", "study.priors_asked", study_uid, now, source=source, most=priors.most)
    return frozenset(new)


def unsettled(connection: sa.Connection, study_uid: str, since: datetime | None = None) -> tuple[str, ...]:
    """The peers whose priors of a study are not here yet; with a time, only those for which jobs wait then."""
    wanted = sa.select(prior_search.c.source).where(
        prior_search.c.study_uid == study_uid, prior_search.c.settled_at.is_(None)
    )
    return tuple(connection.execute(wanted if since is None else wanted.where(prior_search.c.until > since)).scalars())


def next_search(engine: sa.Engine, source: str) -> Search | None:
    """What a peer is to be asked for first; None where there is nothing."""
    wanted = (
        sa.select(*(prior_search.c[name] for name in Search.__dataclass_fields__))
        .where(prior_search.c.source == source, prior_search.c.ended_at.is_(None))
        .order_by(prior_search.c.id)
        .limit(1)
    )
    with read(engine) as connection:
        row = connection.execute(wanted).one_or_none()
    return None if row is None else Search(**row._mapping)


def begin_prior(engine: sa.Engine, search: Search, study_uid: str, sender: str | None, since: datetime) -> None:
    """A study is fetched as a prior from now on; what came of it before a kill counts too."""
    mine = sa.and_(prior.c.search_id == search.id, prior.c.study_uid == study_uid)
    values = {"state": PriorState.FETCHING, "until": None, "sender": sender, "reason": None}
    with write(engine) as connection:
        keys = {"search_id": search.id, "study_uid": study_uid}
        if insert_new(connection, prior, {**keys, **values, "since": since}, tuple(keys)) is None:
            connection.execute(prior.update().where(mine).values(**values))


def end_prior(engine: sa.Engine, search: Search, study_uid: str, until: datetime, reason: str) -> None:
    """Nothing more is asked for of a prior; what of it is received until then still counts as one."""
    mine = sa.and_(prior.c.search_id == search.id, prior.c.study_uid == study_uid)
    values = {"state": PriorState.FETCHED, "until": until, "reason": reason or None}
    with write(engine) as connection:
        connection.execute(prior.update().where(mine).values(**values))


def end_search(engine: sa.Engine, key: int, now: datetime, until: datetime, reason: str) -> None:
    """Nothing more is fetched for a search."""
    fetching = sa.and_(prior.c.search_id == key, prior.c.state == PriorState.FETCHING)
    with write(engine) as connection:
        connection.execute(prior.update().where(fetching).values(state=PriorState.FETCHED, until=until, reason=reason))
        connection.execute(
            prior_search.update().where(prior_search.c.id == key).values(ended_at=now, reason=reason or None)
        )


def end_orphans(engine: sa.Engine, sources: Collection[str], now: datetime, until: datetime) -> None:
    """End what peers are asked for that no route asks any more, at the node's start."""
    orphans = sa.select(prior_search.c.id).where(
        prior_search.c.ended_at.is_(None), prior_search.c.source.not_in(list(sources))
    )
    with read(engine) as connection:
        keys = list(connection.execute(orphans).scalars())
    for key in keys:
        end_search(engine, key, now, until, "no route asks this peer any more")


def settle_searches(engine: sa.Engine, root: Path, began: datetime, now: datetime) -> int:
    """Look at what came for searches that ended before a time; how many were settled.

    To be called after `index_incoming`, which began at that time: what came is in the index then.
    """
    wanted = sa.select(prior_search).where(prior_search.c.settled_at.is_(None), prior_search.c.ended_at <= began)
    with read(engine) as connection:
        ended = connection.execute(wanted).all()
    for search in ended:
        with read(engine) as connection:
            ours = subjects_of(connection, root, search.study_uid)
            rows = connection.execute(
                sa.select(prior).where(prior.c.search_id == search.id, prior.c.state == PriorState.FETCHED)
            ).all()
            judged = {row.id: (row, *_judged(row, ours, subjects_of(connection, root, row.study_uid))) for row in rows}
        with write(engine) as connection:
            for key, (row, state, reason) in judged.items():
                connection.execute(prior.update().where(prior.c.id == key).values(state=state, reason=reason))
                about = {"source": search.source, "prior": row.study_uid, "reason": reason}
                _tell(connection, "scheduler", f"study.prior_{state}", search.study_uid, now, **about)
            connection.execute(prior_search.update().where(prior_search.c.id == search.id).values(settled_at=now))
            here = sum(state is PriorState.HERE for _, state, _ in judged.values())
            about = {"source": search.source, "here": here, "reason": search.reason}
            _tell(connection, "scheduler", "study.priors_settled", search.study_uid, now, **about)
    return len(ended)


def tell_late(connection: sa.Connection, study_uid: str, sources: Collection[str], now: datetime) -> None:
    """Add to the audit trail that jobs of a study start without priors that are still awaited."""
    for source in sources:
        _tell(connection, "scheduler", "study.priors_late", study_uid, now, source=source)


def _judged(
    row: sa.Row[*tuple[object, ...]], ours: frozenset[Subject], theirs: frozenset[Subject]
) -> tuple[PriorState, str | None]:
    if not theirs:
        return PriorState.FAILED, row.reason or "nothing of it came"
    if not ours or not all(one.is_same_patient(other) for one in ours for other in theirs):
        return PriorState.REFUSED, "its files name another patient, or none (PatientID, IssuerOfPatientID)"
    return PriorState.HERE, row.reason


def _tell(
    connection: sa.Connection, who: str, what: str, study_uid: str, now: datetime, **details: str | int | None
) -> None:
    record(connection, [Event(at=now, who=who, what=what, kind="study", key=study_uid, details=details)])
