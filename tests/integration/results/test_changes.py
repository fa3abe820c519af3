"""A revision says which it replaces, and every number and answer that is new, gone or changed."""

from __future__ import annotations

from dataclasses import replace

import pydicom
import pytest

from integration.results import write_results
from models.findings import Category, Code, Quantity
from tests.integration.results.sources import head_findings, lesion_findings, no_finding, request_of, write_source
from tests.integration.results.trees import texts

FIRST, SECOND = "11" * 32, "22" * 32


def revise(folder, before, now, *, kept=True, about=None):
    """The texts of each report of a second revision."""
    folder.mkdir(exist_ok=True)
    source = write_source(folder / "source")
    other = source if about is None else write_source(folder / "other", text={"SOPInstanceUID": about})
    first = write_results(request_of(other, before(other), job_identity=FIRST, revision_number=4), folder)
    predecessor = tuple(
        (one.sop_class_uid, one.sop_instance_uid, one.study_instance_uid, one.series_instance_uid) for one in first
    )
    if not kept:
        for one in first:
            one.path.unlink()
    request = request_of(
        source,
        now(source),
        job_identity=SECOND,
        revision_number=5,
        predecessor=predecessor,
        predecessor_files=tuple(one.path for one in first),
    )
    written = write_results(request, folder)
    assert [one.path.read_bytes() for one in write_results(request, folder)] == [
        one.path.read_bytes() for one in written
    ]
    reports = {one.role: pydicom.dcmread(one.path) for one in written if one.role.startswith("SR")}
    for ds in reports.values():
        assert "PredecessorDocumentsSequence" in ds
    return {role: texts(ds) for role, ds in reports.items()}


def both(source):
    return head_findings(source) + lesion_findings(source)


def changed(source):
    """A circumference is longer, a diameter is gone, an area is new, the answer is another one."""
    found = []
    for each in both(source):
        if isinstance(each, Quantity) and each.name == "head circumference":
            found.append(replace(each, value=123.44))
        elif isinstance(each, Category):
            found.append(replace(each, value=Code(value="30807003", scheme="SCT", meaning="Benign")))
        elif not (isinstance(each, Quantity) and each.name == "occipitofrontal diameter"):
            found.append(each)
    area = Quantity(
        name="area",
        code=Code(value="42798000", scheme="SCT", meaning="Area"),
        group="breast mass 1",
        frame=1,
        value=7.0,
        unit="mm2",
        points=((110.0, 75.0), (120.0, 75.0), (120.0, 85.0)),
    )
    return (*found, area)


def test_revision__says_what_it_replaces_and_every_difference_in_every_report(tmp_path):
    said = revise(tmp_path, both, changed)
    assert set(said) == {"SR", "SR-TEXT", "SR-OB"}
    for words in said.values():
        told = [sentence for sentence in words if sentence.startswith(("This", "Changed", "New", "No longer"))]
        assert told == [
            "This replaces the result of revision 4.",
            "Changed, fetal head 1, outline: Head Circumference from 110.5 mm to 123.4 mm.",
            "New, breast mass 1, outline: Area 7 mm2.",
            "Changed, breast mass 1: Assessment Category from Malignant to Benign.",
            "No longer said, fetal head 1, occipitofrontal diameter: Occipital-Frontal Diameter, which was 40 mm.",
        ]


def test_revision__with_the_same_values__says_so(tmp_path):
    for words in revise(tmp_path, both, both).values():
        assert "This replaces the result of revision 4; no number and no answer has changed." in words


def test_revision__that_falls_silent__says_what_is_no_longer_said(tmp_path):
    said = revise(tmp_path, head_findings, lambda source: no_finding())
    assert set(said) == {"SR-TEXT"}
    assert sum(sentence.startswith("No longer said, ") for sentence in said["SR-TEXT"]) == 4


def test_revision__whose_predecessor_is_gone__says_that_it_replaces_one(tmp_path):
    for words in revise(tmp_path, both, changed, kept=False).values():
        assert "This replaces the result of an earlier revision, whose report is not there any more." in words


def test_revision__of_a_job_about_several_images__is_compared_with_its_own(tmp_path):
    for words in revise(tmp_path, both, changed, about="2.25.112").values():
        assert not any(sentence.startswith("Changed") for sentence in words)


def test_revision__that_replaces_nothing__says_that_its_image_was_added(tmp_path):
    source = write_source(tmp_path / "source")
    for one in write_results(request_of(source, both(source), revision_number=2), tmp_path):
        if one.role.startswith("SR"):
            ds = pydicom.dcmread(one.path)
            assert any("added by revision 2 of the examination" in sentence for sentence in texts(ds))
            assert "PredecessorDocumentsSequence" not in ds


@pytest.mark.parametrize("findings", [both, head_findings])
def test_first_revision__says_nothing_of_changes(tmp_path, findings):
    source = write_source(tmp_path / "source")
    for one in write_results(request_of(source, findings(source)), tmp_path):
        if one.role.startswith("SR"):
            assert not any("revision" in sentence for sentence in texts(pydicom.dcmread(one.path)))
