"""Findings as marks and words that a viewer lays over the source and takes away again."""

from integration.results.pr.document import build_pr

__all__ = ["build_pr"]
