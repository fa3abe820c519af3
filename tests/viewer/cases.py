"""Sources of every kind with findings of known place, their results, and what is to be seen of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from integration.phantom import (
    HeadTruth,
    Identity,
    Scene,
    fetal_head,
    fetal_head_cine,
    phantom_uid,
    write_cine,
    write_still,
)
from integration.pixels import SourceImage, in_physical_units, open_image
from integration.results import ResultObject, ResultOptions, write_results
from integration.results.objects import ObjectKind
from models.findings import Code, Finding, Mask, Measure, Quantity
from tests.integration.results.sources import (
    ANATOMY,
    BPD,
    COLUMNS,
    HC,
    HEAD,
    OFD,
    ROWS,
    WHOLE,
    head_findings,
    lesion_findings,
    region,
    request_of,
    write_source,
)
from tests.peers.orthanc import Orthanc

KINDS = ("RGB", "PALETTE", "YBR", "MONO")
MOTIONS = ("still", "cine")
STUDIES = tuple(f"{motion}-{kind}" for motion, kind in itertools.product(MOTIONS, KINDS))
PHANTOMS = "phantoms"
PHANTOM_SEED, PHANTOM_SIZE = 7, (480, 640)
FRAMES, BEST, USED, EMPTY = 5, 3, (2, 3, 5), 4  # of a cine
REGIONS = {
    "none": (),
    "one": (region(*WHOLE),),
    "two": (region(0, 0, COLUMNS - 1, ROWS // 4), region(0, ROWS // 4 + 1, COLUMNS - 1, ROWS - 1, mm=0.4)),
}
EVERYTHING = ResultOptions(objects=tuple(ObjectKind))
VALUES = {
    "none": ("Head Circumference: 220.00 {pixels}", "Biparietal Diameter: 60.00 {pixels}", "80.00 {pixels}"),
    "one": ("Head Circumference: 110.50 mm", "Biparietal Diameter: 30.00 mm", "40.00 mm"),
    # The head lies in both regions, the occipitofrontal diameter in the lower one of 0.4 mm a pixel.
    "two": ("Head Circumference: 220.00 {pixels}", "Biparietal Diameter: 60.00 {pixels}", "32.00 mm"),
}
"""What the viewer prints, the third after "Occipital-Frontal Diameter: ": by hand from the sizes in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One source and what was written about it."""

    name: str
    source: SourceImage
    findings: tuple[Finding, ...]
    results: tuple[ResultObject, ...]
    values: tuple[str, ...]  # labels of measurements as the viewer prints them

    def series(self, role: str) -> str:
        """Series Instance UID of a result."""
        return next(result.series_instance_uid for result in self.results if result.role == role)

    @property
    def masks(self) -> tuple[Mask, ...]:
        return tuple(finding for finding in self.findings if isinstance(finding, Mask))

    @property
    def measured(self) -> tuple[Quantity, ...]:
        """The quantities that are drawn."""
        return tuple(finding for finding in self.findings if isinstance(finding, Quantity) and finding.points)

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames with something on them."""
        return tuple(sorted({finding.frame for finding in self.findings}))

    @property
    def frame(self) -> int:
        """The frame of the measurements."""
        (frame,) = {quantity.frame for quantity in self.measured}
        return frame


def study_uid(name: str) -> str:
    """Of the study of this name."""
    return phantom_uid("viewer", name)


def study(name: str, folder: Path, pacs: Orthanc) -> dict[str, Case]:
    """Put one study of the matrix into the archive: for each kind of regions a source and its results."""
    motion, kind = name.split("-")
    cases = {}
    for number, regions in enumerate(REGIONS, 1):
        path = folder / f"{name}-{regions}.dcm"
        source = write_source(
            path,
            frames=1 if motion == "still" else FRAMES,
            kind=kind,
            regions=REGIONS[regions],
            text=identified(name, regions, number),
        )
        used, best = ((1,), 1) if motion == "still" else (USED, BEST)
        findings = (*head_findings(source, frames=used, best=best), *lesion_findings(source, frame=best))
        circumference, short, long = VALUES[regions]
        values = (circumference, short, f"Occipital-Frontal Diameter: {long}")
        cases[regions] = put(f"{name}-{regions}", path, source, findings, pacs, values=values)
    return cases


