"""What can stop the writing of results.

ResultError
├── FindingDoesNotFit   a finding that cannot belong to the source image
├── UnreadableText      text of the source that its character set does not decode
└── UnwritableFolder    the results could not be put on the disk; may pass with time
"""

from __future__ import annotations

from typing import ClassVar


class ResultError(Exception):
    """No result was written, for the reason in the message; it holds no attribute of the patient."""

    code: ClassVar[str] = "results"
    retryable: ClassVar[bool] = False


class FindingDoesNotFit(ResultError):
    """A finding whose frame, size or kind does not go with the source image."""

    code = "results.finding-does-not-fit"


class UnreadableText(ResultError):
    """A patient or study attribute that does not decode by the character set that the source declares."""

    code = "results.unreadable-text"


class UnwritableFolder(ResultError):
    """The disk is full, or the folder cannot be written."""

    code = "results.unwritable-folder"
    retryable = True
