"""Findings drawn into the picture, for viewers that show nothing else."""

from integration.results.sc.document import build_sc
from integration.results.sc.enhanced import build_enhanced

__all__ = ["build_enhanced", "build_sc"]
