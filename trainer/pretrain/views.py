"""Region and organ of a picture as the numbers that the classifier learns."""

from __future__ import annotations

from typing import Final

from trainer.catalogue import ORGANS, REGIONS, Shown

UNKNOWN: Final = -1
_REGION: Final = {region.name: number for number, region in enumerate(REGIONS)}
_ORGAN: Final = {organ.name: number for number, organ in enumerate(ORGANS)}


def numbers_of(shown: Shown) -> tuple[int, int]:
    """Number of the region, and of the organ among those of all regions; `UNKNOWN` where there is no word."""
    return _REGION.get(shown.region, UNKNOWN), _ORGAN.get(shown.organ, UNKNOWN)
