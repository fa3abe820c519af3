"""Reader of what a picture shows: the region of the body, and the organ as far as it is sure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from models.findings import Category, Finding
from models.packages.settings_pictures import Region, ViewSettings
from models.readers.gathering import Evidence, Gathering
from models.readers.reader import Raw, Seen
from models.readers.telling import answered, silent, softmax, unsure


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenView:
    """What routing rules are told of a picture; empty where nothing is said."""

    region: str = ""
    organ: str = ""
    confidence: float = 0.0  # of the organ where one is said, else of the region


class ViewReader:
    """Region and organ of each view of a still or a cine."""

    def __init__(self, settings: ViewSettings) -> None:
        self._settings = settings
        self._gathering = Gathering(settings, settings.region)

    def see(self, seen: Seen) -> None:
        """Take note of one view's log-probabilities of regions, and of organs given theirs."""
        self._gathering.add(seen, np.concatenate([seen.raw["region"], seen.raw["organ"]]))

    def again(self) -> Sequence[NDArray[np.uint8]]:
        """None: all frames were heard."""
        return ()

    def findings(self, again: Sequence[Raw]) -> tuple[Finding, ...]:
        """Region and organ of each view, or why either is not said."""
        said = [finding for evidence in self._gathering.evidence for finding in self._view(evidence)]
        return tuple(said) or (self._gathering.out_of_scope(),)

    def _view(self, evidence: Evidence) -> list[Finding]:
        settings = self._settings
        regions, organs = view_probabilities(evidence.mean, settings)
        each_regions, each_organs = view_probabilities(evidence.rows, settings)
        best = int(np.argmax(regions))
        region, sure = settings.regions[best], float(regions[best])
        frame = evidence.frame_that_says(each_regions[:, best])
        group = f"{settings.region.name} {evidence.number}"
        if sure < settings.least_region:
            return [silent(settings.region, group, frame, sure, unsure(region.name, sure, settings.least_region))]
        said: list[Finding] = [answered(settings.region, region.code, group, frame, sure)]
        offset = _first_organs(settings.regions)[best]
        chosen = int(np.argmax(organs[offset : offset + len(region.organs)]))
        organ, both = region.organs[chosen], float(organs[offset + chosen])
        frame = evidence.frame_that_says(each_organs[:, offset + chosen])
        group = f"{settings.organ.name} {evidence.number}"
        if both < settings.least_organ:
            reason = unsure(f"{organ.name} in the region {region.name}", both, settings.least_organ)
            return [*said, silent(settings.organ, group, frame, both, reason)]
        return [*said, answered(settings.organ, organ.code, group, frame, both)]


def view_probabilities(
    logs: NDArray[np.float64], settings: ViewSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Calibrated probabilities of regions and of organs.

    Parameters
    ----------
    logs
        (…, regions + organs): log-probabilities of regions, then those of organs given their region.

    Returns
    -------
    tuple
        (…, regions) and (…, organs); those of a region's organs add up to the region's.
    """
    count = len(settings.regions)
    regions = softmax(logs[..., :count] / settings.region_temperature)
    parts = np.split(logs[..., count:], _first_organs(settings.regions)[1:], axis=-1)
    organs = [regions[..., i : i + 1] * softmax(part / settings.organ_temperature) for i, part in enumerate(parts)]
    return regions, np.concatenate(organs, axis=-1)


def seen_view(findings: Iterable[Finding], settings: ViewSettings) -> SeenView:
    """What the findings of this task say, in the words of the card: of several views, the surest."""
    best: dict[str, SeenView] = {}
    for finding in findings:
        if not isinstance(finding, Category):
            continue
        number = finding.group.rsplit(" ", 1)[-1]
        before, sure = best.get(number, SeenView()), finding.probability or 0.0
        for region in settings.regions:
            if finding.name == settings.region.name and finding.value == region.code.to_code():
                best[number] = SeenView(region=region.name, confidence=sure)
            for organ in region.organs:
                here = finding.name == settings.organ.name and before.region == region.name
                if here and finding.value == organ.code.to_code():
                    best[number] = SeenView(region=region.name, organ=organ.name, confidence=sure)
    return max(best.values(), key=lambda view: (view.organ != "", view.confidence), default=SeenView())


def _first_organs(regions: tuple[Region, ...]) -> list[int]:
    """Where the organs of each region begin among all."""
    return list(accumulate((len(region.organs) for region in regions[:-1]), initial=0))
