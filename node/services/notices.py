"""Instance Availability Notification: N-CREATE.

References
----------
DICOM PS3.4 R.3.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from integration.dimse import read_availability
from node.db import Signal, write
from node.db.tables import announcement
from node.services.errors import Refused
from node.services.naming import uid_of_new
from node.services.requests import DUPLICATE_INSTANCE, Fulfilled, ServiceRequest
from node.studies import Announcement, announce


def notice_availability(engine: sa.Engine, request: ServiceRequest, now: datetime) -> Fulfilled:
    """Somebody says which instances of a study can be had: when they are all here too, the exam is complete.

    Raises
    ------
    Refused
        The UID is taken or none.
    InvalidRequest
        The attribute list cannot be used.
    """
    uid = uid_of_new(request)
    said = read_availability(request.data_set, request.transfer_syntax_uid)
    with write(engine) as connection:
        known = sa.select(announcement.c.id).where(
            announcement.c.signal == Signal.IAN, announcement.c.source_uid == uid
        )
        if connection.execute(known).first() is not None:
            raise Refused("this notification exists already", status=DUPLICATE_INSTANCE)
        announce(
            connection,
            Announcement(signal=Signal.IAN, source_uid=uid, study_uid=said.study_uid, instances=said.available, at=now),
        )
    return Fulfilled(sop_instance_uid=uid)
