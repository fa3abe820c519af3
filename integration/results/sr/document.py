"""Reports of every kind: marks with measurements, what can only be read, fetal biometry, the heart.

The first two are Comprehensive 3D SR by TID 1500, and two because OHIF 3.13 refuses a whole measurement report for one
group without coordinates. The second has the title of an ultrasound report, by which viewers show it as text. The
others say the same values again as the templates of obstetrics and echocardiography want them; the codes of the
findings decide whether they are written.

References
----------
DICOM PS3.3 A.35.3 (Comprehensive SR), A.35.13 (Comprehensive 3D SR), A.35.17 (Simplified Adult Echo SR), C.17.1 and
C.17.2 (SR document series and general).
"""

from __future__ import annotations

from pydicom import Dataset, Sequence
from pydicom.uid import Comprehensive3DSRStorage

from integration.results import codes
from integration.results.instance import new_instance, source_item
from integration.results.patient import copy_attributes
from integration.results.request import Predecessor, ResultRequest
from integration.results.sr.changes import added, what_changed
from integration.results.sr.content import add_plain_words, add_sentences, report_content
from integration.results.sr.echo import echo_report, echo_sop_class
from integration.results.sr.groups import drawn_groups, told_groups
from integration.results.sr.obgyn import obgyn_report

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
SR_CLASSES = frozenset(
    {
        str(Comprehensive3DSRStorage),
        COMPREHENSIVE_SR,
        "1.2.840.10008.5.1.4.1.1.88.22",
        "1.2.840.10008.5.1.4.1.1.88.11",
        "1.2.840.10008.5.1.4.1.1.88.72",
    }
)


def build_sr(request: ResultRequest) -> Dataset | None:
    """The report of marks and measurements; None where there is nothing to draw."""
    root = _drawn(request)
    if root is None:
        return None
    add_sentences(root, request.changes)
    return _document(request, "SR", str(Comprehensive3DSRStorage), root, says="measurements")


def build_sr_text(request: ResultRequest) -> Dataset | None:
    """The report of categories, probabilities and reasons; None where the marks say all."""
    root = _told(request)
    if root is None:
        return None
    add_plain_words(request, root)
    return _document(request, "SR-TEXT", str(Comprehensive3DSRStorage), root, says="report")


def build_sr_ob(request: ResultRequest) -> Dataset | None:
    """The report of fetal biometry by TID 5000; None where no fetal length was found."""
    root = obgyn_report(request)
    return None if root is None else _document(request, "SR-OB", COMPREHENSIVE_SR, root, says="fetal biometry")


def build_sr_echo(request: ResultRequest) -> Dataset | None:
    """The report of an adult's heart by TID 5300; None where nothing of it was measured."""
    root = echo_report(request)
    return None if root is None else _document(request, "SR-ECHO", echo_sop_class(request), root, says="echo report")


def changes_of(request: ResultRequest) -> tuple[str, ...]:
    """In sentences, what a later revision says otherwise: that its results replace others, or that they are added.

    Added ones have no predecessor document: that would be one whose content is in the new one (PS3.3 C.17.2), and
    readers would take the reports of the other images for outdated.
    """
    if not request.predecessor:
        return added(request) if request.revision_number > 1 else ()
    return what_changed(request, [root for root in (_drawn(request), _told(request)) if root is not None])


def _drawn(request: ResultRequest) -> Dataset | None:
    groups = drawn_groups(request.findings)
    return report_content(request, codes.MEASUREMENT_REPORT, groups) if groups else None


def _told(request: ResultRequest) -> Dataset | None:
    groups = told_groups(request.findings)
    return report_content(request, codes.ULTRASOUND_REPORT, groups) if groups else None


def _document(request: ResultRequest, role: str, sop_class: str, root: Dataset, *, says: str) -> Dataset:
    ds = new_instance(request, role, sop_class, modality="SR", says=says)
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