def identified(name: str, part: str, number: int) -> dict[str, object]:
    """Attributes that make a source one of a study."""
    return {
        "StudyInstanceUID": study_uid(name),
        "SeriesInstanceUID": phantom_uid("viewer", name, part, "series"),
        "SOPInstanceUID": phantom_uid("viewer", name, part),
        "SeriesNumber": number,
        "SeriesDescription": f"{name}, {part}",
    }


def phantoms(folder: Path, pacs: Orthanc) -> dict[str, Case]:
    """A still and a clip that look like ultrasound, with the findings that are true of them."""
    cine = tuple(fetal_head_cine(PHANTOM_SEED, FRAMES, *PHANTOM_SIZE))
    still = fetal_head(PHANTOM_SEED, *PHANTOM_SIZE)
    first, second = (Identity(study=f"viewer/{PHANTOMS}", series_number=number) for number in (1, 2))
    scenes = {"still": {1: still}, "cine": {frame: cine[frame - 1] for frame in USED}}
    paths = {
        "still": write_still(still, folder / "phantom.dcm", first),
        "cine": write_cine(cine, folder / "phantom-cine.dcm", second),
    }
    cases = {}
    for motion, path in paths.items():
        source = open_image(path)
        seen = scenes[motion]
        best = 1 if motion == "still" else BEST
        found = (*(_head_mask(scene, frame) for frame, scene in seen.items()), *_head_sizes(seen[best], best))
        truth = seen[best].truth
        assert isinstance(truth, HeadTruth)
        values = (f"Biparietal Diameter: {truth.bpd_mm:.1f}0 mm", f"Occipital-Frontal Diameter: {truth.ofd_mm:.1f}0 mm")
        findings = in_physical_units(found, source.calibration)
        cases[motion] = put(f"phantom-{motion}", path, source, findings, pacs, values=values)
    return cases


def _head_mask(scene: Scene, frame: int) -> Mask:
    rows, columns = scene.mask.shape
    return Mask(
        name="fetal head",
        group="fetal head 1",
        frame=frame,
        code=HEAD,
        site=HEAD,
        confidence=0.97,
        category=ANATOMY,
        rows=rows,
        columns=columns,
        deflated=Mask.deflate(scene.mask),
    )


def _head_sizes(scene: Scene, frame: int) -> tuple[Quantity, ...]:
    truth = scene.truth
    assert isinstance(truth, HeadTruth)
    edge = [(float(x), float(y)) for x, y in truth.outline(72)]
    shapes: tuple[tuple[str, Code, Measure, list[tuple[float, float]]], ...] = (
        ("head circumference", HC, Measure.PERIMETER, edge),
        ("biparietal diameter", BPD, Measure.LENGTH, [edge[18], edge[54]]),
        ("occipitofrontal diameter", OFD, Measure.LENGTH, [edge[0], edge[36]]),
    )
    return tuple(
        Quantity(
            name=name,
            group="fetal head 1",
            frame=frame,
            code=code,
            site=HEAD,
            confidence=0.97,
            value=0.0,
            unit="px",
            measure=measure,
            points=tuple(points),
        )
        for name, code, measure, points in shapes
    )


def put(
    name: str,
    path: Path,
    source: SourceImage,
    findings: tuple[Finding, ...],
    pacs: Orthanc,
    *,
    values: tuple[str, ...] = (),
    options: ResultOptions = EVERYTHING,
) -> Case:
    """Write results, and store them and their source."""
    folder = path.with_suffix("")
    folder.mkdir()
    identity = hashlib.sha256(name.encode()).hexdigest()
    results = write_results(request_of(source, findings, job_identity=identity, options=options), folder)
    for file in (path, *(result.path for result in results)):
        pacs.client.post("/instances", content=file.read_bytes()).raise_for_status()
    return Case(name=name, source=source, findings=findings, results=results, values=values)


def moved(findings: Sequence[Finding], *, right: int = 0, down: int = 0, frames: int = 0) -> tuple[Finding, ...]:
    """The same findings in a wrong place."""
    return tuple(_moved(finding, right, down, frames) for finding in findings)


def _moved(finding: Finding, right: int, down: int, frames: int) -> Finding:
    finding = replace(finding, frame=finding.frame + frames)
    if isinstance(finding, Mask):
        shifted = np.roll(finding.to_array(), (down, right), (0, 1))
        return replace(finding, deflated=Mask.deflate(shifted))
    if isinstance(finding, Quantity):
        return replace(finding, points=tuple((x + right, y + down) for x, y in finding.points))
    return finding
