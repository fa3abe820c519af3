"""C-STORE and C-ECHO as a user of a peer's service.

References
----------
DICOM PS3.4 B.2 (Storage, statuses in B.2.3), PS3.7 9.1.1, 9.1.5 and annex C (statuses).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydicom import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian

from integration.dimse.association import Association
from integration.dimse.encoding import data_set, simpler_data_set
from integration.dimse.errors import (
    ContextRefused,
    DimseError,
    DoesNotFit,
    PeerTimeout,
    ProtocolError,
    StoreRefused,
    Unsendable,
)
from integration.dimse.part10 import Sendable, read_sendable
from integration.dimse.pdus import MOST_CONTEXTS, Command, Context
from integration.dimse.peer import Peer
from integration.dimse.simpler import simpler_classes, stand_in_uid

VERIFICATION: Final = "1.2.840.10008.1.1"
ECHO_RQ, STORE_RQ = 0x0030, 0x0001
DUPLICATE: Final = 0x0111  # our UIDs follow from what they name: an object sent again is the same object
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
WARNINGS: Final = {
    0xB000: "coercion of data elements",
    0xB006: "elements discarded",
    0xB007: "data set does not match SOP class",
    0x0107: "attribute list error",
    0x0116: "attribute value out of range",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AsStored:
    """What of a file a peer really has."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file."""

    path: Path
    error: DimseError | None = None  # None: the peer has it
    status: int | None = None  # of the C-STORE response; None: there was none
    note: str | None = None  # what the peer remarked while accepting it
    instead: AsStored | None = None  # what it has instead of the file as it lies; None: it has that, or nothing

    @property
    def accepted(self) -> bool:
        return self.error is None


def echo(peer: Peer) -> None:
    """Ask a peer whether it is there (C-ECHO).

    Raises
    ------
    DimseError
        It is not, or it does not answer with success.
    """
    context = Context(VERIFICATION, str(ImplicitVRLittleEndian))
    with Association(peer, [context]) as assoc:
        number = assoc.accepted.get(context)
        if number is None:
            raise ContextRefused(f"{peer.words} does not take the Verification SOP class")
        status = int(assoc.request(number, Command(field=ECHO_RQ, sop_class=VERIFICATION)).Status)
        if status:
            raise ProtocolError(f"{peer.words} answered C-ECHO with status 0x{status:04X}")


def store(paths: Sequence[Path], peer: Peer, *, simplify: bool = False) -> Iterator[Outcome]:
    """Send DICOM files to a peer, in order, over one association where that goes well.

    The data sets go out as they lie in the files, in chunks; none is held in memory whole. What a peer can take only in
    another encoding is re-encoded where `integration.dimse.encoding` can. When the association breaks at a
    file, that file's outcome says so and the files after it go over a new one. A peer that accepts an association and
    then falls silent is given up: the files after it would wait as long.

    Parameters
    ----------
    paths
        DICOM files with File Meta Information.
    peer
        Where to.
    simplify
        Whether an SR document may go as one of a simpler SOP class where the peer does not take its own.

    Yields
    ------
    Outcome
        One for each path, as soon as it is known; errors are in the outcomes, none is raised.
    """
    waiting: deque[Sendable] = deque()
    for path in paths:
        try:
            waiting.append(read_sendable(path))
        except Unsendable as error:
            yield Outcome(path=path, error=error)
    while waiting:
        batch, contexts = _first_batch(waiting, simplify=simplify)
        try:
            with Association(peer, contexts) as assoc:
                for item in batch:
                    yield from _store_next(assoc, item, waiting, simplify=simplify)
        except _Broken as broken:
            yield broken.outcome
            while waiting and isinstance(broken.outcome.error, PeerTimeout):
                yield Outcome(path=waiting.popleft().path, error=broken.outcome.error)
        except DimseError as error:
            # No association at all: it would be the same for every file.
            while waiting:
                yield Outcome(path=waiting.popleft().path, error=error)


