"""Fetal biometry as an OB-GYN Ultrasound Procedure Report.

Every measurement is in a biometry group of its own, with the gestational age that it tells and the equation of that.
Lengths without a proven scale are not in it: the text report has them, with the reason.

References
----------
DICOM PS3.16 TID 5000 (rows 2, 3, 7 and 9), TID 5002 (summary), TID 5005 (fetal biometry), TID 5008 (biometry group),
TID 300 (measurement); CID 12005 (measurements), CID 12013 (equations of gestational age).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import ContainerContentItem, ContentItem
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from integration.results import codes
from integration.results.request import ResultRequest
from integration.results.sr.ages import GestationalAge, NoAge, gestational_age
from integration.results.sr.items import code, measured_in, measured_where, number, root_of, section, shown, text
from integration.results.values import quantity_text, standing_words
from models.findings import Finding, Quantity

TEMPLATE = "5000"
_LENGTH = codes.MILLIMETRE  # of CID 7460; quantities have no other unit of length


def obgyn_report(request: ResultRequest) -> Dataset | None:
    """The root container of the report.

    Parameters
    ----------
    request
        What is written. Which findings are fetal biometry, their codes say.

    Returns
    -------
    Dataset or None
        None where no fetal length in physical units was found.
    """
    measured = fetal_lengths(request.findings)
    if not measured:
        return None
    words = [*standing_words(request.options.research_use, request.task), *request.changes, *_words(measured)]
    comments = (text(codes.COMMENT, sentence, "CONTAINS") for sentence in dict.fromkeys(words))
    sections = [
        section(codes.SUMMARY, comments),
        section(codes.FETAL_BIOMETRY, (_group(request, quantity) for quantity in measured)),
    ]
    return root_of(request, codes.OBGYN_REPORT, TEMPLATE, sections)


def fetal_lengths(findings: Sequence[Finding]) -> tuple[Quantity, ...]:
    """The measurements of CID 12005 with a proven scale."""
    return tuple(
        finding
        for finding in findings
        if isinstance(finding, Quantity)
        and finding.code is not None
        and finding.code.scheme == "LN"
        and finding.code.value in codes.FETAL_MEASUREMENTS
        and finding.unit == _LENGTH.value
    )


def _group(request: ResultRequest, quantity: Quantity) -> ContainerContentItem:
    where = measured_where(request, quantity) if quantity.points else measured_in(request, {quantity.frame})
    items: list[ContentItem] = [number(_name(quantity), shown(quantity), _LENGTH, [where])]
    age = _age(quantity)
    if isinstance(age, GestationalAge):
        equation = code(codes.EQUATION, age.equation.code, "INFERRED FROM")
        items.append(number(codes.GESTATIONAL_AGE, age.days, codes.DAY, [equation]))
    return section(codes.BIOMETRY_GROUP, items)


def _name(quantity: Quantity) -> DicomCode:
    if quantity.code is None:
        raise ValueError("fetal lengths are found by their codes")
    return DicomCode(quantity.code.value, quantity.code.scheme, quantity.code.meaning)


def _age(quantity: Quantity) -> GestationalAge | NoAge | None:
    return gestational_age(_name(quantity).value, shown(quantity))


def _words(measured: Sequence[Quantity]) -> Iterator[str]:
    """All that is coded below: text viewers print codes without their names."""
    for quantity in measured:
        yield f"{quantity.group}: {quantity_text(quantity)}."
        match _age(quantity):
            case GestationalAge() as age:
                yield f"{quantity.group}: gestational age by {quantity.name}, {age.words}."
            case NoAge(reason=reason):
                yield f"{quantity.group}: no gestational age by {quantity.name}, because {reason}."
