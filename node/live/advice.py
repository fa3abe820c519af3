"""Advice from a task of scan quality, asked about a frame after the answer to it is out."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from models.engine import BadFrame, EngineError, FrameInput, Priority
from models.packages import PackageError
from models.packages.settings_pictures import QualitySettings
from node.live.engines import TaskEngine
from node.live.guidance import quality_guidance
from node.live.smoothing import Smoother, Smoothing
from node.logs import log_context

FRESH_S: Final = 1.0  # how long advice about an earlier frame is worth showing

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Advisable:
    """A frame as the engine takes it."""

    inputs: Sequence[FrameInput]
    received_at: float  # s
    view: Hashable  # as `Smoother.smooth` takes it


@dataclass(slots=True, kw_only=True)
class Advisor:
    """Asks a quality task. On the encoder of the session's own task it finds the maps ready, so this costs little.

    A quality package that does not run is told in the log once, and not asked again: findings matter more than advice.
    """

    engine: TaskEngine
    task: str
    settings: QualitySettings
    smoothing: Smoothing
    _smoother: Smoother = field(init=False)
    _words: tuple[str, ...] = ()
    _at: float = float("-inf")
    _broken: bool = False

    def __post_init__(self) -> None:
        self._smoother = Smoother(self.smoothing)

    def look(self, frame: Advisable) -> None:
        """Judge a frame; the words hold until the next, for a short time."""
        if self._broken:
            return
        try:
            found = self.engine.run(self.task, frame.inputs, priority=Priority.ROUTINE)
        except BadFrame:
            return  # the session's own task counts it
        except (EngineError, PackageError) as fault:
            self._broken = True
            _log.warning("No advice on scan quality", extra=log_context(task=self.task, code=fault.code))
            return
        findings = self._smoother.smooth(found.findings, frame.received_at, frame.view)
        self._words, self._at = quality_guidance(findings, self.settings), frame.received_at

    def words(self, at: float) -> tuple[str, ...]:
        """What is advised at a time, s."""
        return self._words if at - self._at <= FRESH_S else ()
