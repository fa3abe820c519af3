"""What each data set's labels mean in the catalogue's words.

A row of a data set's `index.csv` gives the region and, where it is known, the organ; the values of its masks give
structures. The columns named here are also the only ones that `echocare-train shards` copies: whatever else a row
says about a patient stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from trainer.catalogue.hierarchy import region_named, region_of

Row: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a picture shows; an empty word means that it is not known."""

    region: str = ""
    organ: str = ""  # the main one
    organs: tuple[str, ...] = ()  # all that are labelled, the largest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What one value of a mask outlines."""

    name: str
    organ: str | None  # of the catalogue; None: it is none of them


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """How to read one data set."""

    name: str  # its folder
    shown: Callable[[Row], Shown]
    structures: Mapping[int, Structure] = field(default_factory=dict)  # by the value in the mask
    labels: tuple[str, ...] = ()  # columns with what is learned from a row


def organ_shown(organ: str) -> Shown:
    """A picture of one organ, with its region."""
    return Shown(region=region_of(organ).name, organ=organ, organs=(organ,))


def _always(organ: str) -> Callable[[Row], Shown]:
    shown = organ_shown(organ)
    return lambda _: shown


ABDOMEN_ORGANS: Final = {
    "liver": "liver",
    "gallbladder": "gallbladder",
    "kidney": "kidney",
    "pancreas": "pancreas",
    "vessels": "abdominal vessels",
    "spleen": "spleen",
    "adrenal": "adrenal gland",
}
MUSCLES: Final = {"vastus lateralis": "quadriceps muscle", "gastrocnemius lateralis": "gastrocnemius muscle"}
# Read off the pictures by eye; what shows a probe in air, a test pattern or nothing sure is left out.
DICOM_FILES: Final = {
    "GH364.dcm": "pancreas",
    "US-PAL-8-10x-echo.dcm": "heart",
    "color-pl.dcm": "heart",
    "examples_ybr_color.dcm": "heart",
    "will-jxl.dcm": "heart",
    "US1_RLE.dcm": "lymph node",
    "US1_UNCI.dcm": "lymph node",
    "examples_jpeg2k.dcm": "lymph node",
    "examples_rgb_color.dcm": "lymph node",
    "YBR_422.dcm": "elbow",
}
PHANTOMS: Final = {"fetal head": "fetal head", "breast": "breast"}


def _abdomen(row: Row) -> Shown:
    """The organ with the largest outline is the main one; a picture without annotation is of the abdomen, no more."""
    areas = {organ: float(row.get(f"{name}_area_px") or 0) for name, organ in ABDOMEN_ORGANS.items()}
    outlined = sorted((organ for organ, area in areas.items() if area > 0), key=lambda organ: (-areas[organ], organ))
    return Shown(region="abdomen", organ=outlined[0] if outlined else "", organs=tuple(outlined))


def _muscle(row: Row) -> Shown:
    organ = MUSCLES.get(row.get("muscle", ""))
    return organ_shown(organ) if organ else Shown(region="lower limb")


def _dicom_file(row: Row) -> Shown:
    organ = DICOM_FILES.get(row.get("file", ""))
    return organ_shown(organ) if organ else Shown()


def _phantom(row: Row) -> Shown:
    """By its `subject`, such as "fetal head still"."""
    organ = next((organ for start, organ in PHANTOMS.items() if row.get("subject", "").startswith(start)), None)
    return organ_shown(organ) if organ else Shown()


def _own_words(row: Row) -> Shown:
    """A local cohort says region and organ in the catalogue's words; another word is an error."""
    organ, region = row.get("organ", ""), row.get("region", "")
    return organ_shown(organ) if organ else Shown(region=region and region_named(region).name)


def _one(name: str, organ: str | None = None) -> dict[int, Structure]:
    return {255: Structure(name=name, organ=organ)}


_BREAST_BOX: Final = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")

