"""What routing knows of an instance, and how conditions see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread

from node.routing.condition import VIEW
from node.routing.values import Value, merged, values_of

DIGEST_MARK: Final = ", package sha256:"
US = "1.2.840.10008.5.1.4.1.1."
IMAGE_CLASSES: Final = frozenset(
    US + end
    for end in (
        "6",  # Ultrasound Image, retired
        "6.1",  # Ultrasound Image
        "6.2",  # Enhanced US Volume
        "3",  # Ultrasound Multi-frame Image, retired
        "3.1",  # Ultrasound Multi-frame Image
        "7",  # Secondary Capture Image
        "7.1",
        "7.2",
        "7.3",
        "7.4",  # Multi-frame Secondary Capture: single bit, grayscale byte, grayscale word, true colour
    )
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstanceFacts:
    """One received instance, as far as routing cares."""

    id: int  # StoredInstance.id; any number that tells instances apart in a dry run
    sop_instance_uid: str
    sop_class_uid: str
    study_uid: str
    series_uid: str
    calling_ae: str = ""
    called_ae: str = ""
    header: Dataset = field(default_factory=Dataset)  # without pixel data; empty when it cannot be read
    view: Mapping[str, Value] = field(default_factory=dict)  # what a look at it saw; missing facts are empty

    @property
    def not_an_input(self) -> str | None:
        """Why no task ever looks at this instance, in words; None for an image."""
        if _is_ours(self.header):
            return "it is a result that this node made"
        if self.sop_class_uid not in IMAGE_CLASSES:
            return "it is not an image that tasks can read"
        return None


def read_header(path: Path) -> Dataset:
    """Everything before the pixels; an empty data set when the file cannot be read at all.

    A study's routing must not stop at one bad file: what is missing is empty to the conditions, and the job, if a
    rule still takes the image, ends with the reason.
    """
    try:
        return dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # pydicom raises whatever the bytes lead to  # noqa: BLE001
        return Dataset()


def contexts(instances: Sequence[InstanceFacts], keywords: Iterable[str]) -> dict[int, dict[str, Value]]:
    """What conditions see of each instance of a study, by the instance's id.

    `series` and `study` show an attribute as the first instance of the series or study has it, by SOP Instance UID,
    and count their members: SOP Instance UIDs order them, so that the order of arrival never matters.
    """
    names = tuple(keywords)
    ordered = sorted(instances, key=lambda facts: (facts.sop_instance_uid, facts.id))
    own = {facts.id: values_of(facts.header, names) for facts in ordered}
    series, study = _grouped(ordered, lambda facts: facts.series_uid), _grouped(ordered, lambda facts: facts.study_uid)
    of_series = {uid: _shared(members, own) for uid, members in series.items()}
    of_study = {uid: _shared(members, own) for uid, members in study.items()}
    return {
        facts.id: {
            "instance": own[facts.id],
            "series": of_series[facts.series_uid],
            "study": of_study[facts.study_uid],
            "calling_ae": facts.calling_ae,
            "called_ae": facts.called_ae,
            "view": {**VIEW, **facts.view},
        }
        for facts in ordered
    }


def _grouped(ordered: Iterable[InstanceFacts], key: Callable[[InstanceFacts], str]) -> dict[str, list[InstanceFacts]]:
    groups: dict[str, list[InstanceFacts]] = {}
    for facts in ordered:
        groups.setdefault(key(facts), []).append(facts)
    return groups


def _shared(members: Sequence[InstanceFacts], own: Mapping[int, dict[str, Value]]) -> dict[str, Value]:
    """What a series or study shows: its members' values, and what only the whole can say."""
    values = dict(own[members[0].id])
    for facts in members[1:]:
        values = merged(values, own[facts.id])
    _count(values, members)
    return values


def _count(values: dict[str, Value], members: Sequence[InstanceFacts]) -> None:
    """Fill in what only the whole series or study can say (PS3.4 C.3.4), where a condition asks for it."""
    counted: Mapping[str, Value] = {
        "ModalitiesInStudy": [*sorted({str(facts.header.get("Modality", "") or "") for facts in members} - {""})],
        "SOPClassesInStudy": [*sorted({facts.sop_class_uid for facts in members})],
        "NumberOfStudyRelatedInstances": len(members),
        "NumberOfStudyRelatedSeries": len({facts.series_uid for facts in members}),
        "NumberOfSeriesRelatedInstances": len(members),
    }
    values.update({name: value for name, value in counted.items() if name in values})


def _is_ours(header: Dataset) -> bool:
    """Whether a node of this kind made it: whatever the manufacturer of the task, the package's digest is named.

    References
    ----------
    PS3.3 C.12.1.1.5 (Contributing Equipment), as `integration.results.instance` writes it.
    """
    try:
        contributions = [str(item.get("ContributionDescription", "")) for item in header.ContributingEquipmentSequence]
    except (AttributeError, TypeError):
        return False
    return any(words.startswith("task ") and DIGEST_MARK in words for words in contributions)
