"""The plot of Bland and Altman as SVG: by how much two ways of telling a number differ, over what they tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from trainer.adapting.agreement import bias, limits

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 96, 14, 42  # px round the field
TICKS = 5  # at least, along an axis
ROOM = 0.06  # of the span, beyond the outermost mark


def bland_altman(reference: ArrayLike, found: ArrayLike, unit: str, name: str = "") -> str:
    """Differences over means, with bias and 95 % limits of agreement, as one inline SVG element.

    Parameters
    ----------
    reference, found
        (n,), in `unit`; pairs of which either is not finite are left out.
    name
        What the number is, for the axes.

    Returns
    -------
    str
        Without anything to fetch and without scripts; it says so where there are no pairs.
    """
    pairs = np.stack([np.asarray(found, dtype=np.float64), np.asarray(reference, dtype=np.float64)], axis=1)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' role="img" aria-label="{escape(f"Bland-Altman plot {name}".strip())}" font-family="sans-serif"'
        ' font-size="11">'
    )
    if not len(pairs):
        return f'{head}<text x="{WIDTH // 2}" y="{HEIGHT // 2}" text-anchor="middle">no pairs to compare</text></svg>'
    means, off = pairs.mean(axis=1), pairs[:, 0] - pairs[:, 1]
    lines = [("bias", bias(pairs)), *zip(("+1.96 SD", "-1.96 SD"), limits(pairs)[::-1], strict=True)]
    lines = [(words, value) for words, value in lines if np.isfinite(value)]
    across, down = _span(means), _span([*off, *(value for _, value in lines), 0.0])
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    x, y = _axis(across, LEFT, right), _axis(down, floor, TOP)
    parts = [
        head,
        f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{floor - TOP}" fill="none" stroke="#8c959f"/>',
    ]
    for tick in _ticks(*across):
        parts.append(f'<text x="{x(tick):.1f}" y="{floor + 14}" text-anchor="middle">{tick:g}</text>')
    for tick in _ticks(*down):
        parts.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for words, value in lines:
        dashes = "" if words == "bias" else ' stroke-dasharray="5 4"'
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#bc4c00"{dashes}/>'
            f'<text x="{right + 5}" y="{y(value) + 4:.1f}">{words} {value:.1f}</text>'
        )
    parts += [
        f'<circle cx="{x(mean):.1f}" cy="{y(each):.1f}" r="3" fill="#0969da" fill-opacity=".6"/>'
        for mean, each in zip(means, off, strict=True)
    ]
    what = f"{escape(name)}, {escape(unit)}".strip(", ")
    centre, middle = (LEFT + right) / 2, (TOP + floor) / 2
    words = f"mean of found and reference ({what})"
    parts += [
        f'<text x="{centre}" y="{HEIGHT - 8}" text-anchor="middle">{words}</text>',
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">found minus reference</text></svg>',
    ]
    return "".join(parts)


def _axis(span: tuple[float, float], start: float, end: float) -> Callable[[float], float]:
    """From values of a span to pixels between start and end."""
    return lambda value: start + (value - span[0]) / (span[1] - span[0]) * (end - start)


def _span(values: ArrayLike) -> tuple[float, float]:
    """A little more than the values take."""
    low, high = float(np.min(values)), float(np.max(values))
    room = ROOM * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> Sequence[float]:
    """Round numbers between two."""
    raw = (high - low) / TICKS
    power = 10.0 ** np.floor(np.log10(raw))
    step = max(each * power for each in (1, 2, 5) if each * power <= raw)
    return [float(round(n * step, 9)) for n in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