LOCAL_COHORT: Final = DataSet(name="cohort", shown=_own_words, labels=("label",))
"""Any folder that is none of the data sets below."""

_ALL: Final = (
    DataSet(
        name="abdomen",
        shown=_abdomen,
        structures={
            1: Structure(name="liver", organ="liver"),
            2: Structure(name="bone", organ=None),
            3: Structure(name="gallbladder", organ="gallbladder"),
            4: Structure(name="kidney", organ="kidney"),
            5: Structure(name="pancreas", organ="pancreas"),
            6: Structure(name="vessels", organ="abdominal vessels"),
            7: Structure(name="spleen", organ="spleen"),
            8: Structure(name="adrenal", organ="adrenal gland"),
        },
        labels=("annotated",),
    ),
    DataSet(
        name="aul_liver",
        shown=_always("liver"),
        structures={1: Structure(name="liver", organ="liver"), 2: Structure(name="mass", organ=None)},
        labels=("label", "scan_box_x0", "scan_box_y0", "scan_box_x1", "scan_box_y1"),
    ),
    DataSet(
        name="bus_bra",
        shown=_always("breast"),
        structures=_one("lesion"),
        labels=("pathology", "birads", "histology", *_BREAST_BOX),
    ),
    DataSet(name="busi", shown=_always("breast"), structures=_one("lesion"), labels=("label", *_BREAST_BOX)),
    DataSet(
        name="camus_4ch",
        shown=_always("heart"),
        structures={
            1: Structure(name="left ventricle cavity", organ="heart"),
            2: Structure(name="myocardium", organ="heart"),
            3: Structure(name="left atrium", organ="heart"),
        },
        labels=("view", "phase", "ef_single_plane_from_masks_pct"),
    ),
    DataSet(name="carotid_cca", shown=_always("carotid artery"), structures=_one("lumen", "carotid artery")),
    DataSet(name="dicom_us", shown=_dicom_file),
    DataSet(
        name="hc18", shown=_always("fetal head"), structures=_one("fetal head", "fetal head"), labels=("hc_mm",)
    ),
    DataSet(
        name="hc18_landmarks",
        shown=_always("fetal head"),
        structures=_one("fetal head", "fetal head"),
        labels=(
            "ofd_1_x", "ofd_1_y", "ofd_2_x", "ofd_2_y", "bpd_1_x", "bpd_1_y", "bpd_2_x", "bpd_2_y",
            "bpd_mm", "ofd_mm", "hc_mm",
        ),
    ),
    DataSet(
        name="lung_pocus",
        shown=_always("lung"),
        labels=(
            "label", "probe", "lung_severity_score", "b_lines", "a_lines", "consolidations", "effusion",
            "pleural_irregularities", "air_bronchogram",
        ),
    ),
    DataSet(name="phantom", shown=_phantom, labels=("subject",)),
    DataSet(
        name="thyroid",
        shown=_always("thyroid"),
        structures=_one("nodule"),
        labels=(
            "tirads", "malignancy_from_tirads", "composition", "echogenicity", "margins", "calcifications",
            "mask_regions_n", *_BREAST_BOX,
        ),
    ),
    DataSet(
        name="timtrack_muscle",
        shown=_muscle,
        labels=(
            "muscle", "left_border_x_px", "mean_fascicle_angle_deg", "mean_superficial_apo_angle_deg",
            "mean_superficial_apo_y_px", "mean_deep_apo_y_px", "mean_thickness_px",
        ),
    ),
    # The publisher does not say which picture is of which limb, so they are nerves and no more.
    DataSet(
        name="usgra_seg",
        shown=_always("peripheral nerve"),
        structures={
            1: Structure(name="nerve", organ="peripheral nerve"),
            2: Structure(name="vessel", organ=None),
        },
    ),
)  # fmt: skip

DATA_SETS: Final[Mapping[str, DataSet]] = {each.name: each for each in _ALL}
