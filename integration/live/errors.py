"""What can be wrong with a source of live frames.

::

    LiveError
    ├── BadSource            the source's address means nothing
    ├── SourceUnavailable    nothing comes from there: no such folder or device, or the port cannot be had
    └── SourceLost           it was there, and went away while frames were taken

A frame that cannot be used is none of these: it is counted and passed over (`Broken`, or a `PixelError` of its own).
"""

from __future__ import annotations

from typing import ClassVar


class LiveError(Exception):
    """A source that gives no frames."""

    code: ClassVar[str] = "live"
    retryable: ClassVar[bool] = False


class BadSource(LiveError):
    """The address is not one of the known kinds, or not whole."""

    code = "live.bad-source"


class SourceUnavailable(LiveError):
    """The source cannot be opened."""

    code = "live.source-unavailable"


class SourceLost(LiveError):
    """The source went away."""

    code = "live.source-lost"
