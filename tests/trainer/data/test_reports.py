"""Answers of people in reports that came back to the archive, as labels of a cohort."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from highdicom.sr import (
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tests.trainer.data.made import SECRETS, dicom_file, one_region, segmentation
from trainer.data.dicom_folder import Taking
from trainer.data.gathering import gather
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.data.reports import UNREADABLE

KEY = Pseudonyms(b"a key that only the tests have")
IMPRESSION = Code("121073", "DCM", "Impression")
MALIGNANT, BENIGN = Code("21594007", "SCT", "Malignant"), Code("30807003", "SCT", "Benign")
PERSON = ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes("ZZDOCTOR^B"))
DEVICE = ObserverContext(codes.DCM.Device, DeviceObserverIdentifyingAttributes(uid=generate_uid()))


@pytest.fixture
def still(tmp_path):
    path = dicom_file(tmp_path / "in" / "still.dcm")
    one_region(path, 20, 30, 219, 179)
    return path


def report(path: Path, image: Path, answer: Code, *, by=PERSON, at: str = "101500", verified: bool = False) -> Path:
    """A measurement report as reporting software writes it, with one group about one image."""
    source = dcmread(image)
    context = {"observer_person_context": by} if by is PERSON else {"observer_device_context": by}
    content = MeasurementReport(
        observation_context=ObservationContext(**context),
        procedure_reported=Code("47079000", "SCT", "Ultrasonography of breast"),
        imaging_measurements=[
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(uid=generate_uid(), identifier="ZZNAME's lump"),
                source_images=[SourceImageForMeasurementGroup.from_source_image(source)],
                qualitative_evaluations=[QualitativeEvaluation(IMPRESSION, answer)],
            )
        ],
    )
    ds = ComprehensiveSR(
        evidence=[source],
        content=content[0],
        series_instance_uid=generate_uid(),
        series_number=3,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="a reporting system",
        is_verified=verified,
        verifying_observer_name="ZZDOCTOR^B" if verified else None,
        verifying_organization="ZZCLINIC" if verified else None,
    )
    ds.ContentDate, ds.ContentTime = "20260501", at
    ds.save_as(path, enforce_file_format=True)
    return path


def gathered(tmp_path):
    result = gather(tmp_path / "in", Query(), tmp_path / "out", KEY, Taking())
    with (tmp_path / "out" / "index.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    return result, json.loads(row["answers"]) if row["answers"] else {}


def test_report__of_a_person__its_coded_answer_is_the_images(tmp_path, still):
    report(tmp_path / "in" / "sr.dcm", still, MALIGNANT)
    result, answers = gathered(tmp_path)
    assert result.with_answers == 1
    assert answers == {"DCM:121073": "SCT:21594007"}


def test_report__of_a_device__is_no_label_until_somebody_verifies_it(tmp_path, still):
    report(tmp_path / "in" / "sr.dcm", still, MALIGNANT, by=DEVICE)
    result, answers = gathered(tmp_path)
    assert (result.with_answers, answers) == (0, {})
    report(tmp_path / "in" / "verified.dcm", still, BENIGN, by=DEVICE, verified=True)
    again = gather(tmp_path / "in", Query(), tmp_path / "again", KEY, Taking())
    assert again.with_answers == 1


def test_report__mended_later__the_later_answer_stands(tmp_path, still):
    report(tmp_path / "in" / "a.dcm", still, BENIGN, at="120000")
    report(tmp_path / "in" / "b.dcm", still, MALIGNANT, at="110000")
    assert gathered(tmp_path)[1] == {"DCM:121073": "SCT:30807003"}


def test_report__names_in_it__do_not_reach_the_cohort(tmp_path, still):
    report(tmp_path / "in" / "sr.dcm", still, MALIGNANT)
    gathered(tmp_path)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert not [secret for secret in SECRETS if secret.encode() in everything]


def test_report__damaged__is_counted_and_the_image_is_taken(tmp_path, still):
    ds = dcmread(report(tmp_path / "in" / "sr.dcm", still, MALIGNANT))
    ds.ContentSequence[-1].ContentSequence[0].ContentSequence.append(Dataset())
    ds.save_as(tmp_path / "in" / "sr.dcm")
    result, answers = gathered(tmp_path)
    assert (result.pictures, answers, result.left_out[UNREADABLE]) == (1, {}, 1)


def test_report__beside_an_outline__both_are_labels_of_the_picture(tmp_path, still):
    rows, columns = np.mgrid[:192, :256]
    segmentation(tmp_path / "in" / "seg.dcm", still, {1: (columns - 120) ** 2 + (rows - 90) ** 2 <= 400})
    report(tmp_path / "in" / "sr.dcm", still, BENIGN)
    result, _ = gathered(tmp_path)
    assert (result.with_outlines, result.with_answers) == (1, 1)
