"""Findings and their source to DICOM results, written so that a crash leaves none half done."""

from integration.results.errors import FindingDoesNotFit, ResultError, UnreadableText, UnwritableFolder
from integration.results.objects import ObjectKind
from integration.results.request import (
    Predecessor,
    ResultObject,
    ResultOptions,
    ResultRequest,
    SegmentationType,
    Source,
)
from integration.results.sr import warm_up
from integration.results.uids import derived_uid
from integration.results.write import write_results

__all__ = [
    "FindingDoesNotFit",
    "ObjectKind",
    "Predecessor",
    "ResultError",
    "ResultObject",
    "ResultOptions",
    "ResultRequest",
    "SegmentationType",
    "Source",
    "UnreadableText",
    "UnwritableFolder",
    "derived_uid",
    "warm_up",
    "write_results",
]
