"""References to instances, in the hierarchies that the standard wants them in.

References
----------
DICOM PS3.3 10.8 (SOP Instance Reference Macro), C.12.2 (Common Instance Reference), C.17.2.1 (Hierarchical SOP
Instance Reference Macro).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom import Dataset, Sequence

from integration.results.request import Predecessor, ResultObject, ResultRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An instance and where it lies."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str

    @classmethod
    def of_source(cls, request: ResultRequest) -> Reference:
        """The image that the findings are about."""
        header = request.header
        return cls(
            sop_class_uid=str(header.SOPClassUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            series_instance_uid=str(header.SeriesInstanceUID),
            study_instance_uid=str(header.StudyInstanceUID),
        )

    @classmethod
    def of_result(cls, written: ResultObject) -> Reference:
        """A result that was written."""
        return cls(
            sop_class_uid=written.sop_class_uid,
            sop_instance_uid=written.sop_instance_uid,
            series_instance_uid=written.series_instance_uid,
            study_instance_uid=written.study_instance_uid,
        )

    @classmethod
    def of_predecessor(cls, entry: Predecessor) -> Reference:
        """A result of the revision before."""
        sop_class, sop_instance, study, series = entry
        return cls(
            sop_class_uid=sop_class, sop_instance_uid=sop_instance, series_instance_uid=series, study_instance_uid=study
        )

    def item(self) -> Dataset:
        """One item of a sequence of references."""
        item = Dataset()
        item.ReferencedSOPClassUID = self.sop_class_uid
        item.ReferencedSOPInstanceUID = self.sop_instance_uid
        return item


def by_study(references: Iterable[Reference]) -> Sequence:
    """Studies, their series, their instances, as evidence of documents wants them."""
    studies: dict[str, list[Reference]] = {}
    for reference in references:
        studies.setdefault(reference.study_instance_uid, []).append(reference)
    result = Sequence()
    for study, members in studies.items():
        item = Dataset()
        item.StudyInstanceUID = study
        item.ReferencedSeriesSequence = by_series(members, "ReferencedSOPSequence")
        result.append(item)
    return result


def by_series(references: Iterable[Reference], members: str = "ReferencedInstanceSequence") -> Sequence:
    """Series of one study and their instances; `members` is the keyword of the inner sequence."""
    series: dict[str, list[Dataset]] = {}
    for reference in references:
        series.setdefault(reference.series_instance_uid, []).append(reference.item())
    result = Sequence()
    for uid, items in series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        setattr(item, members, Sequence(items))
        result.append(item)
    return result
