"""The states of work items, and what is said to each request: one function a request, and nothing else decides.

References
----------
DICOM PS3.4 Table CC.1.1-2 (state transitions) and CC.2.1.4, CC.2.2.4, CC.2.6.4 (statuses).
"""

from __future__ import annotations

from enum import IntEnum

from node.db import WorkitemState


class Said(IntEnum):
    """What a request is answered with: the statuses of the Unified Procedure Step Service Class."""

    DONE = 0x0000
    ALREADY_CANCELED = 0xB304  # a warning: it is in the state that is asked for
    ALREADY_COMPLETED = 0xB306  # likewise
    DUPLICATE = 0x0111
    NO_LONGER_UPDATED = 0xC300
    WRONG_TRANSACTION = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    ONLY_BY_CREATION = 0xC303
    NOT_FINAL = 0xC304  # attributes that its final state needs are missing
    NOT_IN_PROGRESS = 0xC310
    COMPLETED_BEFORE = 0xC311
    UNREACHABLE = 0xC312  # its performer cannot be told
    WILL_NOT = 0xC313  # its performer chooses not to cancel

    @property
    def is_refusal(self) -> bool:
        """Whether nothing was done."""
        return self not in (Said.DONE, Said.ALREADY_CANCELED, Said.ALREADY_COMPLETED)


def judge_change(
    state: WorkitemState, holder: str | None, asked: WorkitemState, transaction_uid: str, *, is_final: bool
) -> Said:
    """What is said to a request to change the state.

    Parameters
    ----------
    state
        As it is.
    holder
        The Transaction UID of its performer; None where nobody has claimed it.
    asked
        As it shall be.
    transaction_uid
        Of the request; empty where it has none.
    is_final
        Whether the work item has the attributes that the state asked for needs.
    """
    if asked is WorkitemState.SCHEDULED:
        return Said.ONLY_BY_CREATION
    # Before anybody has claimed it, every Transaction UID is a correct one.
    if not transaction_uid or (state is not WorkitemState.SCHEDULED and transaction_uid != holder):
        return Said.WRONG_TRANSACTION
    if asked is WorkitemState.IN_PROGRESS:
        return {
            WorkitemState.SCHEDULED: Said.DONE,
            WorkitemState.IN_PROGRESS: Said.ALREADY_IN_PROGRESS,
        }.get(state, Said.NO_LONGER_UPDATED)
    if state is WorkitemState.SCHEDULED:
        return Said.NOT_IN_PROGRESS
    if state is WorkitemState.IN_PROGRESS:
        return Said.DONE if is_final else Said.NOT_FINAL
    if state is not asked:
        return Said.NO_LONGER_UPDATED
    return Said.ALREADY_COMPLETED if asked is WorkitemState.COMPLETED else Said.ALREADY_CANCELED


def judge_update(state: WorkitemState, holder: str | None, transaction_uid: str) -> Said:
    """What is said to a request to update attributes.

    Parameters
    ----------
    state, holder
        As in `judge_change`.
    transaction_uid
        Of the request; empty where it has none, as it shall be before the work item is claimed.
    """
    if state is WorkitemState.SCHEDULED:
        return Said.NOT_IN_PROGRESS if transaction_uid else Said.DONE
    if state is WorkitemState.IN_PROGRESS:
        return Said.DONE if transaction_uid == holder else Said.WRONG_TRANSACTION
    return Said.NO_LONGER_UPDATED


def judge_cancel(state: WorkitemState, *, ours: bool, results_made: bool) -> Said:
    """What is said to a request for cancellation by somebody who does not perform the work item.

    Parameters
    ----------
    state
        As it is.
    ours
        Whether this node performs it; others that perform one are not subscribed to anything and cannot be told.
    results_made
        Whether nothing is left to be cancelled.
    """
    if state is WorkitemState.COMPLETED:
        return Said.COMPLETED_BEFORE
    if state is WorkitemState.CANCELED:
        return Said.ALREADY_CANCELED
    if state is WorkitemState.IN_PROGRESS:
        return Said.UNREACHABLE if not ours else Said.WILL_NOT if results_made else Said.DONE
    return Said.DONE
