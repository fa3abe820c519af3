"""The settings of a `view` package, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from integration.results.codes import named_concept
from models.findings import Code
from models.packages.parts import CodeOnCard
from models.packages.settings_pictures import Organ as OrganOnCard
from models.packages.settings_pictures import Region as RegionOnCard
from models.packages.settings_pictures import ViewSettings
from trainer.catalogue.hierarchy import ORGANS, REGIONS, organ_named


def view_settings(organs: Iterable[str] | None = None) -> ViewSettings:
    """Regions and organs as the card of a view package has them, in the catalogue's order.

    Parameters
    ----------
    organs
        Names of the organs to tell apart; regions without any of them are left out. None: the whole catalogue. They
        must lie in two regions at least, which is what the card asks for.

    Returns
    -------
    ViewSettings
        Where the catalogue has no verified code, the one of the private scheme that results would give the name.

    Raises
    ------
    NotInCatalogue
        One of the names is not an organ of the catalogue.
    pydantic.ValidationError
        All of them lie in one region.
    """
    wanted = {organ.name for organ in ORGANS} if organs is None else {organ_named(name).name for name in organs}
    regions = []
    for region in REGIONS:
        kept = tuple(
            OrganOnCard(name=organ.name, code=_on_card(organ.code, organ.name))
            for organ in region.organs
            if organ.name in wanted
        )
        if kept:
            regions.append(RegionOnCard(name=region.name, code=_on_card(region.code, region.name), organs=kept))
    return ViewSettings(regions=tuple(regions))


def _on_card(code: Code | None, name: str) -> CodeOnCard:
    concept = named_concept(code, name)
    return CodeOnCard(value=concept.value, scheme=concept.scheme_designator, meaning=concept.meaning)
