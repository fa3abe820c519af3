"""A Key Object Selection: the frames of the source that matter, and the results that were written about it.

References
----------
DICOM PS3.3 A.35.4 (Key Object Selection Document IOD), C.17.6 (its modules), C.18.4 (image references);
PS3.16 TID 2010 (Key Object Selection), CID 7010 (document titles).
"""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Final

from highdicom.sr import CompositeContentItem, ContainerContentItem, ImageContentItem, TextContentItem
from pydicom import Dataset, Sequence
from pydicom.uid import UID, KeyObjectSelectionDocumentStorage

from integration.results import codes
from integration.results.instance import new_instance
from integration.results.key_frames import key_frames
from integration.results.observer import observer_items
from integration.results.patient import copy_attributes
from integration.results.references import Reference, by_study
from integration.results.request import ResultObject, ResultRequest
from integration.results.values import RESEARCH_MARK, TRIAL_MARK, finding_texts
from models.findings import NoFinding

_IMAGES: Final = ("SEG", "SC", "ENH")  # roles whose objects are images; the others are composite objects


def build_kos(request: ResultRequest, written: Many[ResultObject]) -> Dataset | None:
    """The selection; None where nothing was found, so that no frame matters more than another.

    Parameters
    ----------
    request
        What was found.
    written
        The results of this job so far; all are referred to.
    """
    frames = key_frames(request.findings)
    if not frames:
        return None
    ds = new_instance(request, "KOS", str(KeyObjectSelectionDocumentStorage), modality="KO", says="key frames")
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    copy_attributes(request.header, ds, ("ReferencedRequestSequence",))
    source = Reference.of_source(request)
    ds.CurrentRequestedProcedureEvidenceSequence = by_study([source, *(Reference.of_result(each) for each in written)])
    root = ContainerContentItem(name=codes.concept(codes.OF_INTEREST), template_id="2010")
    root.ContentSequence = Sequence(_content(request, frames, written))
    ds.update({element.tag: element for element in root})
    return ds


def _content(request: ResultRequest, frames: Many[int], written: Many[ResultObject]) -> list[Dataset]:
    items: list[Dataset] = observer_items(request)
    items.append(
        TextContentItem(
            name=codes.concept(codes.KEY_OBJECT_DESCRIPTION),
            value=_description(request, frames),
            relationship_type="CONTAINS",
        )
    )
    items.append(_source(request, frames, written))
    for each in written:
        if each.role == "PR":
            continue  # it is named with the source, to which it is applied
        kind = ImageContentItem if each.role in _IMAGES else CompositeContentItem
        items.append(_item(kind, each.sop_class_uid, each.sop_instance_uid))
    return items


def _source(request: ResultRequest, frames: Many[int], written: Many[ResultObject]) -> Dataset:
    """The source's frames, and the presentation state that they are shown with, where one was written."""
    header = request.header
    item = _item(ImageContentItem, header.SOPClassUID, header.SOPInstanceUID)
    (reference,) = item.ReferencedSOPSequence
    if request.multi_frame:
        reference.ReferencedFrameNumber = list(frames)
    states = [Reference.of_result(each).item() for each in written if each.role == "PR"]
    if states:
        reference.ReferencedSOPSequence = Sequence(states)
    return item


def _item(
    kind: type[ImageContentItem] | type[CompositeContentItem], sop_class_uid: str, sop_instance_uid: str
) -> Dataset:
    item: Dataset = kind(
        name=codes.concept(codes.SOURCE),  # a name that says nothing, for readers that want one (PS3.3 C.17.3)
        referenced_sop_class_uid=UID(sop_class_uid),
        referenced_sop_instance_uid=UID(sop_instance_uid),
        relationship_type="CONTAINS",
    )
    return item


def _description(request: ResultRequest, frames: Many[int]) -> str:
    """What was found, in lines; the marks that every result bears; and what a revision changed."""
    lines = [f"{RESEARCH_MARK}."] if request.options.research_use else []
    lines += [f"{TRIAL_MARK}."] if request.task.trial else []
    lines.append(f"{request.task.task} {request.task.version}, computed by software.")
    for finding in request.findings:
        if finding.frame not in frames:
            continue
        where = f" (frame {finding.frame})" if request.multi_frame and not isinstance(finding, NoFinding) else ""
        lines += [f"{finding.group}: {text.removesuffix('.')}{where}." for text in finding_texts(finding)]
    return "\r\n".join(dict.fromkeys([*lines, *request.changes]))
