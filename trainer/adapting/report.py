"""One HTML file that tells how well a package does: figures, and the best, median and worst cases."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

import cv2

from models.packages.card import Card, Figure
from trainer.adapting.case import Case
from trainer.adapting.drawing import caption, drawn
from trainer.evaluate import Result

SHOWN = 3  # cases of each sort
JPEG_QUALITY = 80
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #d8dee4;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}.row{display:flex;flex-wrap:wrap;gap:1rem}"
    "figure{margin:0;width:18.5rem}figcaption{font-size:12px;color:#57606a;overflow-wrap:anywhere}img{max-width:100%}"
)


def page(card: Card, results: Sequence[Result], cases: Sequence[Case], beside: Sequence[Figure] = ()) -> str:
    """The report as one self-contained page, without scripts and without anything to fetch.

    Parameters
    ----------
    card
        Of the package.
    results
        Its figures.
    cases
        What they are made from.
    beside
        Figures of the same network from scratch on the same pictures, for a column of their own; empty: no column.
    """
    baseline = {(each.name, each.data): f"{each.value:.4f} {each.unit}".strip() for each in beside}
    head = ("data", "figure", "value", "95 % interval", "n", *(("from scratch",) if beside else ()))
    ranked = sorted(cases, key=lambda case: -case.goodness)
    middle = max(0, (len(ranked) - SHOWN) // 2)
    sorts = (
        ("Best", ranked[:SHOWN]),
        ("Median", ranked[middle : middle + SHOWN]),
        ("Worst", ranked[-SHOWN:]),
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(card.title)}</title><style>{STYLE}</style>",
        f"<h1>{html.escape(card.title)}</h1><p><b>{html.escape(card.status)}</b>. {html.escape(card.intended_use)}</p>",
        f"<p>Package <code>{card.digest()}</code>. Baseline: {html.escape(card.baseline)}</p>",
        "<h2>Figures</h2><p>95 % bootstrap intervals by patient.</p>",
        _table(head, (_row(result, baseline)[: len(head)] for result in results)),
        *(_section(title, chosen) for title, chosen in sorts),
        "<h2>Pictures that should not be answered</h2>",
        _table(
            ("data", "answered", "of", "seen in training"),
            ((s.data, str(s.answered), str(s.n), s.seen_in_training) for s in card.silence),
        ),
        "<h2>Limits</h2><ul>" + "".join(f"<li>{html.escape(limit)}</li>" for limit in card.limits) + "</ul></html>",
    ]
    return "\n".join(parts)


def _row(result: Result, baseline: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    band = "" if result.low is None or result.high is None else f"{result.low:.3f} to {result.high:.3f}"
    value, other = f"{result.value:.4f} {result.unit}".strip(), baseline.get((result.name, result.data), "")
    return (result.data, result.name, value, band, str(result.n), other)


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
