"""Findings and their source to DICOM results: SEG, SR and SC, written so that a crash leaves none half done."""

from integration.results.errors import FindingDoesNotFit, ResultError, UnreadableText, UnwritableFolder
from integration.results.request import Predecessor, ResultObject, ResultOptions, ResultRequest, Source
from integration.results.sr import warm_up
from integration.results.uids import derived_uid
from integration.results.write import write_results

__all__ = [
    "FindingDoesNotFit",
    "Predecessor",
    "ResultError",
    "ResultObject",
    "ResultOptions",
    "ResultRequest",
    "Source",
    "UnreadableText",
    "UnwritableFolder",
    "derived_uid",
    "warm_up",
    "write_results",
]
