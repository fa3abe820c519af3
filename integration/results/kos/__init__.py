"""Which frames and results of a job to look at."""

from integration.results.kos.document import build_kos

__all__ = ["build_kos"]
