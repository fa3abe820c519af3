"""What can be wrong with an image, each with words for the report: what, where, how to mend it.

None of these passes with time, so none is worth a retry; messages hold no attribute of the patient.
"""

from __future__ import annotations

from typing import ClassVar


class PixelError(Exception):
    """An image that cannot be used."""

    code: ClassVar[str] = "pixels"
    retryable: ClassVar[bool] = False


class NotAnImage(PixelError):
    """The file is not DICOM, or no picture, or cannot be read at all."""

    code = "pixels.not-an-image"


class NoPixelData(PixelError):
    """The instance has no (7FE0,0010) PixelData."""

    code = "pixels.no-pixel-data"


class ZeroFrames(PixelError):
    """(0028,0008) NumberOfFrames is below 1."""

    code = "pixels.zero-frames"


class BadHeader(PixelError):
    """An attribute that describes the pixels is missing or contradicts another."""

    code = "pixels.bad-header"


class FrameTooSmall(PixelError):
    """A frame with too few pixels to show anything."""

    code = "pixels.frame-too-small"


class TooLarge(PixelError):
    """A size beyond the limits."""

    code = "pixels.too-large"


class Truncated(PixelError):
    """The pixel data end before the last frame."""

    code = "pixels.truncated"


class NoSuchFrame(PixelError):
    """A frame number outside 1 to NumberOfFrames."""

    code = "pixels.no-such-frame"


class UndecodableFrame(PixelError):
    """A frame whose bytes do not decode to the picture the header promises.

    Attributes
    ----------
    frame
        Its number, from 1.
    """

    code = "pixels.undecodable-frame"

    def __init__(self, frame: int, message: str) -> None:
        super().__init__(frame, message)
        self.frame = frame
        self.message = message

    def __str__(self) -> str:
        return f"frame {self.frame} cannot be decoded: {self.message}"


class UnsupportedTransferSyntax(PixelError):
    """A compression this node does not know."""

    code = "pixels.unsupported-transfer-syntax"


class UnsupportedPhotometric(PixelError):
    """A colour space or sample format this node does not know."""

    code = "pixels.unsupported-photometric"
