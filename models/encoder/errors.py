"""What can be wrong with what an encoder is given.

EncoderError
└── UnfitTable
"""

from __future__ import annotations


class EncoderError(ValueError):
    """An encoder cannot take this."""

    code: str = "encoder"
    retryable: bool = False


class UnfitTable(EncoderError):
    """A table of relative positions is of no square window, or of another number of heads."""

    code = "encoder-unfit-table"