class _Broken(Exception):
    """The association ended at a file; carries the file's outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome.error))
        self.outcome = outcome


def _first_batch(waiting: Iterable[Sendable], *, simplify: bool) -> tuple[list[Sendable], list[Context]]:
    """As many of the files as one association has presentation contexts for."""
    batch: list[Sendable] = []
    contexts: dict[Context, None] = {}
    for item in waiting:
        grown = {**contexts, **dict.fromkeys(item.contexts), **dict.fromkeys(item.simpler_contexts if simplify else ())}
        if len(grown) > MOST_CONTEXTS:
            break
        batch.append(item)
        contexts = grown
    return batch, list(contexts)


def _store_next(assoc: Association, item: Sendable, waiting: deque[Sendable], *, simplify: bool) -> Iterator[Outcome]:
    try:
        outcome = _store_one(assoc, item, simplify=simplify)
    except (ContextRefused, StoreRefused, Unsendable) as error:
        outcome = Outcome(path=item.path, error=error, status=getattr(error, "status", None))
    except DimseError as error:
        waiting.popleft()
        raise _Broken(Outcome(path=item.path, error=error)) from error
    waiting.popleft()
    yield outcome


def _store_one(assoc: Association, item: Sendable, *, simplify: bool) -> Outcome:
    """Store an object as it is; where the peer does not take its SOP class, as the richest one that it takes."""
    refusal: ContextRefused | StoreRefused = ContextRefused(
        f"{assoc.peer.words} takes no presentation context for SOP class {item.sop_class_uid} "
        f"in transfer syntax {item.transfer_syntax}"
    )
    for sop_class in (item.sop_class_uid, *(simpler_classes(item.sop_class_uid) if simplify else ())):
        offered = (*item.contexts, *item.simpler_contexts)
        context = next((each for each in offered if each.sop_class == sop_class and each in assoc.accepted), None)
        if context is None:
            continue
        try:
            return _store_as(assoc, item, context)
        except DoesNotFit as fault:
            refusal = ContextRefused(f"{refusal}, nor can it go as {UID(sop_class).name}: {fault}")
        except StoreRefused as fault:
            if fault.status != SOP_CLASS_NOT_SUPPORTED:
                raise
            refusal = fault
    raise refusal


def _store_as(assoc: Association, item: Sendable, context: Context) -> Outcome:
    own = context.sop_class == item.sop_class_uid
    uid = item.sop_instance_uid if own else stand_in_uid(item.sop_instance_uid, context.sop_class)
    command = Command(field=STORE_RQ, sop_class=context.sop_class, sop_instance=uid)
    encoded = (
        data_set(item, context.transfer_syntax)
        if own
        else simpler_data_set(item, context.sop_class, context.transfer_syntax)
    )
    with encoded as data:
        response = assoc.request(assoc.accepted[context], command, data)
    outcome = _judged(item.path, assoc.peer, response)
    if own and context.transfer_syntax == item.transfer_syntax:
        return outcome
    sent = AsStored(sop_class_uid=context.sop_class, sop_instance_uid=uid, transfer_syntax=context.transfer_syntax)
    return replace(outcome, instead=sent)


def _judged(path: Path, peer: Peer, response: Dataset) -> Outcome:
    status = int(response.Status)
    comment = str(response.get("ErrorComment", "") or "")
    said = f" ({comment})" if comment else ""
    if status == 0:
        return Outcome(path=path, status=status)
    if accepts(status):
        return Outcome(path=path, status=status, note=f"{remark(status)}{said}")
    raise StoreRefused(
        f"{peer.words} refused the object with status 0x{status:04X}, {meaning(status)}{said}",
        status=status,
        retryable=not is_final(status),
    )


def accepts(status: int) -> bool:
    """Whether a peer that answers so has the object: a success, a warning, or that it had it before."""
    return status in (0, DUPLICATE) or status in WARNINGS or 0xB000 <= status <= 0xBFFF


def remark(status: int) -> str:
    """A status with which a peer accepted an object, in words."""
    known = "the peer has this instance already" if status == DUPLICATE else WARNINGS.get(status, "warning")
    return f"0x{status:04X} {known}"


def is_final(status: int) -> bool:
    """Whether the object itself is at fault, so that sending it again cannot help (PS3.4 table B.2-1)."""
    return 0xA900 <= status <= 0xA9FF or 0xC000 <= status <= 0xCFFF or status in (0x0117, SOP_CLASS_NOT_SUPPORTED)


def meaning(status: int) -> str:
    """A failure status in words."""
    if 0xA700 <= status <= 0xA7FF:
        return "out of resources"
    if 0xA900 <= status <= 0xA9FF:
        return "data set does not match SOP class"
    if 0xC000 <= status <= 0xCFFF:
        return "cannot understand"
    known = {SOP_CLASS_NOT_SUPPORTED: "SOP class not supported", 0x0124: "not authorized", 0x0110: "processing failure"}
    return known.get(status, "failure")
