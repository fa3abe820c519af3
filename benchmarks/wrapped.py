"""Pictures of a data set as a scanner's DICOM files, and its outlines and labels as people send them back."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from integration.phantom import Identity, MassTruth, Scene, SceneRegion, phantom_uid, write_still
from trainer.data.reports import concept_of, items_below

LEFT, TOP, RIGHT, BOTTOM = 16, 40, 16, 8  # px around the ultrasound region, where scanners write
NO_UNIT: Final = 0  # PhysicalUnitsXDirection: the set publishes no size of a pixel, so none is made up
ABNORMAL: Final = Code("49755003", "SCT", "Morphologically Abnormal Structure")
MASS: Final = Code("4147007", "SCT", "Mass")
IMPRESSION: Final = Code("121073", "DCM", "Impression")
MALIGNANT: Final = Code("21594007", "SCT", "Malignant")
BENIGN: Final = Code("30807003", "SCT", "Benign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """One picture as a DICOM file."""

    row: Mapping[str, str]  # of the data set's index
    path: Path
    study: str
    mask: Path | None  # the outline that the set has of it; None where there is nothing to outline

    @property
    def split(self) -> str:
        """Which part of the data set it is of."""
        return self.row["split"]


def wrap(folder: Path, out: Path) -> list[Wrapped]:
    """Every picture of an image folder of breasts as an Ultrasound Image of its own study.

    The picture is the one declared region of a larger frame, with the patient's id written above it. Patients keep the
    ids of the set, by which they are split as the set is.
    """
    with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
        return [_wrapped(folder, out, row) for row in csv.DictReader(file)]


def _wrapped(folder: Path, out: Path, row: Mapping[str, str]) -> Wrapped:
    picture = cv2.imread(str(folder / row["image"]), cv2.IMREAD_GRAYSCALE)
    assert picture is not None, row["image"]
    rows, columns = picture.shape
    frame = np.zeros((rows + TOP + BOTTOM, columns + LEFT + RIGHT), np.uint8)
    frame[TOP : TOP + rows, LEFT : LEFT + columns] = picture
    cv2.putText(frame, row["patient_id"], (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1, cv2.LINE_AA)
    region = SceneRegion(
        left=LEFT, top=TOP, right=LEFT + columns - 1, bottom=TOP + rows - 1, spatial_format=1, data_type=1,
        units_x=NO_UNIT, units_y=NO_UNIT, delta_x=0.0, delta_y=0.0,
    )  # fmt: skip
    line = ((0.0, 0.0), (0.0, 0.0))
    nothing = MassTruth(malignant=False, longest_mm=0, perpendicular_mm=0, longest=line, perpendicular=line)
    scene = Scene(pixels=frame, mask=frame > 255, truth=nothing, mm_per_pixel=(1.0, 1.0), regions=(region,))
    path = out / f"{row['id']}.dcm"
    identity = Identity(study=f"wrapped/{row['id']}", patient_name=row["patient_id"], patient_id=row["patient_id"])
    ds = dcmread(write_still(scene, path, identity))
    ds.Manufacturer, _, ds.ManufacturerModelName = row["device"].partition(" / ") if row["device"] else ("", "", "")
    ds.PatientComments = ds.SeriesDescription = ds.StudyDescription = f"picture of a public data set: {folder.name}"
    ds.save_as(path)
    mask = folder / row["mask"] if row["label"] != "normal" else None
    return Wrapped(row=row, path=path, study=str(ds.StudyInstanceUID), mask=mask)


def drawn(wrapped: Wrapped, answer: Path | None, path: Path) -> Path:
    """The set's outline as a segmentation by a person: the node's own one edited, or a new one where it had none.

    Parameters
    ----------
    answer
        The segmentation that the node sent of this image.
    """
    image = dcmread(wrapped.path)
    mask = cv2.imread(str(wrapped.mask), cv2.IMREAD_GRAYSCALE)
    assert mask is not None, wrapped.mask
    whole = np.zeros((image.Rows, image.Columns), np.bool_)
    whole[TOP : TOP + mask.shape[0], LEFT : LEFT + mask.shape[1]] = mask > 127
    return _saved(_edited(dcmread(answer), whole) if answer is not None else _new(image, whole), wrapped, path)


def told(wrapped: Wrapped, answer: Path | None, path: Path) -> Path:
    """The set's label as a report by a person: the node's own one mended and verified, or a new one where it had none.

    Parameters
    ----------
    answer
        The report with an impression that the node sent of this image.
    """
    value = MALIGNANT if wrapped.row["label"] == "malignant" else BENIGN
    return _saved(_verified(dcmread(answer), value) if answer is not None else _said(wrapped, value), wrapped, path)


def impressed(path: Path) -> bool:
    """Whether a report holds an impression."""
    return any(concept_of(item) == IMPRESSION.value for item in items_below(dcmread(path)))


def _saved(ds: Dataset, wrapped: Wrapped, path: Path) -> Path:
    ds.SOPInstanceUID = phantom_uid("sent back", path.parent.name, wrapped.row["id"])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.SeriesInstanceUID = phantom_uid("sent back", path.parent.name, wrapped.row["id"], "series")
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def _verified(ds: Dataset, value: Code) -> Dataset:
    """A report of which somebody mended the impression, and which somebody verified."""
    for item in items_below(ds):
        if concept_of(item) == IMPRESSION.value and item.ValueType == "CODE":
            item.ConceptCodeSequence = [CodedConcept(value.value, value.scheme_designator, value.meaning)]
    observer = Dataset()
    observer.VerifyingObserverName, observer.VerifyingOrganization = "Reader^A", "the site"
    observer.VerificationDateTime, observer.VerifyingObserverIdentificationCodeSequence = "20260103120000", []
    ds.VerificationFlag, ds.VerifyingObserverSequence, ds.ContentTime = "VERIFIED", [observer], "235959"
    return ds


def _said(wrapped: Wrapped, value: Code) -> Dataset:
    """A report that a person wrote."""
    image = dcmread(wrapped.path)
    person = ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes("Reader^A"))
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=phantom_uid("tracking", wrapped.row["id"]), identifier="lesion"),
        source_images=[SourceImageForMeasurementGroup.from_source_image(image)],
        qualitative_evaluations=[QualitativeEvaluation(IMPRESSION, value)],
    )
    content = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=person),
        procedure_reported=Code("47079000", "SCT", "Ultrasonography of breast"),
        imaging_measurements=[group],
    )
    return ComprehensiveSR(
        evidence=[image],
        content=content[0],
        series_instance_uid=phantom_uid("later replaced", "series"),
        series_number=901,
        sop_instance_uid=phantom_uid("later replaced"),
        instance_number=1,
        manufacturer="a viewer",
    )


def _edited(ds: Dataset, whole: NDArray[np.bool_]) -> Dataset:
    """A segmentation whose one outline somebody replaced in a viewer."""
    bits = np.packbits(whole, bitorder="little").tobytes()
    ds.PixelData = bits + b"\0" * (len(bits) % 2)
    for segment in ds.SegmentSequence:
        segment.SegmentAlgorithmType = "SEMIAUTOMATIC"
    ds.ContentTime = "235959"
    return ds


def _new(image: Dataset, whole: NDArray[np.bool_]) -> Dataset:
    """A segmentation drawn by hand."""
    return Segmentation(
        source_images=[image],
        pixel_array=whole,
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(
                segment_number=1,
                segment_label="Mass",
                segmented_property_category=ABNORMAL,
                segmented_property_type=MASS,
                algorithm_type="MANUAL",
            )
        ],
        series_instance_uid=phantom_uid("later replaced", "series"),
        series_number=900,
        sop_instance_uid=phantom_uid("later replaced"),
        instance_number=1,
        manufacturer="a viewer",
        manufacturer_model_name="a viewer",
        software_versions="1",
        device_serial_number="1",
    )
