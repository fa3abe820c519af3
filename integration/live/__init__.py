"""Frames of an acquisition that is running: from a folder, a stream or a capture device."""

from integration.live.address import open_source
from integration.live.errors import BadSource, LiveError, SourceLost, SourceUnavailable
from integration.live.frame import Broken, FrameSource, LiveFrame, LiveImage, Received, SourceOptions

__all__ = [
    "BadSource",
    "Broken",
    "FrameSource",
    "LiveError",
    "LiveFrame",
    "LiveImage",
    "Received",
    "SourceLost",
    "SourceOptions",
    "SourceUnavailable",
    "open_source",
]
