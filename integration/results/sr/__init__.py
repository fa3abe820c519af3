"""Findings to structured reports: what can be drawn, what can only be read, and what a template of its own has."""

from integration.results.sr.content import warm_up
from integration.results.sr.document import build_sr, build_sr_echo, build_sr_ob, build_sr_text, changes_of

__all__ = ["build_sr", "build_sr_echo", "build_sr_ob", "build_sr_text", "changes_of", "warm_up"]
