"""The pages of the report: A4, the same bytes whenever they are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from integration.results.instance import local_time, software_version
from integration.results.key_frames import key_frames
from integration.results.pdf.facts import (
    MOST_PICTURES,
    MOST_ROWS,
    Fact,
    Picture,
    Row,
    finding_rows,
    patient_facts,
    pictures,
    remarks,
    shown_name,
    square_of,
    study_facts,
)
from integration.results.pdf.letters import Letters, letters
from integration.results.request import ResultRequest
from integration.results.values import RESEARCH_MARK, TRIAL_MARK

_MARGIN: Final = 18 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_PICTURE_HEIGHT: Final = 95 * mm
_LINE: Final = colors.HexColor("#9AA5B1")
_FAINT: Final = colors.HexColor("#EEF1F4")
_WARNING: Final = colors.HexColor("#FFF3BF")


def pages(request: ResultRequest, *, title: str) -> bytes:
    """The report as PDF.

    Parameters
    ----------
    request
        What was found.
    title
        Of the document; holds nothing of the patient.

    Raises
    ------
    integration.pixels.PixelError
        A frame of the source does not decode.
    """
    stream = BytesIO()
    page = _Page(letters())
    foot = _foot(request, page.fonts)
    template = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN + 8 * mm,
        title=title,
        author=f"{request.task.manufacturer} {request.task.task} {request.task.version}",
        subject="Ultrasound findings",
        creator=f"echocare-node {software_version()}",
        invariant=1,
    )
    created = f"{request.created_at:D:%Y%m%d%H%M%S+00'00'}"

    def canvas(*words: Any, **options: Any) -> _Numbered:  # noqa: ANN401 - ReportLab's own arguments
        options["initialFontName"] = page.fonts.plain
        return _Numbered(*words, foot=foot, page=page, created=created, **options)

    template.build(list(_story(request, page, title)), canvasmaker=canvas)
    return stream.getvalue()


class _Page:
    """Paragraphs and tables in the report's styles."""

    def __init__(self, fonts: Letters) -> None:
        self.fonts = fonts
        self.plain = ParagraphStyle("plain", fontName=fonts.plain, fontSize=8.5, leading=11.5)
        self.label = ParagraphStyle("label", parent=self.plain, textColor=colors.HexColor("#52606D"))
        self.head = ParagraphStyle(
            "head", parent=self.plain, fontName=fonts.bold, fontSize=10.5, spaceBefore=8, leading=16
        )
        self.title = ParagraphStyle("title", parent=self.plain, fontName=fonts.bold, fontSize=15, leading=20)
        self.font = ("FONTNAME", (0, 0), (-1, -1), fonts.plain)  # of tables, or they bring one that is not embedded
        self.small = ParagraphStyle("small", parent=self.plain, fontSize=7, leading=9)

    def words(self, text: str, *, found_in: str = "", before: str = "") -> Paragraph:
        return Paragraph(before + self.fonts.markup(text, found_in=found_in), self.plain)

    def headline(self, text: str) -> Paragraph:
        return Paragraph(text, self.head)

    def facts(self, facts: Iterable[Fact]) -> list[list[Paragraph]]:
        return [
            [Paragraph(fact.label, self.label), self.words(fact.text or "–", found_in=fact.found_in)] for fact in facts
        ]


def _story(request: ResultRequest, page: _Page, title: str) -> Iterable[Flowable]:
    yield Paragraph(page.fonts.markup(title), page.title)
    yield from _warnings(request, page)
    yield Spacer(0, 3 * mm)
    yield _facts(request, page)
    yield from _findings(request, page)
    yield from _changes(request, page)
    yield from _pictures(request, page)
    yield from _provenance(request, page)


def _warnings(request: ResultRequest, page: _Page) -> Iterable[Flowable]:
    said = []
    if request.options.research_use:
        said.append(f"{RESEARCH_MARK[0].upper()}{RESEARCH_MARK[1:]}. Computed by software; nobody has checked it.")
    if request.task.trial:
        said.append(f"{TRIAL_MARK[0].upper()}{TRIAL_MARK[1:]}: {request.task.trial}.")
    if said:
        yield Spacer(0, 2 * mm)
        yield Table(
            [[page.words(text)] for text in said],
            colWidths=[_WIDTH],
            style=[page.font, ("BACKGROUND", (0, 0), (-1, -1), _WARNING), ("BOX", (0, 0), (-1, -1), 0.5, _LINE)],
        )


def _facts(request: ResultRequest, page: _Page) -> Table:
    left, right = page.facts(patient_facts(request.header)), page.facts(study_facts(request.header))
    empty = [Paragraph("", page.plain)] * 2
    longest = max(len(left), len(right))
    left += [empty] * (longest - len(left))
    right += [empty] * (longest - len(right))
    return Table(
        [one + other for one, other in zip(left, right, strict=True)],
        colWidths=[22 * mm, _WIDTH / 2 - 22 * mm, 30 * mm, _WIDTH / 2 - 30 * mm],
        style=[
            page.font,
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 0.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0.5),
            ("BOX", (0, 0), (-1, -1), 0.5, _LINE),
        ],
    )


