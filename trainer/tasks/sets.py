"""The data sets that tasks learn from, as cards name them.

Sources: the SOURCE.txt of each set's folder. Words of licences are chosen so that `use_of_licence` reads them aright.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.packages.licences import Use, use_of_licence


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOnCard:
    """One data set in words."""

    title: str
    licence: str

    @property
    def use(self) -> Use:
        """What the licence leaves open."""
        return use_of_licence(self.licence)


SETS = {
    "abdomen": SetOnCard(
        title="Abdomen, RUS part of US simulation & segmentation (Vitale et al. 2020)",
        licence="unclear: a Creative Commons variant is not named",
    ),
    "aul_liver": SetOnCard(title="AUL liver (Xu et al. 2023)", licence="CC BY 4.0"),
    "bus_bra": SetOnCard(
        title="BUS-BRA (Gomez-Flores et al. 2024)", licence="permissive (MIT-style), citation required"
    ),
    "camus_4ch": SetOnCard(
        title="CAMUS (Leclerc et al. 2019)", licence="CC BY-NC-SA 4.0, non-commercial scientific research only"
    ),
    "carotid_cca": SetOnCard(
        title="Common Carotid Artery Ultrasound Images (Momot 2022)", licence="CC BY 4.0 by the record"
    ),
    "hc18": SetOnCard(title="HC18 (van den Heuvel et al. 2018)", licence="CC BY 4.0"),
    "hc18_landmarks": SetOnCard(
        title="Landmarks on HC18 (pictures: van den Heuvel et al. 2018)",
        licence="landmarks CC BY-NC-SA 4.0, pictures CC BY 4.0",
    ),
    "lung_pocus": SetOnCard(
        title="POCUS lung (Born et al. 2021)", licence="by item, most CC BY-NC 4.0, some CC BY 4.0"
    ),
    "thyroid": SetOnCard(
        title="DDTI thyroid (Pedraza et al. 2015)", licence="unclear: open access, no explicit licence text found"
    ),
    "timtrack_muscle": SetOnCard(title="TimTrack (van der Zee, Kuo 2022)", licence="CC0 1.0"),
    "usgra_seg": SetOnCard(title="usgra-seg (Kandaouroff 2025)", licence="CC BY 4.0"),
}
SAME_PICTURES = {"hc18_landmarks": "hc18"}  # a set whose index points at the files of another
