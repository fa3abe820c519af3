"""Fetching images from a PACS by C-FIND and C-MOVE, to a store of our own that takes nothing but what was asked for.

On pynetdicom: a few associations that wait for a PACS gain nothing from the ways round its threads that sending needs.

References
----------
DICOM PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), B.2.3 (statuses of C-STORE).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Final

from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.presentation import build_context

from integration.dimse.peer import Peer
from integration.retrieval import (
    FETCHED,
    MOST_MATCHES,
    ULTRASOUND,
    Fetched,
    Progress,
    RemoteSeries,
    RetrievalError,
    days,
    is_uid,
    keep,
    missing_of,
    path_of,
)

FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve Information Model - FIND
MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
SUCCESS: Final = 0x0000
PENDING: Final = frozenset({0xFF00, 0xFF01})
NOT_AUTHORIZED, OUT_OF_RESOURCES = 0x0124, 0xA700  # answers to C-STORE
MOST_ASSOCIATIONS: Final = 4  # that a PACS may send on at once; an instance of each is in memory
MIN_FREE_BYTES: Final = 2_000_000_000
MOVE_TIMEOUT_S: Final = 600.0  # between two answers to a C-MOVE; many a PACS gives the last one only


class QueryRetrieveError(RetrievalError):
    """The PACS cannot be asked, or refuses."""

    code: ClassVar[str] = "dimse.query-retrieve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Where the PACS sends what is to be moved; it has to know this AE title with this host and port."""

    ae_title: str = "ECHOCARE"
    bind: str = "127.0.0.1"
    port: int = 11113


