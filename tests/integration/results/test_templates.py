"""Reports of obstetrics and echocardiography have what the rows of their templates ask, and nothing else.

The rows are of DICOM PS3.16 TID 1001, 1204, 300, 320, 5000, 5002, 5005, 5008 and 5301; those of TID 5300 and 5302 are
as PS3.17 Annex CCCC populates them.
"""

from __future__ import annotations

import pydicom
import pytest

from integration.results import write_results
from tests.integration.results.hearts import BIPLANE, by_discs, chambers, estimated, volumes
from tests.integration.results.sources import head_findings, lesion_findings, request_of, write_source
from tests.integration.results.trees import Row, check, children, codes_of_cid, concept, every

CONTEXT = [
    Row("HAS CONCEPT MOD", "CODE", ("DCM", "121049"), least=0),  # TID 1204, Language
    Row("HAS OBS CONTEXT", "CODE", ("DCM", "121005"), values=frozenset({"121007"})),  # TID 1002, a device
    Row("HAS OBS CONTEXT", "UIDREF", ("DCM", "121012")),  # TID 1004
    Row("HAS OBS CONTEXT", "TEXT", ("DCM", "121013"), least=0),
    Row("HAS OBS CONTEXT", "TEXT", ("DCM", "121014"), least=0),
    Row("HAS OBS CONTEXT", "TEXT", ("DCM", "121015"), least=0),
    Row("HAS OBS CONTEXT", "TEXT", ("DCM", "121016"), least=0),
]
SUMMARY = Row("CONTAINS", "CONTAINER", ("DCM", "121111"))
BIOMETRY = Row("CONTAINS", "CONTAINER", ("DCM", "125002"), most=None)
GROUP = Row("CONTAINS", "CONTAINER", ("DCM", "125005"), most=None)
COMMENT = Row("CONTAINS", "TEXT", ("DCM", "121106"), most=None)
AGE = Row("CONTAINS", "NUM", ("LN", "18185-9"), least=0)
CORE = Row("CONTAINS", "CONTAINER", ("DCM", "125301"), least=0)
OWN = Row("CONTAINS", "CONTAINER", ("DCM", "125302"), least=0)
LABEL = Row("HAS PROPERTIES", "TEXT", ("DCM", "125309"), least=0)
NUMBERS = Row("CONTAINS", "NUM", None, most=None)


def report(folder, source, findings, role, **changes):
    results = write_results(request_of(source, findings, **changes), folder)
    return pydicom.dcmread(next(result.path for result in results if result.role == role))


def check_place(number, frames):
    """TID 320: the points and their frame, or the frames alone."""
    (where,) = (item for item in number.ContentSequence if item.RelationshipType == "INFERRED FROM")
    assert concept(where) == ("DCM", "121112")
    if where.ValueType == "SCOORD":
        check(where, [Row("SELECTED FROM", "IMAGE", None)])
        (where,) = where.ContentSequence
    assert where.ValueType == "IMAGE"
    (image,) = where.ReferencedSOPSequence
    assert image.ReferencedSOPInstanceUID == "2.25.111"
    assert image.get("ReferencedFrameNumber") == frames


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_fetal_head__by_tid_5000__has_every_row(tmp_path, frames):
    source = write_source(tmp_path / "source", frames=frames)
    best = 3 if frames > 1 else 1
    root = report(tmp_path, source, head_findings(source, frames=(best,), best=best), "SR-OB")
    assert concept(root) == ("DCM", "125000")  # BCID 12024
    assert root.ContentTemplateSequence[0].TemplateIdentifier == "5000"
    assert root.ContentTemplateSequence[0].MappingResource == "DCMR"
    check(root, [*CONTEXT, SUMMARY, BIOMETRY])
    (summary,) = children(root, SUMMARY)
    check(summary, [COMMENT])  # TID 5002
    (biometry,) = children(root, BIOMETRY)
    check(biometry, [GROUP])  # TID 5005
    groups = children(biometry, GROUP)
    assert len(groups) == 3
    for group in groups:  # TID 5008
        (measured, *age) = group.ContentSequence
        assert (measured.RelationshipType, measured.ValueType) == ("CONTAINS", "NUM")
        assert concept(measured)[0] == "LN" and concept(measured)[1] in codes_of_cid(12005)
        unit = measured.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        assert (unit.CodingSchemeDesignator, unit.CodeValue) == ("UCUM", "mm")
        check_place(measured, best if frames > 1 else None)
        check(group, [Row("CONTAINS", "NUM", concept(measured)), AGE])
        for number in age:
            unit = number.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
            assert (unit.CodingSchemeDesignator, unit.CodeValue) == ("UCUM", "d")  # enumerated
            check(number, [Row("INFERRED FROM", "CODE", ("DCM", "121420"), values=codes_of_cid(12013))])
    assert sum(len(children(group, AGE)) for group in groups) == 1


