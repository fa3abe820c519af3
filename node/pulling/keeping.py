"""What is fetched on its way into the archive: the same intake as that of C-STORE and STOW-RS."""

from __future__ import annotations

from collections.abc import Callable, Collection

from integration.retrieval import Arriving, Keeper, Reception, Refusal
from node.archive import Archive, FileMeta, is_uid
from node.config import Settings
from node.listener.commands import Answer, Status
from node.listener.sop_classes import DEFAULT
from node.listener.storing import Intake


class ArchiveKeeper:
    """Begins an intake for each instance; it is safe, file and name, before it counts as kept.

    Parameters
    ----------
    archive
        Where to.
    settings
        Which SOP classes are taken, and this node's AE title.
    calling_ae
        What rules see as the sender.
    took
        Told how many bytes came.
    """

    def __init__(
        self, archive: Archive, settings: Settings, calling_ae: str, took: Callable[[int], None] = lambda count: None
    ) -> None:
        self._archive, self._took = archive, took
        self._calling, self._called = calling_ae, settings.node.ae_title
        listed = settings.listener.storage_sop_classes
        self._classes = DEFAULT if listed is None else frozenset(listed)

    def begin(self, arriving: Arriving) -> Reception:
        """An instance comes."""
        if arriving.sop_class_uid not in self._classes:
            return _Refused(Answer(status=Status.SOP_CLASS_NOT_SUPPORTED, comment="SOP class is not taken here"))
        if not is_uid(arriving.sop_instance_uid):
            return _Refused(Answer(status=Status.INVALID_INSTANCE, comment="SOP Instance UID is no UID"))
        meta = FileMeta(
            sop_class_uid=arriving.sop_class_uid,
            sop_instance_uid=arriving.sop_instance_uid,
            transfer_syntax_uid=arriving.transfer_syntax_uid,
            calling_ae=self._calling,
            called_ae=self._called,
        )
        return _Taken(Intake(self._archive, meta, None), self._took)


class AskedKeeper:
    """Keeps what was asked for and nothing else, whatever a source sends.

    Parameters
    ----------
    keeper
        Where to.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.asked: Collection[str] = ()  # SOP Instance UIDs

    def begin(self, arriving: Arriving) -> Reception:
        """An instance comes."""
        if arriving.sop_instance_uid not in self.asked:
            return _Refused(Answer(status=Status.INVALID_INSTANCE, comment="it was not asked for"))
        return self._keeper.begin(arriving)


class _Taken:
    def __init__(self, intake: Intake, took: Callable[[int], None]) -> None:
        self._intake, self._took = intake, took

    def take(self, piece: memoryview) -> None:
        self._intake.take(piece)
        self._took(len(piece))

    def finish(self) -> Refusal | None:
        return _refusal(self._intake.finish())

    def abandon(self) -> None:
        self._intake.abandon()


class _Refused:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def take(self, piece: memoryview) -> None:
        """Its bytes are passed over."""

    def finish(self) -> Refusal | None:
        return _refusal(self._answer)

    def abandon(self) -> None:
        """Nothing was taken."""


def _refusal(answer: Answer) -> Refusal | None:
    if answer.status == Status.SUCCESS:
        return None
    return Refusal(status=int(answer.status), words=answer.comment)
