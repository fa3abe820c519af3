"""Fetching images from a PACS by C-FIND and C-GET, or C-MOVE to where somebody listens.

References
----------
DICOM PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), C.4.3 (C-GET), C.6.2 (Study Root).
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Final, Literal, Protocol

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    ComprehensiveSRStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from integration.dimse.errors import AssociationAborted, AssociationRejected, ContextRefused, DimseError
from integration.dimse.pdus import MOST_CONTEXTS, Context
from integration.dimse.peer import Peer
from integration.dimse.questions import FIND, GET, MOVE, SUCCESS, Answer, Questions, contexts_of
from integration.retrieval import (
    MOST_MATCHES,
    Arriving,
    Keeper,
    Progress,
    Reception,
    Refusal,
    RemoteInstance,
    RemoteSeries,
    RemoteStudy,
    RetrievalError,
    Wanted,
    is_uid,
    matches,
)

RETRIEVE_TIMEOUT_S: Final = 600.0  # between two answers to C-MOVE; many a PACS gives the last one only
MOST_UIDS: Final = 100  # in one request
ANY_CLASS: Final = tuple(
    str(uid)
    for uid in (
        UltrasoundImageStorage,
        UltrasoundMultiFrameImageStorage,
        SecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
        SegmentationStorage,
        ComprehensiveSRStorage,
    )
)  # of a series whose PACS does not tell its classes
SYNTAXES: Final = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.103", "1.2.840.10008.1.2.4.107",
)  # fmt: skip
"""Each a context of its own for each class, so that a PACS sends what it has as it has it (PS3.5 Annex A)."""
UNCOMPRESSED: Final = frozenset(SYNTAXES[:4])
CLASSES_AT_ONCE: Final = (MOST_CONTEXTS - 4) // len(SYNTAXES)
UNKNOWN_DESTINATION: Final = 0xA801
_MEANINGS: Final = {  # PS3.4 tables C.4-1, C.4-2 and C.4-3
    0x0122: "SOP class not supported",
    0x0124: "not authorized",
    0xA700: "out of resources",
    0xA701: "out of resources: the number of matches cannot be calculated",
    0xA702: "out of resources: sub-operations cannot be performed",
    UNKNOWN_DESTINATION: "move destination unknown",
    0xA900: "the identifier does not match the SOP class",
    0xB000: "sub-operations complete, one or more failures",
    0xFE00: "cancelled",
}


class QueryRetrieveError(RetrievalError):
    """The PACS cannot be asked, or refuses."""

    code: ClassVar[str] = "dimse.query-retrieve"


class Receiver(Protocol):
    """Whoever listens where C-MOVE sends to."""

    @property
    def ae_title(self) -> str:
        """The move destination; the PACS has to know it with the host and port."""

    @property
    def port(self) -> int:
        """For a message."""

    def receiving(self, keeper: Keeper) -> AbstractContextManager[None]:
        """Listens for the length of the block; raises QueryRetrieveError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A move destination that listens by itself, such as a running node: what comes does not pass through here."""

    ae_title: str
    port: int

    def receiving(self, keeper: Keeper) -> AbstractContextManager[None]:
        """Nothing has to be done."""
        return nullcontext()


def offers_get(peer: Peer) -> bool:
    """Whether a PACS takes C-GET (study root).

    Raises
    ------
    QueryRetrieveError
        It cannot be asked.
    """
    with _asked(peer), Questions(peer, contexts_of(GET)) as questions:
        return bool(questions.accepted)


class DimsePacs:
    """A PACS that is asked by C-FIND.

    Parameters
    ----------
    peer
        The PACS.
    receiver
        Where it moves images to; None: they are fetched by C-GET.
    timeout_s
        Seconds to wait between two answers to C-MOVE, or two pieces of C-GET.
    """

    def __init__(self, peer: Peer, receiver: Receiver | None = None, timeout_s: float = RETRIEVE_TIMEOUT_S) -> None:
        self._peer, self._receiver = peer, receiver
        self._patient = replace(peer, response_timeout_s=max(timeout_s, peer.response_timeout_s))

    @property
    def words(self) -> str:
        return self._peer.words

    @property
    def way(self) -> Literal["C-GET", "C-MOVE"]:
        return "C-GET" if self._receiver is None else "C-MOVE"

    def studies(self, wanted: Wanted, most: int) -> list[RemoteStudy]:
        """Studies that match, at most so many.

        Raises
        ------
        QueryRetrieveError
            The PACS cannot be asked.
        """
        keys = {"StudyInstanceUID": "", "StudyDate": "", "ModalitiesInStudy": "", **wanted.study}
        found: dict[str, RemoteStudy] = {}
        with self._association() as questions, closing(_found(questions, "STUDY", keys)) as answers:
            for each in answers:
                if uid := _uid(each, "StudyInstanceUID"):
                    found[uid] = RemoteStudy(
                        uid=uid,
                        date="".join(_values(each, "StudyDate")),
                        modalities=tuple(_values(each, "ModalitiesInStudy")),
                        patient_id="".join(_values(each, "PatientID")),
                        issuer="".join(_values(each, "IssuerOfPatientID")),
                    )
                if len(found) >= most:
                    break
        return list(found.values())

    def series(self, study: str, wanted: Wanted) -> list[RemoteSeries]:
        """Series of a study that match, with their instances.

        Raises
        ------
        QueryRetrieveError
            The PACS cannot be asked, or has more than can be listed.
        """
        listed = []
        keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "Modality": "", **wanted.series}
        with self._association() as questions:
            answers = list(_found(questions, "SERIES", keys))
            found = {_uid(each, "SeriesInstanceUID"): _values(each, "Modality") for each in answers}
            for uid, modality in sorted(found.items()):
                if uid and (not wanted.modalities or wanted.modalities.intersection(modality)):
                    instances = _instances(questions, study, uid)
                    listed.append(RemoteSeries(study=study, uid=uid, modality="".join(modality), instances=instances))
        return listed

    def fetch(self, series: RemoteSeries, uids: Collection[str], keeper: Keeper, told: Progress) -> str:
        """Fetch instances of a series; why some may not have come, empty where the PACS says that all did.

        Raises
        ------
        QueryRetrieveError
            The PACS is gone, or takes neither way.
        """
        if self._receiver is None:
            return self._get(series, uids, keeper, told)
        return self._move(self._receiver, series, uids, keeper, told)

    def _get(self, series: RemoteSeries, uids: Collection[str], keeper: Keeper, told: Progress) -> str:
        by_class: dict[str, list[str]] = {}
        for instance in series.instances:
            if instance.uid in uids:
                by_class.setdefault(instance.sop_class, []).append(instance.uid)
        noting, reasons = _Noting(keeper, told), dict[str, None]()
        for classes in _batched(by_class, 1 if "" in by_class else CLASSES_AT_ONCE):
            among = [uid for name in classes for uid in by_class[name]]
            named = ANY_CLASS if classes == ("",) else classes
            with self._association(GET, named) as questions:
                reason = self._retrieved(questions, series, among, noting)
                taken = {context.transfer_syntax for context in questions.accepted if context.sop_class in named}
            # DCMTK's archive sends on the first context of a class, and fails where the image is not in its syntax.
            for syntax in sorted(taken - UNCOMPRESSED):
                left = set(among) - noting.ended
                if not reason or not left:
                    break
                with self._association(GET, named, (syntax,)) as questions:
                    reason = self._retrieved(questions, series, left, noting)
            reasons[reason] = None
        return "; ".join([*noting.refusals, *filter(None, reasons)])

    def _move(
        self, receiver: Receiver, series: RemoteSeries, uids: Collection[str], keeper: Keeper, told: Progress
    ) -> str:
        with receiver.receiving(keeper), self._association(MOVE) as questions:
            return self._retrieved(questions, series, uids, told=told)

    def _retrieved(
        self,
        questions: Questions,
        series: RemoteSeries,
        uids: Collection[str],
        keeper: Keeper | None = None,
        told: Progress = lambda came: None,
    ) -> str:
        reasons: dict[str, None] = {}
        came = 0
        for request in _requests(series, uids):
            last = self._one(questions, request, keeper, _further(told, came))
            came += last.completed
            if request.QueryRetrieveLevel == "IMAGE" and _not_by_image(last):
                return self._why(self._one(questions, _whole(series), keeper, told))  # which every PACS can
            reasons[self._why(last)] = None
        return "; ".join(reason for reason in reasons if reason)

    def _one(self, questions: Questions, request: Dataset, keeper: Keeper | None, told: Progress) -> Answer:
        last = Answer(status=SUCCESS)
        if self._receiver is None:
            answers = questions.ask(GET, request, keeper=keeper)
        else:
            answers = questions.ask(MOVE, request, destination=self._receiver.ae_title)
        for last in answers:
            told(last.completed)
        return last

    def _why(self, answer: Answer) -> str:
        """Empty where all went well."""
        if answer.status == SUCCESS and not answer.failed:
            return ""
        means = _MEANINGS.get(answer.status, "unable to process" if 0xC000 <= answer.status <= 0xCFFF else "failure")
        count = f", {answer.failed} images failed" if answer.failed else ""
        said = f" ({answer.comment})" if answer.comment else ""
        hint = ""
        if self._receiver is not None and answer.status in (UNKNOWN_DESTINATION, 0xA702):
            where = f"this machine's address and port {self._receiver.port}"
            hint = f"; enter the AE title {self._receiver.ae_title} there as a destination, with {where}"
        return f"{self.words} ended {self.way} with status 0x{answer.status:04X}, {means}{count}{said}{hint}"

    @contextmanager
    def _association(
        self, retrieve: str = "", classes: Sequence[str] = (), syntaxes: Sequence[str] = SYNTAXES
    ) -> Iterator[Questions]:
        """For C-FIND, or for a way to retrieve, with C-GET on contexts for what comes back."""
        models = dict.fromkeys((FIND, retrieve or FIND))  # some PACS want C-FIND beside the other
        contexts = [each for model in models for each in contexts_of(model)]
        contexts += [Context(name, syntax) for name in classes for syntax in syntaxes]
        with _asked(self._peer), Questions(self._patient if retrieve else self._peer, contexts, classes) as questions:
            yield questions


class _Noting:
    """Hands on to a keeper, and notes what came to an end, kept or refused."""

    def __init__(self, keeper: Keeper, told: Progress) -> None:
        self._keeper, self._told = keeper, told
        self.ended: set[str] = set()
        self.refusals: dict[str, None] = {}  # in words, each once

    def begin(self, arriving: Arriving) -> Reception:
        return _Noted(self, self._keeper.begin(arriving), arriving.sop_instance_uid)

    def end(self, uid: str, refusal: Refusal | None) -> None:
        """It was kept or refused."""
        self.ended.add(uid)
        if refusal is not None:
            self.refusals[f"an image is not kept: {refusal.words}"] = None
        self._told(len(self.ended))


class _Noted:
    def __init__(self, noting: _Noting, reception: Reception, uid: str) -> None:
        self._noting, self._reception, self._uid = noting, reception, uid

    def take(self, piece: memoryview) -> None:
        self._reception.take(piece)

    def finish(self) -> Refusal | None:
        refusal = self._reception.finish()
        self._noting.end(self._uid, refusal)
        return refusal

    def abandon(self) -> None:
        self._reception.abandon()


@contextmanager
def _asked(peer: Peer) -> Iterator[None]:
    try:
        yield
    except DimseError as error:
        known = isinstance(error, (AssociationAborted, AssociationRejected, ContextRefused))
        hint = f"; it must know the calling AE title {peer.calling_ae} and let it ask" if known else ""
        raise QueryRetrieveError(f"the PACS cannot be asked: {error}{hint}") from error


def _found(questions: Questions, level: str, keys: dict[str, str]) -> Generator[Dataset]:
    peer, count = questions.peer, 0
    with closing(questions.ask(FIND, _query(level, keys))) as answers:
        for answer in answers:
            if answer.pending and answer.identifier is not None:
                count += 1
                if count > MOST_MATCHES:
                    raise QueryRetrieveError(f"{peer.words} has more than {MOST_MATCHES} answers: ask for less")
                if _answers(answer.identifier, keys):
                    yield answer.identifier
            elif not answer.pending and answer.status != SUCCESS:
                means = _MEANINGS.get(answer.status, "unable to process")
                said = f" ({answer.comment})" if answer.comment else ""
                raise QueryRetrieveError(
                    f"{peer.words} answered C-FIND with status 0x{answer.status:04X}, {means}{said}"
                )


def _answers(found: Dataset, keys: dict[str, str]) -> bool:
    return all(
        matches(asked, _values(found, keyword), dictionary_VR(keyword))
        for keyword, asked in keys.items()
        if asked and not (keyword == "ModalitiesInStudy" and not _values(found, keyword))  # which not all of them tell
    )


def _instances(questions: Questions, study: str, series: str) -> tuple[RemoteInstance, ...]:
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": "", "SOPClassUID": ""}
    found = {_uid(each, "SOPInstanceUID"): _uid(each, "SOPClassUID") for each in _found(questions, "IMAGE", keys)}
    return tuple(RemoteInstance(uid=uid, sop_class=sop_class) for uid, sop_class in sorted(found.items()) if uid)


def _requests(series: RemoteSeries, uids: Collection[str]) -> list[Dataset]:
    """The series where all of it is wanted, else its images by their UIDs (PS3.4 C.4.2.1.4.1)."""
    keys = {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.uid}
    if {each.uid for each in series.instances} <= set(uids):
        return [_whole(series)]
    return [_query("IMAGE", {**keys, "SOPInstanceUID": "\\".join(some)}) for some in _batched(sorted(uids), MOST_UIDS)]


def _whole(series: RemoteSeries) -> Dataset:
    return _query("SERIES", {"StudyInstanceUID": series.study, "SeriesInstanceUID": series.uid})


def _batched(words: Iterable[str], most: int) -> Iterator[tuple[str, ...]]:
    left = iter(words)
    while some := tuple(islice(left, most)):
        yield some


def _further(told: Progress, before: int) -> Progress:
    return lambda came: told(before + came)


def _not_by_image(answer: Answer) -> bool:
    """Whether a PACS did not take a request for single images."""
    return answer.completed == 0 and (answer.status in (0x0122, 0xA900) or 0xC000 <= answer.status <= 0xCFFF)


def _query(level: str, keys: dict[str, str]) -> Dataset:
    query = Dataset()
    if not all(value.isascii() for value in keys.values()):
        query.SpecificCharacterSet = "ISO_IR 192"
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _uid(found: Dataset, keyword: str) -> str:
    """A UID that may name a file, else nothing."""
    uid = "".join(_values(found, keyword))
    return uid if is_uid(uid) else ""


def _values(found: Dataset, keyword: str) -> list[str]:
    try:
        value = found.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom raises whatever the bytes lead to; a value that is none matches nothing
        return []
    if value is None or value == "":
        return []
    several = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return [str(each).strip("\0 ") for each in several]
