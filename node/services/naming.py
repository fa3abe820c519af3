"""The UID of an instance that an N-CREATE makes."""

from __future__ import annotations

import uuid

from node.archive import is_uid
from node.services.errors import Refused
from node.services.requests import INVALID_INSTANCE, ServiceRequest


def uid_of_new(request: ServiceRequest) -> str:
    """The UID that the caller gave, or a new one where it gave none (PS3.7 10.1.5.1.4).

    Raises
    ------
    Refused
        What it gave is no UID.
    """
    uid = request.sop_instance_uid or f"2.25.{uuid.uuid4().int}"
    if not is_uid(uid):
        raise Refused("Affected SOP Instance UID is no UID", status=INVALID_INSTANCE)
    return uid
