"""Images of any transfer syntax as upright frames of eight bits, and the scale that they prove."""

from integration.pixels.calibration import Calibration, NotCalibrated
from integration.pixels.errors import (
    BadHeader,
    FrameTooSmall,
    NoPixelData,
    NoSuchFrame,
    NotAnImage,
    PixelError,
    TooLarge,
    Truncated,
    UndecodableFrame,
    UnsupportedPhotometric,
    UnsupportedTransferSyntax,
    ZeroFrames,
)
from integration.pixels.limits import Limits
from integration.pixels.measure import in_physical_units
from integration.pixels.picture import open_picture
from integration.pixels.regions import Region
from integration.pixels.source import SourceImage, open_image
from integration.pixels.views import View

__all__ = [
    "BadHeader",
    "Calibration",
    "FrameTooSmall",
    "Limits",
    "NoPixelData",
    "NoSuchFrame",
    "NotAnImage",
    "NotCalibrated",
    "PixelError",
    "Region",
    "SourceImage",
    "TooLarge",
    "Truncated",
    "UndecodableFrame",
    "UnsupportedPhotometric",
    "UnsupportedTransferSyntax",
    "View",
    "ZeroFrames",
    "in_physical_units",
    "open_image",
    "open_picture",
]
