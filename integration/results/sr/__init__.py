"""Findings to structured reports: what can be drawn in one, what can only be read in another."""

from integration.results.sr.content import warm_up
from integration.results.sr.document import build_sr, build_sr_text

__all__ = ["build_sr", "build_sr_text", "warm_up"]