class DimsePacs:
    """A PACS that knows us as a move destination."""

    def __init__(self, peer: Peer, receiving: Receiving) -> None:
        """Raises QueryRetrieveError for a peer with TLS, which is not to be spoken to in the clear instead."""
        if peer.tls is not None:
            raise QueryRetrieveError(f"{peer.words} is not asked by C-MOVE over TLS: use its DICOMweb over https")
        self._peer, self._receiving = peer, receiving

    @property
    def words(self) -> str:
        return self._peer.words

    def series(self, since: date | None, until: date | None) -> list[RemoteSeries]:
        """Series of ultrasound studies of these days, both inclusive.

        Raises
        ------
        QueryRetrieveError
            The PACS cannot be asked, or has more than can be listed.
        """
        found = []
        with self._association(FIND, self._peer.response_timeout_s) as assoc:
            query = _query("STUDY", StudyDate=days(since, until), ModalitiesInStudy=ULTRASOUND, StudyInstanceUID="")
            for study in self._uids(assoc, query, "StudyInstanceUID"):
                for series in self._ultrasound(assoc, study):
                    query = _query("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID="")
                    if instances := tuple(self._uids(assoc, query, "SOPInstanceUID")):
                        found.append(RemoteSeries(study=study, series=series, instances=instances))
        return found

    def fetch(self, series: RemoteSeries, folder: Path, came: Progress) -> Fetched:
        """Have what of a series is not in the folder yet moved here: by the series, which every PACS can.

        What is there already is answered with success and stays as it is.

        Raises
        ------
        QueryRetrieveError
            The PACS is gone, or our port is taken.
        """
        missing = missing_of(series, folder)
        if not missing:
            return Fetched(came=0, missing=0)
        store = _Store(folder, frozenset(series.instances), came)
        with self._served(store):
            reason = self._move(series)
        left = len(missing_of(series, folder))
        return Fetched(came=len(missing) - left, missing=left, reason=store.refused or reason if left else "")

    def _ultrasound(self, assoc: Any, study: str) -> list[str]:  # noqa: ANN401 - pynetdicom is not typed
        query = _query("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality="")
        found = self._found(assoc, query)
        return sorted({_uid(each, "SeriesInstanceUID") for each in found if each.get("Modality", "") in FETCHED} - {""})

    def _uids(self, assoc: Any, query: Dataset, keyword: str) -> list[str]:  # noqa: ANN401 - as above
        return sorted({_uid(each, keyword) for each in self._found(assoc, query)} - {""})

    def _found(self, assoc: Any, query: Dataset) -> Iterator[Dataset]:  # noqa: ANN401 - as above
        count = 0
        for status, identifier in assoc.send_c_find(query, FIND):
            answered = self._status(status, "C-FIND")
            if answered in PENDING and identifier is not None:
                count += 1
                if count > MOST_MATCHES:
                    raise QueryRetrieveError(f"{self.words} has more than {MOST_MATCHES} answers: ask for fewer days")
                yield identifier
            elif answered not in PENDING and answered != SUCCESS:
                raise QueryRetrieveError(f"{self.words} answered C-FIND with status 0x{answered:04X}")

    def _move(self, series: RemoteSeries) -> str:
        """Why not all came, as the PACS has it; empty where it says that all did."""
        query = _query("SERIES", StudyInstanceUID=series.study, SeriesInstanceUID=series.series)
        last, failed = SUCCESS, 0
        with self._association(MOVE, max(MOVE_TIMEOUT_S, self._peer.response_timeout_s)) as assoc:
            for status, _ in assoc.send_c_move(query, self._receiving.ae_title, MOVE):
                last = self._status(status, "C-MOVE")
                failed = int(status.get("NumberOfFailedSuboperations", 0) or 0)
        if last == SUCCESS:
            return f"{self.words} says that it sent all, but not all came"
        hint = ""
        if last in (0xA801, 0xA702):
            where = f"{self._receiving.ae_title} at this host, port {self._receiving.port}"
            hint = f"; it must know the move destination {where}, and reach it"
        return f"{self.words} ended C-MOVE with status 0x{last:04X}, {failed} images failed{hint}"

    def _status(self, status: Dataset, what: str) -> int:
        if "Status" not in status:
            raise QueryRetrieveError(
                f"{self.words} did not answer {what} in time, or ended the association; it must know the calling AE "
                f"title {self._peer.calling_ae}"
            )
        return int(status.Status)

    @contextmanager
    def _association(self, model: str, answer_s: float) -> Iterator[Any]:
        ae = AE(ae_title=self._peer.calling_ae)
        ae.connection_timeout = ae.acse_timeout = self._peer.connect_timeout_s
        ae.dimse_timeout, ae.network_timeout = answer_s, None
        assoc = ae.associate(
            self._peer.host,
            self._peer.port,
            contexts=[build_context(model)],
            ae_title=self._peer.ae_title,
            max_pdu=self._peer.max_pdu_bytes,
        )
        if not assoc.is_established:
            why = f"it rejected the calling AE title {self._peer.calling_ae}" if assoc.is_rejected else "no association"
            raise QueryRetrieveError(f"{self.words} cannot be asked: {why}")
        try:
            if not assoc.accepted_contexts:
                raise QueryRetrieveError(f"{self.words} offers no study root query/retrieve")
            yield assoc
        except BaseException:
            assoc.abort()
            raise
        else:
            assoc.release()

    @contextmanager
    def _served(self, store: _Store) -> Iterator[None]:
        ours = self._receiving
        ae = AE(ae_title=ours.ae_title)
        ae.require_called_aet = True
        ae.maximum_associations = MOST_ASSOCIATIONS
        for context in AllStoragePresentationContexts:
            ae.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
        try:
            server: Any = ae.start_server(
                (ours.bind, ours.port), block=False, evt_handlers=[(evt.EVT_C_STORE, store.received)]
            )
        except OSError as fault:
            raise QueryRetrieveError(
                f"nothing can be received on {ours.bind}:{ours.port} ({fault.strerror}): name another port"
            ) from fault
        try:
            yield
        finally:
            server.shutdown()


class _Store:
    """Answers C-STORE; its threads are those of the PACS's associations."""

    def __init__(self, folder: Path, wanted: frozenset[str], came: Progress) -> None:
        self._folder, self._wanted, self._came = folder, wanted, came
        self.refused = ""  # why the last one that was refused was

    def received(self, event: Any) -> int:  # noqa: ANN401 - pynetdicom is not typed
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid not in self._wanted:
            return NOT_AUTHORIZED
        if path_of(self._folder, uid).is_file():
            return SUCCESS
        if shutil.disk_usage(self._folder).free < MIN_FREE_BYTES:
            self.refused = f"less than {MIN_FREE_BYTES // 10**9} GB are free in {self._folder}"
            return OUT_OF_RESOURCES
        try:
            keep(self._folder, uid, event.encoded_dataset())
        except OSError as fault:
            self.refused = f"a file cannot be written in {self._folder}: {fault.strerror}"
            return OUT_OF_RESOURCES
        self._came()
        return SUCCESS


def _query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _uid(found: Dataset, keyword: str) -> str:
    """A UID that may name a file, else nothing."""
    uid = str(found.get(keyword, "") or "")
    return uid if is_uid(uid) else ""
