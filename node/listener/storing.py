"""C-STORE: from the data set's first byte to the status that may be answered.

References
----------
DICOM PS3.4 B.2.3 and Table B.2-1 (statuses), PS3.7 9.1.1 (C-STORE).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from node.archive import Archive, ArchiveError, Blank, FileMeta, OutOfSpace, Receipt, is_uid
from node.archive.beginning import Beginning, Unreadable, read_beginning
from node.listener.commands import Answer, Command, Status
from node.listener.negotiation import Context

FIRST_LOOK_BYTES: Final = 2048
SUCCESS: Final = Answer(status=Status.SUCCESS)


def refusal(request: Command, context: Context) -> Answer | None:
    """What the request alone shows to be wrong with it."""
    if request.sop_class_uid != context.sop_class_uid:
        return Answer(
            status=Status.SOP_CLASS_NOT_SUPPORTED, comment="SOP class is not that of the presentation context"
        )
    if not request.sop_instance_uid:
        return Answer(status=Status.CANNOT_UNDERSTAND, comment="request has no Affected SOP Instance UID")
    if not is_uid(request.sop_instance_uid):
        return Answer(status=Status.INVALID_INSTANCE, comment="Affected SOP Instance UID is no UID")
    if not request.has_data_set:
        return Answer(status=Status.CANNOT_UNDERSTAND, comment="request has no data set")
    return None


def store(archive: Archive, meta: FileMeta, blank: Blank | None, pieces: Iterable[memoryview]) -> Answer:
    """Receive a data set into the archive.

    All pieces are taken, whatever happens to the file, since the answer may only follow the last one.

    Parameters
    ----------
    archive
        Where to.
    meta
        What the request and the association say about the instance.
    blank
        A file that was opened ahead, used up by this.
    pieces
        The data set's bytes as they come. What this iterator raises passes through, and nothing is kept.

    Returns
    -------
    Answer
        Success only after the file and its name are on the disk.
    """
    intake = Intake(archive, meta, blank)
    try:
        for piece in pieces:
            intake.take(piece)
        return intake.finish()
    finally:
        intake.abandon()


class Intake:
    """One data set on its way: held back until it shows what it is, then written as it comes.

    Parameters
    ----------
    archive
        Where to.
    meta
        What is said about the instance before its data set comes.
    blank
        A file that was opened ahead, used up by this; None opens one.
    """

    def __init__(self, archive: Archive, meta: FileMeta, blank: Blank | None) -> None:
        self._meta = meta
        self._held = bytearray()
        self._is_known = False  # the data set was found to be what the request says
        self._look_again_at = 0  # with how many bytes; doubling keeps a trickle of bytes from costing a parse each
        self._receipt: Receipt | None = None
        self._answer: Answer | None = None
        try:
            self._receipt = archive.begin(meta, blank)
        except ArchiveError as error:
            self._fail(error)

    def take(self, piece: memoryview) -> None:
        """Take bytes; whatever is wrong with them or with the disk is told by `finish`."""
        if self._answer is not None or self._receipt is None:
            return
        try:
            if self._is_known:
                self._receipt.write(piece)
            elif not self._held and self._look(bytes(piece[:FIRST_LOOK_BYTES]), whole=False):
                self._receipt.write(piece)
            elif self._answer is None:
                self._hold(piece)
        except ArchiveError as error:
            self._fail(error)

    def _hold(self, piece: memoryview) -> None:
        self._held += piece
        if len(self._held) >= self._look_again_at:
            self._look_again_at = 2 * len(self._held)
            self._release(whole=False)

    def _release(self, *, whole: bool) -> None:
        if self._receipt is not None and self._look(bytes(self._held), whole=whole):
            self._receipt.write(self._held)
            self._held.clear()

    def finish(self) -> Answer:
        """Make the instance safe where nothing was wrong; Success only after file and name are on the disk."""
        if self._answer is None and self._receipt is not None:
            try:
                if not self._is_known:
                    self._release(whole=True)
                if self._answer is None:
                    self._receipt.commit()
            except ArchiveError as error:
                self._fail(error)
        return self._answer or SUCCESS

    def abandon(self) -> None:
        """Drop what was written; harmless once it is safe."""
        if self._receipt is not None:
            self._receipt.abort()

    def _look(self, start: bytes, *, whole: bool) -> bool:
        """Whether the data set is known now to be what the request says; sets the answer when it is not."""
        if not start:
            self._answer = Answer(status=Status.CANNOT_UNDERSTAND, comment="data set is empty")
            return False
        try:
            found = read_beginning(start, self._meta.transfer_syntax_uid, whole=whole)
        except Unreadable as fault:
            self._answer = Answer(status=Status.CANNOT_UNDERSTAND, comment=f"not readable: {fault}")
            return False
        if found is None:
            return False
        self._answer = _disagreement(found, self._meta)
        self._is_known = self._answer is None
        return self._is_known

    def _fail(self, error: ArchiveError) -> None:
        words = "not enough free disk space" if isinstance(error, OutOfSpace) else "archive cannot be written"
        self._answer = Answer(status=Status.OUT_OF_RESOURCES, comment=words)
        self.abandon()


def _disagreement(found: Beginning, meta: FileMeta) -> Answer | None:
    if not found.sop_class_uid or not found.sop_instance_uid:
        return Answer(status=Status.CANNOT_UNDERSTAND, comment="data set has no SOP Class UID or SOP Instance UID")
    if found.sop_class_uid != meta.sop_class_uid:
        return Answer(status=Status.MISMATCH, comment="data set is of another SOP class than the request")
    if found.sop_instance_uid != meta.sop_instance_uid:
        return Answer(status=Status.MISMATCH, comment="data set has another SOP Instance UID than the request")
    return None
