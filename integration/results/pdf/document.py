"""The report as an Encapsulated PDF.

References
----------
DICOM PS3.3 A.45.1 (Encapsulated PDF IOD), C.24.1 and C.24.2 (Encapsulated Document), C.8.6.1 (SC Equipment).
"""

from __future__ import annotations

from collections.abc import Sequence as Many

from pydicom import Dataset, Sequence
from pydicom.uid import EncapsulatedPDFStorage

from integration.results import codes
from integration.results.instance import coded_item, new_instance, series_description
from integration.results.pdf.pages import pages
from integration.results.references import Reference, by_study
from integration.results.request import ResultObject, ResultRequest


def build_pdf(request: ResultRequest, written: Many[ResultObject]) -> Dataset:
    """The report; there always is one, for silence has its reasons too.

    Parameters
    ----------
    request
        What was found.
    written
        The results of this job so far, which hold the same findings.

    Raises
    ------
    integration.pixels.PixelError
        A frame of the source does not decode.
    """
    ds = new_instance(request, "PDF", str(EncapsulatedPDFStorage), modality="DOC", says="report to print")
    ds.ConversionType = "WSD"
    _add_times(request, ds)
    ds.BurnedInAnnotation = "YES"
    ds.DocumentTitle = series_description(request, "ultrasound findings")
    ds.ConceptNameCodeSequence = Sequence([coded_item(codes.ULTRASOUND_REPORT)])
    references = [Reference.of_source(request), *(Reference.of_result(each) for each in written)]
    ds.SourceInstanceSequence = Sequence(reference.item() for reference in references)
    if request.predecessor:
        ds.PredecessorDocumentsSequence = by_study(map(Reference.of_predecessor, request.predecessor))
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = pages(request, title=ds.DocumentTitle)
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    ds["EncapsulatedDocument"].VR = "OB"
    return ds


def _add_times(request: ResultRequest, ds: Dataset) -> None:
    """When the image was taken, where it says so; empty otherwise (Type 2)."""
    header = request.header
    taken = str(header.get("AcquisitionDateTime") or "")
    if not taken:
        date = header.get("AcquisitionDate") or header.get("ContentDate") or header.get("StudyDate")
        time = header.get("AcquisitionTime") or header.get("ContentTime") or header.get("StudyTime")
        taken = f"{date or ''}{time or ''}" if date else ""
    ds.AcquisitionDateTime = taken or None
