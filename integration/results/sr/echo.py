"""Ejection fraction, volumes and areas of the heart's chambers as a Simplified Adult Echocardiography report.

An ejection fraction of a task is a measurement of its vendor: view and mending are the task's own. So it is
post-coordinated, with how it was calculated, unless its code itself is one of the core measurements. So are the volumes
that it was calculated from, which are there only in millilitres. Areas are post-coordinated too: no core measurement
says an area in a frame of unknown phase.

References
----------
DICOM PS3.16 TID 5300, TID 5301 (pre-coordinated), TID 5302 (post-coordinated), CID 12300, CID 12302 to 12305 and
CID 12227; PS3.17 Annex CCCC (structure and example); PS3.3 A.35.17 (IOD).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from highdicom.sr import ContentItem, NumContentItem
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from integration.results import codes
from integration.results.request import ResultRequest
from integration.results.sr.items import code, measured_in, measured_where, number, root_of, section, shown, text
from integration.results.values import quantity_text, standing_words
from models.findings import Code, Finding, Mask, Narrative, Quantity

TEMPLATE: Final = "5300"
ADULT_YEARS: Final = 18
_SIMPLIFIED: Final = "1.2.840.10008.5.1.4.1.1.88.72"
_COMPREHENSIVE: Final = "1.2.840.10008.5.1.4.1.1.88.33"
_LABEL_EF: Final = "LV EF"
_LABEL_EDV: Final = "LV EDV"
_LABEL_ESV: Final = "LV ESV"


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoMeasurement:
    """One value of the report and what is known of it."""

    quantity: Quantity
    label: str  # a few letters for a page
    kind: DicomCode  # of CID 12303
    site: Code | DicomCode  # of CID 12305
    observed: DicomCode  # of CID 12302
    measured: DicomCode  # of CID 12304
    method: Code | DicomCode | None  # of CID 12227
    phase: DicomCode | None = None  # of CID 12233
    frames: set[int] = field(default_factory=set)
    words: tuple[str, ...] = ()  # what is coded, and what the task says of it

    @property
    def pre_coordinated(self) -> bool:
        """Whether the code of the quantity says all."""
        name = self.quantity.code
        return name is not None and name.scheme == "LN" and name.value in codes.PRE_COORDINATED_ECHO


def echo_sop_class(request: ResultRequest) -> str:
    """Simplified Adult Echo SR where the source names its time zone, which that IOD wants; else Comprehensive SR."""
    return _SIMPLIFIED if request.header.get("TimezoneOffsetFromUTC") else _COMPREHENSIVE


def echo_report(request: ResultRequest) -> Dataset | None:
    """The root container of the report.

    Returns
    -------
    Dataset or None
        None where nothing of the heart was measured in units that need no scale or have one, and of a child: the
        report is one of adults.
    """
    measured = echo_measurements(request.findings)
    years = _years(request.header)
    if not measured or (years is not None and years < ADULT_YEARS):
        return None
    core = [each for each in measured if each.pre_coordinated]
    own = [each for each in measured if not each.pre_coordinated]
    sections: list[ContentItem] = []
    if core:
        sections.append(section(codes.PRE_COORDINATED, (_pre_coordinated(request, each) for each in core)))
    if own:
        sections.append(section(codes.POST_COORDINATED, (_post_coordinated(request, each) for each in own)))
    return root_of(request, codes.ECHO_REPORT, TEMPLATE, sections)


def echo_measurements(findings: Sequence[Finding]) -> tuple[EchoMeasurement, ...]:
    """What the report gives of these findings."""
    things = {mask.group: mask.code for mask in findings if isinstance(mask, Mask) and mask.code is not None}
    found: list[EchoMeasurement] = []
    for quantity in findings:
        if not isinstance(quantity, Quantity):
            continue
        if _is_of(quantity, codes.EJECTION_FRACTIONS, codes.PERCENT):
            found.append(_ejection_fraction(quantity, findings))
        elif _is_of(quantity, codes.END_DIASTOLIC_VOLUMES, codes.MILLILITRE):
            found.append(_volume(quantity, _LABEL_EDV, codes.END_DIASTOLE))
        elif _is_of(quantity, codes.END_SYSTOLIC_VOLUMES, codes.MILLILITRE):
            found.append(_volume(quantity, _LABEL_ESV, codes.END_SYSTOLE))
        elif (thing := things.get(quantity.group)) is not None and _is_chamber_area(quantity, thing):
            found.append(_area(quantity, thing))
    return tuple(found)


def _is_of(quantity: Quantity, loinc: frozenset[str], unit: DicomCode) -> bool:
    """Whether it is one of these LOINC codes, in this unit."""
    name = quantity.code
    return name is not None and name.scheme == "LN" and name.value in loinc and quantity.unit == unit.value


def _is_chamber_area(quantity: Quantity, thing: Code) -> bool:
    return (
        quantity.code is not None
        and (quantity.code.scheme, quantity.code.value) == (codes.AREA.scheme_designator, codes.AREA.value)
        and thing.scheme == "SCT"
        and thing.value in codes.HEART_CHAMBERS
        and quantity.unit == codes.SQUARE_MILLIMETRE.value
    )


def _ejection_fraction(quantity: Quantity, findings: Iterable[Finding]) -> EchoMeasurement:
    told = [each for each in findings if isinstance(each, Narrative) and each.group == quantity.group]
    return EchoMeasurement(
        quantity=quantity,
        label=_LABEL_EF,
        kind=codes.CALCULATED,
        site=codes.LEFT_VENTRICLE,
        observed=codes.HEMODYNAMIC,
        measured=codes.EJECTION_FRACTION,
        method=quantity.method,
        frames={quantity.frame, *(each.frame for each in told)},
        words=(f"{quantity.group}: {quantity_text(quantity)}", *(each.text for each in told)),
    )


def _volume(quantity: Quantity, label: str, phase: DicomCode) -> EchoMeasurement:
    return EchoMeasurement(
        quantity=quantity,
        label=label,
        kind=codes.CALCULATED,
        site=codes.LEFT_VENTRICLE,
        observed=codes.STRUCTURE_OF_SITE,
        measured=codes.VOLUME,
        method=quantity.method,
        phase=phase,
        frames={quantity.frame},
        words=(f"{quantity.group}: {quantity_text(quantity)}",),
    )


def _area(quantity: Quantity, thing: Code) -> EchoMeasurement:
    chamber = codes.HEART_CHAMBERS[thing.value]
    return EchoMeasurement(
        quantity=quantity,
        label=f"{chamber.meaning} area",
        kind=codes.DIRECTLY_MEASURED,
        site=chamber,
        observed=codes.STRUCTURE_OF_SITE,
        measured=codes.AREA,
        method=codes.PLANIMETRY,
        frames={quantity.frame},
        words=(f"{quantity.group}: {quantity_text(quantity)}",),
    )


def _pre_coordinated(request: ResultRequest, each: EchoMeasurement) -> NumContentItem:
    """TID 5301, which allows a label and where it was measured, and no words."""
    return number(_name(each), shown(each.quantity), _unit(each), [_label(each), _where(request, each)])


def _post_coordinated(request: ResultRequest, each: EchoMeasurement) -> NumContentItem:
    """TID 5302, which is extensible: words of the task and of its use are comments."""
    return number(_name(each), shown(each.quantity), _unit(each), _properties(request, each))


def _properties(request: ResultRequest, each: EchoMeasurement) -> Iterator[ContentItem]:
    yield code(codes.MEASUREMENT_TYPE, each.kind, "HAS CONCEPT MOD")
    yield code(codes.FINDING_SITE, each.site, "HAS CONCEPT MOD")
    yield code(codes.OBSERVATION_TYPE, each.observed, "HAS CONCEPT MOD")
    yield code(codes.MEASURED_PROPERTY, each.measured, "HAS CONCEPT MOD")
    if each.method is not None:
        yield code(codes.MEASUREMENT_METHOD, each.method, "HAS CONCEPT MOD")
    if each.phase is not None:
        yield code(codes.CARDIAC_CYCLE_POINT, each.phase, "HAS CONCEPT MOD")
    yield _label(each)
    for words in (*standing_words(request.options.research_use, request.task), *each.words):
        yield text(codes.COMMENT, words, "HAS PROPERTIES")
    yield _where(request, each)


def _name(each: EchoMeasurement) -> Code | DicomCode:
    """The code of an ejection fraction or a volume; a private one for an area, which has none of its own."""
    if each.measured is not codes.AREA and each.quantity.code is not None:
        return each.quantity.code
    private = codes.named_concept(None, each.label)
    return DicomCode(private.value, private.scheme_designator, private.meaning)


def _unit(each: EchoMeasurement) -> DicomCode:
    return codes.UNITS[each.quantity.unit]


def _label(each: EchoMeasurement) -> ContentItem:
    return text(codes.SHORT_LABEL, each.label, "HAS PROPERTIES")


def _where(request: ResultRequest, each: EchoMeasurement) -> ContentItem:
    return measured_where(request, each.quantity) if each.quantity.points else measured_in(request, each.frames)


def _years(header: Dataset) -> int | None:
    """How old the patient was; None where the source does not say."""
    age = str(header.get("PatientAge") or "")
    if len(age) == 4 and age[:3].isdigit() and age[3] in "DWMY":
        return int(age[:3]) // {"D": 365, "W": 52, "M": 12, "Y": 1}[age[3]]
    try:
        born = datetime.strptime(str(header.get("PatientBirthDate") or ""), "%Y%m%d")  # noqa: DTZ007 - a day
        then = datetime.strptime(str(header.get("StudyDate") or ""), "%Y%m%d")  # noqa: DTZ007 - a day
    except ValueError:
        return None
    return then.year - born.year - ((then.month, then.day) < (born.month, born.day))
