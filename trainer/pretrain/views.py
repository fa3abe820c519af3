"""Which region and organ the pictures of a data set show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.packages.parts import CodeOnCard
from models.packages.settings_pictures import Organ, Region, ViewSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a picture shows; the organ is None where only the region is known."""

    region: str
    organ: str | None = None


REGIONS: dict[str, tuple[str, ...]] = {
    "abdomen": ("liver", "gallbladder", "kidney", "spleen", "vessels"),
    "fetus": ("fetal head",),
    "head & neck": ("thyroid gland", "carotid artery"),
    "lower limb": ("muscle",),
    "other": ("peripheral nerve",),
    "thorax": ("breast", "heart", "lung"),
}
VIEW_OF: dict[str, View] = {
    "abdomen": View(region="abdomen"),
    "aul_liver": View(region="abdomen", organ="liver"),
    "bus_bra": View(region="thorax", organ="breast"),
    "busi": View(region="thorax", organ="breast"),
    "camus_4ch": View(region="thorax", organ="heart"),
    "carotid_cca": View(region="head & neck", organ="carotid artery"),
    "hc18": View(region="fetus", organ="fetal head"),
    "lung_pocus": View(region="thorax", organ="lung"),
    "thyroid": View(region="head & neck", organ="thyroid gland"),
    "timtrack_muscle": View(region="lower limb", organ="muscle"),
    "usgra_seg": View(region="other", organ="peripheral nerve"),
    "fetal-head": View(region="fetus", organ="fetal head"),
    "breast-lesion": View(region="thorax", organ="breast"),
}


def view_of(data_set: str, row: Mapping[str, str]) -> View | None:
    """What a picture shows, by the name of its data set and its row of the index; None where that is not known."""
    view = VIEW_OF.get(data_set)
    seen = row.get("organs", "").split()
    if view is not None and len(seen) == 1 and seen[0] in REGIONS[view.region]:
        return View(region=view.region, organ=seen[0])
    return view


def numbers_of(view: View | None) -> tuple[int, int]:
    """Number of the region, and of the organ among those of all regions; -1 where not known."""
    if view is None:
        return -1, -1
    organs = [(region, organ) for region, inside in REGIONS.items() for organ in inside]
    pair = (view.region, view.organ or "")
    return list(REGIONS).index(view.region), organs.index(pair) if pair in organs else -1


def view_settings() -> ViewSettings:
    """The regions and organs as the view head takes them."""
    return ViewSettings(
        regions=tuple(
            Region(name=name, code=_code(name), organs=tuple(Organ(name=o, code=_code(o)) for o in organs))
            for name, organs in REGIONS.items()
        )
    )


def _code(name: str) -> CodeOnCard:
    return CodeOnCard(value=name.upper(), scheme="99ECHOCARE", meaning=name)
