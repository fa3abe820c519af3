"""Sources of every kind under names in every character set, and what was found on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from integration.pixels import SourceImage
from models.findings import Finding
from tests.integration.results.sources import (
    COLUMNS,
    ROWS,
    WHOLE,
    head_findings,
    lesion_findings,
    region,
    write_source,
)

NAMES = {
    "latin-1": ("ISO_IR 100", "Müller^Jürgen"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "gb18030": ("GB18030", "Wang^XiaoDong=王^小東"),
    "utf-8": ("ISO_IR 192", "Wang^XiaoDong=王^小東=Ελένη"),
    "empty": (None, ""),
}
REGIONS = {
    "none": (),
    "one": (region(*WHOLE),),
    "two": (region(0, 0, COLUMNS - 1, ROWS // 4), region(0, ROWS // 4 + 1, COLUMNS - 1, ROWS - 1, mm=0.4)),
}


def named_source(
    folder: Path, *, frames: int, kind: str, regions: str, names: str, text: Mapping[str, object] = {}
) -> SourceImage:
    """A source of a kind, with regions and the patient's name as `REGIONS` and `NAMES` have them, and other texts."""
    character_set, name = NAMES[names]
    return write_source(
        folder,
        frames=frames,
        kind=kind,
        regions=REGIONS[regions],
        character_set=character_set,
        text={"PatientName": name, **text},
    )


def findings_of(source: SourceImage) -> tuple[Finding, ...]:
    """A head and a lesion: on several frames of a clip."""
    several = source.number_of_frames > 1
    frames, best = ((2, 3, 5), 3) if several else ((1,), 1)
    return head_findings(source, frames=frames, best=best) + lesion_findings(source, frame=best)
