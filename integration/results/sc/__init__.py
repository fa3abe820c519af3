"""Findings drawn into the picture, for viewers that show nothing else."""

from integration.results.sc.document import build_sc

__all__ = ["build_sc"]
