"""DICOM files below a folder, the node's archive among them, as pictures without a patient.

De-identification here is not a list of what to remove but of what to keep: no DICOM file is written, and of a header
only maker and model of the scanner, the body part as a word of the catalogue, and the scale reach a picture. That is
stricter than the basic profile of PS3.15 E.2, whose table names none of them (a test holds that against a library that
keeps up with the table). The names of all attributes that were left behind are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag

from integration.pixels import PixelError, SourceImage, View, open_image
from trainer.catalogue.headers import shown_by
from trainer.data.corrections import FAULTS, Corrections
from trainer.data.pictures import Item, LeftOut, Picture
from trainer.data.reports import Reported
from trainer.data.screen import cut, why_not
from trainer.data.splitting import split_of

if TYPE_CHECKING:
    from pydicom import Dataset

ULTRASOUND: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound Image Storage
        "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame Image Storage
        "1.2.840.10008.5.1.4.1.1.6",  # the same two, retired
        "1.2.840.10008.5.1.4.1.1.3",
    }
)
KEPT: Final = frozenset(
    {
        "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "AnatomicRegionSequence", "BurnedInAnnotation",
        "SequenceOfUltrasoundRegions", "PixelSpacing", "Rows", "Columns", "NumberOfFrames",
    }
)  # fmt: skip
PATIENT_ID: Final = "PatientID"
TOLD_APART_BY: Final = (PATIENT_ID, "StudyInstanceUID", "SOPInstanceUID")
NOT_ULTRASOUND: Final = "dicom.not-ultrasound"
INSTANCES: Final = "instances"  # where the node's archive keeps what it received
OWN: Final = "patients of this site: not for passing on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """How pictures are taken from DICOM files."""

    frames: int = 8  # of a cine, at most, evenly apart
    trusted: bool = False  # the operator says that no frame has a name burned in
    licence: str = OWN


class DicomFolder:
    """All ultrasound images below a folder."""

    def __init__(
        self,
        folder: Path,
        name: str,
        taking: Taking,
        wanted: Callable[[Dataset], bool] = lambda header: True,
        corrections: Corrections | None = None,
        reported: Reported | None = None,
    ) -> None:
        """`wanted` says by its header whether an image is taken; what it refuses is no item and not counted.

        Frames that `corrections` has outlines of are taken besides those evenly apart, and get masks; answers that were
        `reported` of an image become labels of its pictures.
        """
        inside = folder / INSTANCES
        self._folder = inside if inside.is_dir() else folder
        self._name = name
        self._taking = taking
        self._wanted = wanted
        self._corrections = corrections or Corrections()
        self._reported = reported or Reported()

    @property
    def name(self) -> str:
        return self._name

    def items(self) -> Iterator[Item | LeftOut]:
        """One item for each ultrasound image; every other file says why it is none."""
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            try:
                header = open_image(path).header
            except PixelError as fault:
                yield LeftOut(reason=NOT_ULTRASOUND if _of_another_class(path) else fault.code)
                continue
            if str(header.get("SOPClassUID", "")) not in ULTRASOUND:
                yield LeftOut(reason=NOT_ULTRASOUND)
            elif self._wanted(header):
                patient = patient_key(header) or str(path)
                state = path.stat()
                yield Item(
                    name=str(path.relative_to(self._folder)),
                    patient=patient,
                    split=split_of(patient),
                    state=f"{state.st_size} {state.st_mtime_ns}",
                )

    def pictures(self, item: Item) -> Iterator[Picture | LeftOut]:
        """Frames evenly apart, each cut to its views."""
        try:
            image = open_image(self._folder / item.name)
            for number, view in enumerate(image.views, 1):
                reason = why_not(image, view, trusted=self._taking.trusted)
                if reason is not None:
                    yield LeftOut(reason=reason)
                    continue
                for frame in self._frames(image):
                    yield self._picture(image, frame, number, view)
        except PixelError as fault:
            yield LeftOut(reason=fault.code)

    def _frames(self, image: SourceImage) -> list[int]:
        corrected = self._corrections.frames_of(image.sop_instance_uid)
        there = {frame for frame in corrected if frame <= image.number_of_frames}
        return sorted(there.union(evenly(image.number_of_frames, self._taking.frames)))

    def _mask(self, image: SourceImage, frame: int, view: View) -> NDArray[np.uint8] | None:
        """The outlines on a view; None where there are none on it."""
        whole = self._corrections.mask(image.sop_instance_uid, frame, (image.rows, image.columns))
        if whole is None:
            return None
        inside = whole[view.top : view.bottom + 1, view.left : view.right + 1]
        return np.ascontiguousarray(inside) if inside.any() else None

    def _picture(self, image: SourceImage, frame: int, number: int, view: View) -> Picture | LeftOut:
        kept = cut(image, image.frame(frame), view)
        if isinstance(kept, str):
            return LeftOut(reason=kept, frame=frame)
        pixels, change = kept
        mask = self._mask(image, frame, view)
        return Picture(
            image=pixels,
            mask=mask,
            structures={} if mask is None else {value: name for name, value in self._corrections.values.items()},
            labels=self._reported.answers.get(image.sop_instance_uid, {}),
            shown=shown_by(image.header),
            licence=self._taking.licence,
            frame=frame,
            view=number,
            device=device_of(image.header),
            mm_per_pixel=_scale(image, view),
            change=change,
            removed=_removed(image.header),
            replaced=("file name", _patient_by(image.header)),
        )


def _of_another_class(path: Path) -> bool:
    """Whether a file whose pixels cannot be had is none of ours anyway, such as a segmentation of single bits."""
    try:
        told = str(dcmread(path, specific_tags=["SOPClassUID"]).get("SOPClassUID", ""))
    except FAULTS:
        return False
    return bool(told) and told not in ULTRASOUND


def evenly(there: int, wanted: int) -> list[int]:
    """At most `wanted` numbers from 1 to `there`, evenly apart and none of them twice."""
    return sorted({int(n) for n in np.linspace(1, there, min(there, wanted)).round()})


def patient_key(header: Dataset) -> str:
    """What tells patients apart: the id with its issuer, else the study, else the image; empty where there is none."""
    by = _patient_by(header)
    value = str(header.get(by, "") or "").strip()
    if by != PATIENT_ID:
        return value
    return "\\".join(filter(None, (str(header.get("IssuerOfPatientID", "") or "").strip(), value)))


def _patient_by(header: Dataset) -> str:
    """The attribute that patients are told apart by: the last one where there is none of them."""
    there = (each for each in TOLD_APART_BY if str(header.get(each, "") or "").strip())
    return next(there, TOLD_APART_BY[-1])


def device_of(header: Dataset) -> str:
    """Maker and model; never a serial number or the name of a station."""
    words = (str(header.get(keyword, "") or "").strip() for keyword in ("Manufacturer", "ManufacturerModelName"))
    return " ".join(filter(None, words))


def _scale(image: SourceImage, view: View) -> tuple[float, float] | None:
    for region in image.calibration.regions:
        if (region.left, region.top, region.right, region.bottom) == (view.left, view.top, view.right, view.bottom):
            return region.scale
    spacing = image.calibration.spacing
    return (spacing[1], spacing[0]) if spacing is not None and not image.calibration.regions else None


def _removed(header: Dataset) -> tuple[str, ...]:
    # By tag: going through the elements would convert every value, which fails on odd ones.
    names = {"private" if tag.is_private else keyword_for_tag(tag) or "unknown" for tag in header.keys()}
    return tuple(sorted(names - KEPT))