def _findings(request: ResultRequest, page: _Page) -> Iterable[Flowable]:
    rows = finding_rows(request.findings)
    yield page.headline("Findings")
    if rows:
        yield _finding_table(request, page, rows[:MOST_ROWS])
        if len(rows) > MOST_ROWS:
            yield page.words(f"and {len(rows) - MOST_ROWS} more: see the structured report")
    for text in remarks(request.findings):
        yield page.words(text)


def _finding_table(request: ResultRequest, page: _Page, rows: Sequence[Row]) -> Table:
    head = ["of", "finding", "value", "certainty", *(["frame"] if request.multi_frame else [])]
    lines = [[Paragraph(text, page.label) for text in head]]
    for row in rows:
        cells = [row.thing, row.finding, row.value, row.certainty]
        cells += [str(row.frame)] if request.multi_frame else []
        lines.append([page.words(text) for text in cells])
    widths = [0.24, 0.3, 0.22, 0.14, 0.1] if request.multi_frame else [0.26, 0.34, 0.24, 0.16]
    return Table(
        lines,
        colWidths=[part * _WIDTH for part in widths],
        repeatRows=1,
        style=[
            page.font,
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BACKGROUND", (0, 0), (-1, 0), _FAINT),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, _LINE),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ],
    )


def _changes(request: ResultRequest, page: _Page) -> Iterable[Flowable]:
    if request.changes:
        yield page.headline("Changed since the results that these replace")
        for text in request.changes:
            yield page.words(text)


def _pictures(request: ResultRequest, page: _Page) -> Iterable[Flowable]:
    shown = pictures(request)
    for position, picture in enumerate(shown):
        where = f"Frame {picture.frame} of {request.source.number_of_frames}" if request.multi_frame else "The picture"
        parts: list[Flowable] = [] if position else [page.headline("Pictures")]
        parts += [Spacer(0, 2 * mm), _image(picture), page.words(where)]
        for line in picture.legend:
            parts.append(page.words(line.text, before="" if line.colour is None else square_of(line.colour)))
        yield KeepTogether(parts)
    left_out = len(key_frames(request.findings)) - MOST_PICTURES
    if left_out > 0:
        yield page.words(f"and {left_out} frames more: see the overlay")


def _image(picture: Picture) -> Image:
    scale = min(_WIDTH / picture.width, _PICTURE_HEIGHT / picture.height)
    return Image(BytesIO(picture.jpeg), width=picture.width * scale, height=picture.height * scale)


def _provenance(request: ResultRequest, page: _Page) -> Iterable[Flowable]:
    task, header = request.task, request.header
    made = local_time(request)
    lines = [
        f"Task {task.task} {task.version} of {task.manufacturer}; echocare-node {software_version()}",
        f"Package {task.digest}",
        f"Encoder {task.encoder_digest}",
        f"Study revision {request.revision_number}; made {made:%Y-%m-%d %H:%M:%S} (UTC{made:%z})",
        f"Source: SOP Instance {header.SOPInstanceUID}",
    ]
    heading: list[Flowable] = [page.headline("How it was made")]
    yield KeepTogether(heading + [Paragraph(page.fonts.markup(line), page.small) for line in lines])


def _foot(request: ResultRequest, fonts: Letters) -> str:
    """Whose report a page is of, as markup, on every page: each could be printed alone."""
    header = request.header
    name = next(iter(shown_name(header.get("PatientName") or "")), "")
    parts = [RESEARCH_MARK] if request.options.research_use else []
    parts += [fonts.markup(name, found_in="PatientName")] if name else []
    parts += [fonts.markup(str(header.PatientID), found_in="PatientID")] if header.get("PatientID") else []
    return " · ".join(parts)


class _Numbered(Canvas):  # type: ignore[misc]
    """Pages with a foot that knows how many there are."""

    def __init__(self, *words: Any, foot: str, page: _Page, created: str, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*words, **options)
        self.setDateFormatter(lambda *_: created)
        self._foot, self._page = foot, page
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, state in enumerate(self._pages, 1):
            self.__dict__.update(state)
            self._draw_foot(f"page {number} of {len(self._pages)}")
            super().showPage()
        super().save()

    def _draw_foot(self, number: str) -> None:
        paragraph = Paragraph(" · ".join(filter(None, (self._foot, number))), self._page.small)
        paragraph.wrapOn(self, _WIDTH, 20 * mm)
        paragraph.drawOn(self, _MARGIN, _MARGIN / 2)
