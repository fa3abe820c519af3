"""Findings as the JSON that `echocare-node predict --json` prints: a public interface."""

from __future__ import annotations

import re
from typing import TypeAlias

from models.findings import (
    Box,
    Category,
    Code,
    EnhancedImage,
    Finding,
    Landmarks,
    Mask,
    Narrative,
    NoFinding,
    Quantity,
    rle,
)

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def finding_to_json(finding: Finding) -> dict[str, Json]:
    """One finding as a table of JSON values; keys that do not apply are left out.

    Findings of one thing in the picture share its `group`, such as a mask and its diameters.

    Coordinates are source pixels, `frame` counts from 1, `mask_rle` is row-major run lengths that start with zeros.
    The pixels of a processed picture are not in it, only their size: `predict -o` writes them.
    """
    out: dict[str, Json] = {
        "kind": re.sub(r"(?<!^)(?=[A-Z])", "_", type(finding).__name__).lower(),
        "name": finding.name,
        "group": finding.group,
    }
    if finding.code is not None:
        out["code"] = _code(finding.code)
    out["frame"] = finding.frame
    if finding.confidence is not None:
        out["confidence"] = finding.confidence
    out.update(_own(finding))
    return out


def _own(finding: Finding) -> dict[str, Json]:
    match finding:
        case Quantity():
            return _quantity(finding)
        case Category():
            sure: dict[str, Json] = {} if finding.probability is None else {"confidence": finding.probability}
            return {**sure, "value": finding.value.meaning}
        case Mask():
            return {"mask_rle": list(rle(finding.to_array()))}
        case Box():
            return {"box": [finding.left, finding.top, finding.right, finding.bottom]}
        case Landmarks():
            return {"points": [[x, y] for x, y in finding.points], "labels": list(finding.labels)}
        case Narrative():
            return {"value": finding.text}
        case NoFinding():
            return {"reason": finding.reason}
        case EnhancedImage():
            return {"rows": int(finding.pixels.shape[0]), "columns": int(finding.pixels.shape[1])}
        case _:
            return {}


def _quantity(finding: Quantity) -> dict[str, Json]:
    out: dict[str, Json] = {"value": finding.value, "unit": finding.unit}
    if finding.points:
        out["points"] = [[x, y] for x, y in finding.points]
    if finding.reason is not None:
        out["reason"] = finding.reason
    return out


def _code(code: Code) -> dict[str, Json]:
    return {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}