def test_heart__by_tid_5300__has_every_row_of_post_coordinated_measurements(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    root = report(tmp_path, source, (*chambers(source, frame=3), *by_discs(), *volumes(source)), "SR-ECHO")
    assert concept(root) == ("DCM", "125200")
    assert root.ContentTemplateSequence[0].TemplateIdentifier == "5300"
    check(root, [*CONTEXT, CORE, OWN])
    assert children(root, CORE) == []
    (own,) = children(root, OWN)
    check(own, [NUMBERS])
    numbers = children(own, NUMBERS)
    assert len(numbers) == 5
    for number in numbers:  # TID 5302
        rows = [
            Row("HAS CONCEPT MOD", "CODE", ("DCM", "125306"), values=codes_of_cid(12303)),
            Row("HAS CONCEPT MOD", "CODE", ("SCT", "363698007"), values=codes_of_cid(12305)),
            Row("HAS CONCEPT MOD", "CODE", ("DCM", "125305"), values=codes_of_cid(12302)),
            Row("HAS CONCEPT MOD", "CODE", ("DCM", "125307"), values=codes_of_cid(12304)),
            Row("HAS CONCEPT MOD", "CODE", ("SCT", "370129005"), least=0, values=codes_of_cid(12227)),
            Row("HAS CONCEPT MOD", "CODE", ("SCT", "272518008"), least=0, values=codes_of_cid(12233)),
            LABEL,
            Row("HAS PROPERTIES", "TEXT", ("DCM", "121106"), least=0, most=None),
            Row("INFERRED FROM", "IMAGE", ("DCM", "121112"), least=0),
            Row("INFERRED FROM", "SCOORD", ("DCM", "121112"), least=0),
        ]
        check(number, rows)
    check_place(numbers[0], 3)
    check_place(numbers[2], [2, 4])  # of largest and smallest cavity
    check_place(numbers[3], 2)
    check_place(numbers[4], 4)


def test_heart__core_measurement__has_the_rows_of_tid_5301_alone(tmp_path):
    source = write_source(tmp_path / "source", frames=5)
    root = report(tmp_path, source, estimated(code=BIPLANE), "SR-ECHO")
    check(root, [*CONTEXT, CORE, OWN])
    (core,) = children(root, CORE)
    (number,) = children(core, NUMBERS)
    assert concept(number)[1] in codes_of_cid(12300)
    check(number, [LABEL, Row("INFERRED FROM", "IMAGE", ("DCM", "121112"))])
    check_place(number, 1)


@pytest.mark.parametrize("role", ["SR", "SR-TEXT"])
def test_measurement_reports__by_tid_1500__have_every_row(tmp_path, role):
    source = write_source(tmp_path / "source", frames=5)
    root = report(tmp_path, source, head_findings(source) + lesion_findings(source), role)
    assert root.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    coded = Row("CONTAINS", "CONTAINER", ("DCM", "126010"))
    words = Row("CONTAINS", "CONTAINER", ("DCM", "121070"), least=0)  # TID 1500 is extensible
    check(root, [*CONTEXT, Row("HAS CONCEPT MOD", "CODE", ("DCM", "121058"), most=None), coded, words])
    (measurements,) = children(root, coded)
    groups = Row("CONTAINS", "CONTAINER", ("DCM", "125007"), most=None)
    check(measurements, [groups])
    for group in children(measurements, groups):
        check(
            group,
            [
                Row("HAS OBS CONTEXT", "TEXT", ("DCM", "112039")),  # TID 4108
                Row("HAS OBS CONTEXT", "UIDREF", ("DCM", "112040")),
            ],
            closed=False,
        )


@pytest.mark.parametrize("role", ["SR-OB", "SR-ECHO"])
def test_reports__are_trees_by_value(tmp_path, role):
    source = write_source(tmp_path / "source", frames=5)
    root = report(tmp_path, source, (*head_findings(source), *chambers(source), *by_discs()), role)
    assert not any("ReferencedContentItemIdentifier" in item for item in every(root))
