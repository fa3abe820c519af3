"""A local cohort: pictures out of the node's archive, without their patients, as an image folder."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2

from trainer.data.changes import Headers, of_pixels
from trainer.data.corrections import read_corrections
from trainer.data.dicom_folder import DicomFolder, Taking
from trainer.data.errors import OtherShards
from trainer.data.pictures import Item, LeftOut, Picture
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.query import Query
from trainer.data.reports import read_reports
from trainer.data.tars import sync_folder
from trainer.errors import MissingData

if TYPE_CHECKING:
    from pydicom import Dataset

COLUMNS: Final = (
    "id", "patient_id", "split", "image", "mask", "structures", "answers", "region", "organ", "frame", "device",
    "pixel_spacing_mm", "licence",
)  # fmt: skip
SQUARE: Final = 0.01  # sides of a pixel that differ by less, by share, are one spacing


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a cohort came to."""

    pictures: int
    patients: int
    with_outlines: int  # pictures with a mask that somebody drew or mended
    with_answers: int  # pictures of which somebody answered something in a report
    by_split: dict[str, int]
    by_organ: dict[str, int]
    left_out: dict[str, int]  # of the images that were asked for and of files that are none, by reason


def gather(
    archive: Path,
    query: Query,
    out: Path,
    pseudonyms: Pseudonyms,
    taking: Taking,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Gathered:
    """Write the pictures that a query asks for, `index.csv` last; beside it `cohort.json` with the query, and
    `report.json` with what was changed of which picture and file.

    Outlines that people drew or mended, in segmentations that came back to the archive, become masks; coded answers of
    people, in reports that came back, the column `answers`.

    Raises
    ------
    MissingData
        The archive is no folder, or nothing in it is asked for or may be taken.
    OtherShards
        The folder holds a cohort already.
    """
    if not archive.is_dir():
        raise MissingData(f"{archive} is no folder: --archive must name the node's archive or a folder of DICOM files")
    if (out / "index.csv").exists():
        raise OtherShards(f"{out} holds a cohort already: name an empty folder with --out")
    corrections, reported = read_corrections(archive), read_reports(archive)

    def wanted(header: Dataset) -> bool:
        outlined = corrections.frames_of(str(header.get("SOPInstanceUID", "")))
        return query.wants(header) and (bool(outlined) or not query.corrected)

    source = DicomFolder(archive, "cohort", taking, wanted, corrections, reported)
    found = list(source.items())
    items = [each for each in found if isinstance(each, Item)]
    left_out = Counter(each.reason for each in found if isinstance(each, LeftOut))
    left_out += Counter(corrections.left_out) + Counter(reported.left_out)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, str]] = []
    headers, pixels = Headers(), dict[str, dict[str, Any]]()
    for done, item in enumerate(items, 1):
        for picture in source.pictures(item):
            if isinstance(picture, LeftOut):
                left_out[picture.reason] += 1
            else:
                rows.append(_write(out, item, picture, pseudonyms))
                pixels[rows[-1]["id"]] = of_pixels(picture)
                headers.note(pseudonyms.of("item", item.name), picture)
        progress(done, len(items))
    if not rows:
        raise MissingData(_nothing(len(items), left_out))
    result = Gathered(
        pictures=len(rows),
        patients=len({row["patient_id"] for row in rows}),
        with_outlines=sum(row["mask"] != "" for row in rows),
        with_answers=sum(row["answers"] != "" for row in rows),
        by_split=dict(Counter(row["split"] for row in rows)),
        by_organ=dict(Counter(row["organ"] or row["region"] or "not known" for row in rows)),
        left_out=dict(left_out),
    )
    asked = {"query": asdict(query), "taking": asdict(taking), "result": asdict(result)}
    (out / "cohort.json").write_text(json.dumps(asked, indent=2, default=str), encoding="utf-8")
    changed = {"headers": headers.lines(), "pictures": pixels}
    (out / "report.json").write_text(json.dumps(changed, indent=1), encoding="utf-8")
    _write_index(out, rows)
    return result


def _write(out: Path, item: Item, picture: Picture, pseudonyms: Pseudonyms) -> dict[str, str]:
    name = f"{pseudonyms.of('item', item.name)}-{picture.frame:05d}-{picture.view}"
    image, mask = f"images/{name}.png", f"masks/{name}.png" if picture.mask is not None else ""
    (out / image).write_bytes(bytes(cv2.imencode(".png", picture.image)[1]))
    if picture.mask is not None:
        (out / mask).write_bytes(bytes(cv2.imencode(".png", picture.mask)[1]))
    return {
        "id": name,
        "patient_id": pseudonyms.of("patient", item.patient),
        "split": item.split,
        "image": image,
        "mask": mask,
        "structures": json.dumps({str(value): word for value, word in picture.structures.items()}) if mask else "",
        "answers": json.dumps(dict(picture.labels)) if picture.labels else "",
        "region": picture.shown.region,
        "organ": picture.shown.organ,
        "frame": str(picture.frame),
        "device": picture.device,
        "pixel_spacing_mm": _spacing(picture.mm_per_pixel),
        "licence": picture.licence,
    }


def _spacing(scale: tuple[float, float] | None) -> str:
    """One number where pixels are square; the index has no room for two, and a false one would make false lengths."""
    if scale is None or abs(scale[0] - scale[1]) > SQUARE * max(scale):
        return ""
    return f"{sum(scale) / 2:.6g}"


def _write_index(out: Path, rows: list[dict[str, str]]) -> None:
    part = out / "index.csv.part"
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["id"]))
        file.flush()
        os.fsync(file.fileno())
    part.replace(out / "index.csv")
    sync_folder(out)


def _nothing(asked_for: int, left_out: Counter[str]) -> str:
    why = "; ".join(f"{count} x {reason}" for reason, count in left_out.most_common())
    if asked_for:
        return f"none of the {asked_for} images that the query asks for may be taken: {why}"
    return f"the query asks for no image of the archive; widen it. Files that are no ultrasound images: {why or 'none'}"
