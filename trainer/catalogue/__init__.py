"""Regions and organs that ultrasound looks at, and what each data set says in their words."""

from trainer.catalogue.data_sets import DATA_SETS, DataSet, Shown, Structure
from trainer.catalogue.hierarchy import ORGANS, REGIONS, Organ, Region, organ_named, region_named, region_of
from trainer.catalogue.view_settings import view_settings

__all__ = [
    "DATA_SETS",
    "ORGANS",
    "REGIONS",
    "DataSet",
    "Organ",
    "Region",
    "Shown",
    "Structure",
    "organ_named",
    "region_named",
    "region_of",
    "view_settings",
]
