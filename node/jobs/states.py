"""The states of jobs and deliveries, and every step between them: one table each, and nothing else decides."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from node.db import DeliveryState, JobState
from node.jobs.errors import NotAllowed

State: TypeAlias = JobState | DeliveryState


class Step(StrEnum):
    """What can happen to a job or a delivery."""

    CLAIM = "claimed"
    FINISH = "finished"  # a job's results are written
    ACCEPT = "accepted"  # a destination answered Success
    COMMIT = "committed"  # a destination took responsibility
    POSTPONE = "postponed"  # an attempt failed or its worker is gone; there will be another
    FAIL = "failed"  # for good: a dead letter
    REDELIVER = "redelivered"  # a destination that accepted it did not commit to it
    GIVE_UP = "given_up"  # a destination that accepted it did not commit to it, time and again
    CANCEL = "cancelled"
    RETRY = "retried"  # by a person


JOB_STEPS: Final = MappingProxyType(
    {
        (JobState.READY, Step.CLAIM): JobState.LEASED,
        (JobState.READY, Step.CANCEL): JobState.CANCELLED,
        (JobState.LEASED, Step.FINISH): JobState.DONE,
        (JobState.LEASED, Step.POSTPONE): JobState.READY,
        (JobState.LEASED, Step.FAIL): JobState.FAILED,
        (JobState.LEASED, Step.CANCEL): JobState.CANCELLED,
        (JobState.FAILED, Step.RETRY): JobState.READY,
        (JobState.CANCELLED, Step.RETRY): JobState.READY,
    }
)
DELIVERY_STEPS: Final = MappingProxyType(
    {
        (DeliveryState.READY, Step.CLAIM): DeliveryState.LEASED,
        (DeliveryState.LEASED, Step.ACCEPT): DeliveryState.ACCEPTED,
        (DeliveryState.LEASED, Step.POSTPONE): DeliveryState.READY,
        (DeliveryState.LEASED, Step.FAIL): DeliveryState.FAILED,
        (DeliveryState.ACCEPTED, Step.COMMIT): DeliveryState.COMMITTED,
        (DeliveryState.ACCEPTED, Step.REDELIVER): DeliveryState.READY,
        (DeliveryState.ACCEPTED, Step.GIVE_UP): DeliveryState.FAILED,
        (DeliveryState.FAILED, Step.RETRY): DeliveryState.READY,
    }
)


def after_job(state: JobState, step: Step) -> JobState:
    """The state of a job after a step.

    Raises
    ------
    NotAllowed
        The table has no such step from this state.
    """
    found = JOB_STEPS.get((state, step))
    if found is None:
        raise NotAllowed(f"a job that is {state} cannot be {step}")
    return found


def after_delivery(state: DeliveryState, step: Step) -> DeliveryState:
    """The state of a delivery after a step.

    Raises
    ------
    NotAllowed
        The table has no such step from this state.
    """
    found = DELIVERY_STEPS.get((state, step))
    if found is None:
        raise NotAllowed(f"a delivery that is {state} cannot be {step}")
    return found
