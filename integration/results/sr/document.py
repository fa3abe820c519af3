"""Two Comprehensive 3D SR documents: marks with measurements, and what can only be read.

They are two because OHIF 3.13 refuses a whole measurement report for one group without coordinates. The second has
the title of an ultrasound report, by which viewers show it as text; its groups have the same template.

References
----------
DICOM PS3.3 A.35.13 (Comprehensive 3D SR), C.17.1 and C.17.2 (SR document series and general).
"""

from __future__ import annotations

from pydicom import Dataset, Sequence
from pydicom.sr.coding import Code as DicomCode
from pydicom.uid import Comprehensive3DSRStorage

from integration.results import codes
from integration.results.instance import new_instance, source_item
from integration.results.patient import copy_attributes
from integration.results.request import Predecessor, ResultRequest
from integration.results.sr.content import add_plain_words, report_content
from integration.results.sr.groups import DrawnGroup, ToldGroup, drawn_groups, told_groups

SR_CLASSES = frozenset(
    {
        str(Comprehensive3DSRStorage),
        "1.2.840.10008.5.1.4.1.1.88.33",
        "1.2.840.10008.5.1.4.1.1.88.22",
        "1.2.840.10008.5.1.4.1.1.88.11",
    }
)


def build_sr(request: ResultRequest) -> Dataset | None:
    """The report of marks and measurements; None where there is nothing to draw."""
    groups = drawn_groups(request.findings)
    if not groups:
        return None
    return _document(request, "SR", codes.MEASUREMENT_REPORT, groups, says="measurements")


def build_sr_text(request: ResultRequest) -> Dataset | None:
    """The report of categories, probabilities and reasons; None where the marks say all."""
    groups = told_groups(request.findings)
    if not groups:
        return None
    return _document(request, "SR-TEXT", codes.ULTRASOUND_REPORT, groups, says="report")


def _document(
    request: ResultRequest,
    role: str,
    title: DicomCode,
    groups: tuple[DrawnGroup, ...] | tuple[ToldGroup, ...],
    *,
    says: str,
) -> Dataset:
    ds = new_instance(request, role, str(Comprehensive3DSRStorage), modality="SR", says=says)
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    ds.PerformedProcedureCodeSequence = Sequence()
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PreliminaryFlag = "PRELIMINARY"
    copy_attributes(request.header, ds, ("ReferencedRequestSequence",))
    source = request.header
    evidence = [(str(source.StudyInstanceUID), str(source.SeriesInstanceUID), source_item(request))]
    ds.CurrentRequestedProcedureEvidenceSequence = _by_series(evidence)
    if before := [entry for entry in request.predecessor or () if entry[0] in SR_CLASSES]:
        ds.PredecessorDocumentsSequence = _by_series([_predecessor(entry) for entry in before])
    root = report_content(request, title, groups)
    if title is codes.ULTRASOUND_REPORT:
        add_plain_words(request, root)
    ds.update({element.tag: element for element in root})
    if _uses_private_codes(root):
        ds.CodingSchemeIdentificationSequence = Sequence([_private_scheme()])
    return ds


def _predecessor(entry: Predecessor) -> tuple[str, str, Dataset]:
    sop_class, sop_instance, study, series = entry
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    return study, series, item


def _by_series(references: list[tuple[str, str, Dataset]]) -> Sequence:
    """The hierarchical reference macro: studies, their series, their instances (PS3.3 C.17.2.1)."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for study, series, item in references:
        studies.setdefault(study, {}).setdefault(series, []).append(item)
    result = Sequence()
    for study, by_series in studies.items():
        study_item = Dataset()
        study_item.StudyInstanceUID = study
        study_item.ReferencedSeriesSequence = Sequence()
        for series, items in by_series.items():
            series_item = Dataset()
            series_item.SeriesInstanceUID = series
            series_item.ReferencedSOPSequence = Sequence(items)
            study_item.ReferencedSeriesSequence.append(series_item)
        result.append(study_item)
    return result


def _uses_private_codes(root: Dataset) -> bool:
    return any(
        element.keyword == "CodingSchemeDesignator" and element.value == codes.PRIVATE_SCHEME
        for element in root.iterall()
    )


def _private_scheme() -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator = codes.PRIVATE_SCHEME
    item.CodingSchemeName = "Concepts of echocare-node task packages without a standard code"
    item.CodingSchemeResponsibleOrganization = "echocare-node"
    return item
