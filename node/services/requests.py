"""What the listener hands to the services, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Statuses (PS3.7 Annex C).
PROCESSING_FAILURE: Final = 0x0110
DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
INVALID_ARGUMENT: Final = 0x0115
INVALID_INSTANCE: Final = 0x0117
MISSING_ATTRIBUTE: Final = 0x0120
NO_SUCH_ACTION: Final = 0x0123
UNRECOGNIZED_OPERATION: Final = 0x0211
RESOURCE_LIMITATION: Final = 0x0213

# Command Fields (PS3.7 E.1).
N_EVENT_REPORT, N_SET, N_ACTION, N_CREATE = 0x0100, 0x0120, 0x0130, 0x0140


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """An N-request."""

    field: int  # Command Field
    sop_class_uid: str
    sop_instance_uid: str  # empty where it was not given
    type_id: int | None  # Event Type ID or Action Type ID
    data_set: bytes  # empty where there is none
    transfer_syntax_uid: str
    calling_ae: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """A request that is answered with Success."""

    sop_instance_uid: str
    owed: int | None = None  # key of a commitment request whose report may go out on the same association
    owed_s: float = 0.0  # for how long it may


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedReport:
    """A report of storage commitment, ready to be sent."""

    event_type: int
    event_information: bytes
