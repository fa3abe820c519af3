"""UIDs that follow from what they name, so that a replay makes no second object."""

from __future__ import annotations

import uuid

from pydicom.uid import UID

_NAMESPACE = uuid.UUID("c01cbf0e-6a1c-5f0e-9c50-3f6ab40f8d07")  # ours, fixed for ever: another would be another node


def derived_uid(job_identity: str, role: str, part: str = "") -> str:
    """A UID for one part of one result of one job.

    Parameters
    ----------
    job_identity
        Hexadecimal identity of the job.
    role
        Of the result, such as "SEG" or "SR-TEXT"; or "TRACK", "DEVICE".
    part
        What of it: "" is the instance itself, "series" its series.

    Returns
    -------
    str
        UUID version 5 under 2.25; at most 44 characters.

    References
    ----------
    DICOM PS3.5 B.2 (UUID derived UID).
    """
    named = uuid.uuid5(_NAMESPACE, "\n".join((job_identity, role, part)))
    return str(UID(f"2.25.{named.int}"))
