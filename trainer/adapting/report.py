"""One HTML file that tells how well a package does: figures, and the best, median and worst cases."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2

from models.packages.card import Card
from trainer.adapting.beside import Beside, band_of, value_of
from trainer.adapting.case import Case
from trainer.adapting.drawing import caption, drawn
from trainer.adapting.subgroups import SubgroupResult, counted, headlines
from trainer.evaluate import Result

SHOWN = 3  # cases of each sort
JPEG_QUALITY = 80
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #d8dee4;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.row{display:flex;flex-wrap:wrap;gap:1rem}"
    "figure{margin:0;width:18.5rem}figure.plot{width:100%;max-width:40rem}figcaption{font-size:12px;color:#57606a;overflow-wrap:anywhere}img{max-width:100%}"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """What a report tells beside what is on the card."""

    results: Sequence[Result]
    cases: Sequence[Case]  # what the results are made from
    beside: Sequence[Beside] = ()  # each in a column of its own
    groups: Sequence[SubgroupResult] = ()
    headline: Sequence[str] = ()  # names of the figures that are told of groups; empty: the first few
    false_marks: Sequence[Result] = ()  # of pictures without anything to mark
    plots: Sequence[str] = ()  # SVG


def page(card: Card, told: Page) -> str:
    """The report as one self-contained page, without scripts and without anything to fetch.

    Parameters
    ----------
    card
        Of the package.
    told
        What was measured.
    """
    ranked = sorted(told.cases, key=lambda case: -case.goodness)
    middle = max(0, (len(ranked) - SHOWN) // 2)
    sorts = (("Best", ranked[:SHOWN]), ("Median", ranked[middle : middle + SHOWN]), ("Worst", ranked[-SHOWN:]))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(card.title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(card.title)}</h1><p><b>{html.escape(card.status)}</b>. {html.escape(card.intended_use)}</p>",
        f"<p>Package <code>{card.digest()}</code>. Baseline: {html.escape(card.baseline)}</p>",
        "<h2>Figures</h2><p>95 % bootstrap intervals by patient.</p>",
        _table(
            ("data", "figure", "value", "95 % interval", "n", *(each.name for each in told.beside)),
            (
                (r.data, r.name, value_of(r), band_of(r), str(r.n), *(each.cell(r) for each in told.beside))
                for r in told.results
            ),
        ),
        *(f"<figure class=plot>{plot}</figure>" for plot in told.plots),
        *_groups(told),
        *_false_marks(told.false_marks),
        *(_section(title, chosen) for title, chosen in sorts),
        "<h2>Pictures that should not be answered</h2>",
        _table(
            ("data", "answered", "of", "seen in training"),
            ((s.data, str(s.answered), str(s.n), s.seen_in_training) for s in card.silence),
        ),
        "<h2>Limits</h2><ul>" + "".join(f"<li>{html.escape(limit)}</li>" for limit in card.limits) + "</ul></html>",
    ]
    return "\n".join(parts)


def _groups(told: Page) -> list[str]:
    if not told.groups:
        return []
    rows = [
        (group.trait, group.value, counted(group), each.name, value_of(each), band_of(each), str(each.n))
        for group in told.groups
        for each in headlines(group.figures, told.headline)
    ]
    return [
        "<h2>Groups of pictures</h2>",
        _table(("trait", "group", "patients", "figure", "value", "95 % interval", "n"), rows),
    ]


def _false_marks(results: Sequence[Result]) -> list[str]:
    if not results:
        return []
    rows = ((each.data, each.name, value_of(each), band_of(each), str(each.n)) for each in results)
    head = ("pictures without anything to mark", "figure", "value", "95 % interval", "n")
    return ["<h2>False marks</h2>", _table(head, rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(word)}</th>" for word in head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _section(title: str, cases: Sequence[Case]) -> str:
    figures = "".join(
        f'<figure><img alt="" src="{_picture(case)}"><figcaption>{html.escape(caption(case))}</figcaption></figure>'
        for case in cases
    )
    return f"<h2>{title} cases</h2><p>Green is true, orange was said.</p><div class=row>{figures}</div>"


def _picture(case: Case) -> str:
    shown = cv2.cvtColor(drawn(case), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()
