"""Which instances the node has: in the index, or received and on their way into it."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from node.archive import Archive
from node.db import read
from node.db.tables import instance

MOST_AT_ONCE: Final = 500  # UIDs in one statement


class Holdings:
    """What the node has, by SOP Instance UID.

    Parameters
    ----------
    archive
        The archive.
    engine
        The database, migrated.
    """

    def __init__(self, archive: Archive, engine: sa.Engine) -> None:
        self._archive, self._engine = archive, engine
        self._incoming: dict[Path, str] = {}  # files that were read already

    def of(self, uids: Collection[str]) -> frozenset[str]:
        """Those of the instances that the node has.

        Raises
        ------
        DatabaseUnavailable
        """
        # The folder first: what leaves it meanwhile is in the index by then.
        found = self._received().intersection(uids)
        with read(self._engine) as connection:
            for some in _batched(uids, MOST_AT_ONCE):
                rows = connection.execute(
                    sa.select(instance.c.sop_instance_uid).where(instance.c.sop_instance_uid.in_(some))
                )
                found |= set(rows.scalars())
        return frozenset(found)

    def _received(self) -> set[str]:
        waiting = list(self._archive.incoming())
        self._incoming = {path: self._incoming.get(path) or _uid_of(path) for path in waiting}
        return set(self._incoming.values()) - {""}


def _uid_of(path: Path) -> str:
    """By its File Meta Information; empty where it has just been filed away, or cannot be read."""
    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPInstanceUID", ""))
    except (OSError, InvalidDicomError, ValueError, struct.error):
        return ""


def _batched(uids: Iterable[str], most: int) -> Iterator[list[str]]:
    left = iter(uids)
    while some := list(islice(left, most)):
        yield some
