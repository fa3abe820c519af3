"""The thread that takes everything a source gives, so that nothing old ever waits in it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from integration.live import FrameSource, LiveError, LiveFrame
from node.live.latest import Latest
from node.live.tally import Tally

STOP_S: Final = 3.0  # a device that hangs is left to the end of the process


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Numbered:
    """A frame with its place among all that came in, from 1."""

    number: int
    frame: LiveFrame


class Receiver:
    """Receives from its start until it is closed.

    Parameters
    ----------
    source
        Closed with the receiver.
    tally
        Told of every frame.
    """

    def __init__(self, source: FrameSource, tally: Tally) -> None:
        self._source, self._tally = source, tally
        self._latest: Latest[Numbered] = Latest()
        self._stop = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._receive, name="live-receiver", daemon=True)
        self._thread.start()

    def take(self, within_s: float) -> Numbered | None:
        """The newest frame; None when none came in time.

        Raises
        ------
        LiveError
            The source was lost, and its last frame was taken before.
        """
        taken = self._latest.take(within_s)
        if taken is None and self._fault is not None and self._latest.over:
            raise self._fault
        return taken

    @property
    def over(self) -> bool:
        """Whether the source has ended, and every frame of it was taken."""
        return self._fault is None and self._latest.over

    def close(self) -> None:
        """Stop, and close the source; a frame that nobody began counts as dropped."""
        self._stop.set()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            return
        self._source.close()
        if self._latest.take(0) is not None:
            self._tally.add("dropped")

    def _receive(self) -> None:
        try:
            for item in self._source.frames(self._stop):
                if not isinstance(item, LiveFrame):
                    self._tally.add("seen", "bad")
                    continue
                number = self._tally.add("seen")
                if self._latest.put(Numbered(number=number, frame=item)):
                    self._tally.add("dropped")
        except LiveError as fault:
            self._fault = fault
        except BaseException as fault:  # noqa: BLE001 - goes to the thread that takes the frames
            self._fault = fault
        finally:
            self._latest.close()
