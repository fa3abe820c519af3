"""What a site wants of its results, as `integration.results` takes it."""

from __future__ import annotations

from integration.results import ResultOptions, SegmentationType
from node.config import Settings


def result_options(settings: Settings, route: str | None = None) -> ResultOptions:
    """The options of one route's results; of none, or of one that is not configured, those of the site."""
    of_route = next((each.objects for each in settings.routes if each.name == route), None)
    objects = settings.results.objects if of_route is None else of_route
    return ResultOptions(
        ohif_compat=settings.results.ohif_compat,
        research_use=settings.results.research_use,
        institution_name=settings.results.institution,
        objects=None if objects is None else tuple(kind.value for kind in objects),
        segmentation=SegmentationType(settings.results.segmentation),
    )
