"""What the report says, before it is laid out: rows of words, and the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image
from pydicom import Dataset
from pydicom.valuerep import PersonName

from integration.results.colours import Rgb, colours_of
from integration.results.key_frames import key_frames
from integration.results.request import ResultRequest
from integration.results.sc.draw import Painter
from integration.results.sc.marks import Words, overlay_of
from integration.results.values import no_finding_text, number_text, percent, withheld_text
from models.findings import Box, Category, EnhancedImage, Finding, Landmarks, Mask, Narrative, NoFinding, Quantity

MOST_PICTURES: Final = 4
MOST_ROWS: Final = 60
QUALITY: Final = 90  # of JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One attribute of patient, study or device."""

    label: str
    text: str
    found_in: str = ""  # its keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table of findings."""

    thing: str
    finding: str
    value: str
    frame: int | None
    certainty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A frame of the source with its marks."""

    frame: int
    jpeg: bytes
    width: int
    height: int
    legend: tuple[Words, ...]


def patient_facts(header: Dataset) -> Iterator[Fact]:
    """Who was examined: as the source says it, each writing of the name on a line of its own."""
    yield from _name_facts("Patient", header, "PatientName")
    yield Fact(label="Patient ID", text=_text(header, "PatientID"), found_in="PatientID")
    yield Fact(label="Born", text=_date(_text(header, "PatientBirthDate")), found_in="PatientBirthDate")
    yield Fact(label="Sex", text=_text(header, "PatientSex"), found_in="PatientSex")


def study_facts(header: Dataset) -> Iterator[Fact]:
    """Which study, and what made its images."""
    yield Fact(label="Study", text=_text(header, "StudyDescription"), found_in="StudyDescription")
    date, time = _date(_text(header, "StudyDate")), _time(_text(header, "StudyTime"))
    yield Fact(label="Date", text=f"{date} {time}".strip(), found_in="StudyDate")
    yield Fact(label="Accession", text=_text(header, "AccessionNumber"), found_in="AccessionNumber")
    yield from _name_facts("Referred by", header, "ReferringPhysicianName")
    made_by = " ".join(filter(None, (_text(header, "Manufacturer"), _text(header, "ManufacturerModelName"))))
    yield Fact(label="Device", text=made_by, found_in="ManufacturerModelName")
    yield Fact(label="Station", text=_text(header, "StationName"), found_in="StationName")


def finding_rows(findings: Sequence[Finding]) -> list[Row]:
    """What was found; of things that are seen on many frames, the frames that matter."""
    frames = key_frames(findings)
    told = {finding.group for finding in findings if not isinstance(finding, Mask)}
    rows: dict[Row, None] = {}
    for finding in findings:
        if isinstance(finding, Mask | Box | Landmarks) and finding.frame not in frames:
            continue
        if isinstance(finding, Mask) and finding.group in told:
            continue
        row = _row(finding)
        if row is not None:
            rows.setdefault(row)
    return list(rows)


def remarks(findings: Sequence[Finding]) -> list[str]:
    """What is not a row: texts, and why something was withheld."""
    said: dict[str, None] = {}
    for finding in findings:
        match finding:
            case Narrative(text=text):
                said.setdefault(text)
            case NoFinding():
                said.setdefault(no_finding_text(finding))
            case Quantity() if (withheld := withheld_text(finding)) is not None:
                said.setdefault(f"{finding.group}: {withheld}")
    return list(said)


def pictures(request: ResultRequest) -> list[Picture]:
    """The frames that matter with their marks, the first few; of a task that found nothing none.

    Raises
    ------
    integration.pixels.PixelError
    """
    source = request.source
    colours = colours_of(request.findings)
    result = []
    for number, pixels in source.frames(key_frames(request.findings)[:MOST_PICTURES]):
        here = [finding for finding in request.findings if finding.frame == number]
        overlay = overlay_of(here, multi_frame=False, colours=colours)
        painter = Painter(overlay, rows=source.rows, columns=source.columns, heading=())
        painted = painter.paint(number, pixels)[: source.rows, : source.columns]
        stream = BytesIO()
        Image.fromarray(painted).save(stream, "JPEG", quality=QUALITY, subsampling="4:4:4")
        result.append(
            Picture(
                frame=number,
                jpeg=stream.getvalue(),
                width=source.columns,
                height=source.rows,
                legend=overlay.legend,
            )
        )
    return result


def shown_name(name: PersonName | str) -> list[str]:
    """Each writing of a name: family name first, as the attribute has it, and nothing turned round."""
    groups = str(name).split("=")
    joints = (", ", " ", " ")  # of the alphabetic, ideographic and phonetic writing
    written = [
        joint.join(part.strip() for part in group.split("^") if part.strip())
        for group, joint in zip(groups, joints, strict=False)
    ]
    return [writing for writing in written if writing]


def _row(finding: Finding) -> Row | None:
    certainty = "" if finding.confidence is None else f"{percent(finding.confidence):.1f} %"
    match finding:
        case NoFinding() | Narrative():
            return None
        case Quantity():
            name, value = finding.name, number_text(finding)
        case Category():
            name, value = finding.name, finding.value.meaning
            certainty = "" if finding.probability is None else f"{percent(finding.probability):.1f} %"
        case Landmarks(labels=labels):
            name, value = finding.name, ", ".join(labels)
        case EnhancedImage():
            name, value = finding.name, "see the picture"
        case _:
            name, value = finding.name, "marked"
    return Row(thing=finding.group, finding=name, value=value, frame=finding.frame, certainty=certainty)


def _name_facts(label: str, header: Dataset, keyword: str) -> Iterator[Fact]:
    writings = shown_name(header.get(keyword) or "") or [""]
    for position, writing in enumerate(writings):
        yield Fact(label="" if position else label, text=writing, found_in=keyword)


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else str(value)


def _date(value: str) -> str:
    """20260102 as 2026-01-02; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdecimal() else value


def _time(value: str) -> str:
    """101500.123 as 10:15; anything else as it is."""
    return f"{value[:2]}:{value[2:4]}" if len(value) >= 4 and value[:4].isdecimal() else value


def square_of(colour: Rgb) -> str:
    """A small square of this colour, as markup."""
    return f'<font color="#{bytes(colour).hex()}">■</font> '
