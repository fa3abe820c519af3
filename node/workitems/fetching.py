"""Images of work items that the node does not hold: fetched from the configured peers that the work items name.

What a work item says only chooses among the peers: no address in it is ever called.

References
----------
DICOM PS3.3 Table 10-3b (Referenced Instances and Access); PS3.18 10.4 (WADO-RS).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import sqlalchemy as sa
from pydicom import Dataset

from integration.dicomweb.performed import set_progress
from integration.dicomweb.workitems import Inputs, assignment_of
from integration.retrieval import RemoteStudy, RetrievalError, Wanted
from node.archive import Archive
from node.clock import now_utc
from node.config import DicomwebPeer, DimsePeer, OrthancPeer, Peer, Settings
from node.db import WorkitemState, read, write
from node.db.tables import instance, workitem
from node.jobs.leases import backoff
from node.logs import log_context
from node.pulling import PullError, State, pulling_from
from node.pulling.sources import dicomweb_root
from node.roles import SCHEDULER
from node.wake import Wake
from node.workitems.jobs import PERFORMER
from node.workitems.store import locked, tell

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_log = logging.getLogger(__name__)


def sources_of(inputs: Inputs, settings: Settings) -> tuple[str, ...]:
    """The peers from which a work item says that its images can be had, in its order."""
    named = [_by_title(title, settings.peers) for title in inputs.retrieve_from]
    named += [_by_url(url, settings.peers) for url in inputs.services]
    return tuple(dict.fromkeys(name for name in named if name is not None))


def is_held(connection: sa.Connection, inputs: Inputs) -> bool:
    """Whether what a work item names is here; of a whole study, whether anything of it is."""
    rows = connection.execute(
        sa.select(instance.c.series_uid, instance.c.sop_instance_uid).where(instance.c.study_uid == inputs.study)
    ).all()
    series, instances = {row.series_uid for row in rows}, {row.sop_instance_uid for row in rows}
    return bool(rows) and inputs.series <= series and inputs.instances <= instances


class WorkitemFetcher:
    """Fetches images of work items from one peer.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    archive
        Where to.
    source
        The peer's name.
    clock
        Gives the time.
    """

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        archive: Archive,
        source: str,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._settings, self._engine, self._archive = settings, engine, archive
        self._source, self._clock = source, clock

    def step(self) -> bool:
        """Fetch for one work item; False where none is due.

        Raises
        ------
        DatabaseUnavailable
            It is done again.
        """
        due = (
            sa.select(workitem.c.uid, workitem.c.content)
            .where(
                workitem.c.state == WorkitemState.IN_PROGRESS,
                workitem.c.ours,
                workitem.c.fetch_from == self._source,
                workitem.c.fetch_at <= self._clock(),
            )
            .order_by(workitem.c.fetch_at, workitem.c.uid)
            .limit(1)
        )
        with read(self._engine) as connection:
            row = connection.execute(due).one_or_none()
        if row is None:
            return False
        inputs = assignment_of(Dataset.from_json(row.content)).inputs[0]
        self._end(row.uid, self._fetched(inputs))
        with Wake(self._settings.data_dir) as wake:
            wake.ring(SCHEDULER)
        return True

    def _fetched(self, inputs: Inputs) -> str:
        """Why something is missing, in words, or nothing."""
        wanted = Wanted(series={"SeriesInstanceUID": "\\".join(sorted(inputs.series))} if _by_series(inputs) else {})
        try:
            pulling = pulling_from(self._settings, self._engine, self._archive, self._source)
            outcome = pulling.pull(pulling.look(RemoteStudy(uid=inputs.study), wanted), wanted)
        except (RetrievalError, PullError) as fault:
            return str(fault)
        if outcome.state is State.COMPLETE and not outcome.instances:
            return f"{pulling.remote.words} has no images of it"
        return outcome.reason

    def _end(self, uid: str, reason: str) -> None:
        now = self._clock()
        with write(self._engine) as connection:
            row = locked(connection, uid)
            if row.state is not WorkitemState.IN_PROGRESS or not row.ours or row.fetch_from != self._source:
                return  # it was cancelled meanwhile
            content = Dataset.from_json(row.content)
            values: dict[str, object] = {"fetch_at": None, "fetch_reason": None}
            if reason:
                attempt = row.fetch_attempt + 1
                sources = sources_of(assignment_of(content).inputs[0], self._settings) or (self._source,)
                values = {
                    "fetch_from": sources[attempt % len(sources)],
                    "fetch_at": now + backoff(attempt, self._settings.jobs),
                    "fetch_attempt": attempt,
                    "fetch_reason": f"not all of them could be fetched from {self._source}: {reason}",
                }
            words = "its images were fetched" if not reason else f"{values['fetch_reason']}; it is tried again"
            set_progress(content, 0, words)
            values |= {"content": content.to_json_dict(), "changed_at": now}
            connection.execute(workitem.update().where(workitem.c.uid == uid).values(**values))
            tell(connection, uid, "not_fetched" if reason else "fetched", PERFORMER, now)
        if reason:
            about = log_context(instance=uid, destination=self._source, attempt=attempt, reason=reason)
            _log.warning("Images of a work item were not fetched", extra=about)


def _by_series(inputs: Inputs) -> bool:
    return bool(inputs.series) and not inputs.instances


def _by_title(title: str, peers: dict[str, Peer]) -> str | None:
    return next((name for name, peer in peers.items() if isinstance(peer, DimsePeer) and peer.ae_title == title), None)


def _by_url(url: str, peers: dict[str, Peer]) -> str | None:
    """The peer below whose DICOMweb root an address lies."""
    asked = _place(url)
    return next((name for name, root in _roots(peers) if asked is not None and _lies_below(asked, _place(root))), None)


def _roots(peers: dict[str, Peer]) -> Iterator[tuple[str, str]]:
    for name, peer in peers.items():
        if isinstance(peer, DicomwebPeer | OrthancPeer):
            yield name, dicomweb_root(peer)


def _lies_below(asked: tuple[object, str], root: tuple[object, str] | None) -> bool:
    return root is not None and asked[0] == root[0] and f"{asked[1]}/".startswith(f"{root[1]}/")


def _place(url: str) -> tuple[object, str] | None:
    """Scheme, host and port, and the path without a last slash; None where it is no address."""
    try:
        parts: SplitResult = urlsplit(url.strip())
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None:
        return None
    return (parts.scheme, parts.hostname.lower(), port), parts.path.rstrip("/")
