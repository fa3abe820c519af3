"""Which kinds of objects a job writes.

An object is written only where it has something to say: no SEG without a mask, no presentation state without a mark,
no enhanced picture without one, no key objects where nothing was found. What is written unless a site says otherwise:

- SEG, SR and SC. Viewers that draw segmentations and measurements show the first two over the source; the Secondary
  Capture is for all others, and shows what was meant even where everything else fails.
- ENH, of the tasks that make pictures: it is their answer.
- KOS of a clip: it leads to the few frames that matter among a hundred, which is what DICOM has it for (PS3.3 A.35.4),
  and changes nothing on the screen; OHIF, which knows none, lists one series more with a warning sign. A still has but
  one frame, so that its selection would only lengthen the list of series.

What a site has to ask for:

- PR: many viewers apply the newest presentation state by themselves. The radiologist's first look would then be at a
  picture with a computer's marks on it.
- PDF: it says again what SR and SC say, for systems that take documents and no DICOM reports.

Silence is never an absence: where a job would write nothing at all, its report is written.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from integration.results.request import ResultRequest


class ObjectKind(StrEnum):
    """A kind of result object; a kind can have objects of several roles, such as SR and SR-TEXT."""

    SEG = "SEG"
    SR = "SR"
    SC = "SC"
    ENH = "ENH"
    PR = "PR"
    KOS = "KOS"
    PDF = "PDF"


DEFAULT: Final = frozenset((ObjectKind.SEG, ObjectKind.SR, ObjectKind.SC, ObjectKind.ENH))


def kind_of(role: str) -> ObjectKind:
    """The kind that an object of this role is of: the role's first word."""
    return ObjectKind(role.partition("-")[0])


def wanted(request: ResultRequest) -> frozenset[ObjectKind]:
    """The kinds that are written for a request, as far as they have something to say."""
    if request.options.objects is not None:
        return frozenset(map(ObjectKind, request.options.objects))
    clip = request.source.number_of_frames > 1
    return DEFAULT | {ObjectKind.KOS} if clip else DEFAULT
