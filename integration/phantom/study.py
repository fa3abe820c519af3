"""A whole study of phantoms: what `echocare-node demo` sends to itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from integration.phantom.breast import breast_mass
from integration.phantom.dicom import Encoding, Identity, write_cine, write_still
from integration.phantom.head import fetal_head, fetal_head_cine
from integration.phantom.scene import HeadTruth, MassTruth, Scene
from integration.phantom.screen import Look, SecondRegion

Truth: TypeAlias = HeadTruth | MassTruth


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleInstance:
    """One file and what is true of it."""

    path: Path
    subject: str  # "fetal head still", "breast still", "fetal head cine"
    sop_instance_uid: str
    truths: tuple[Truth, ...]  # one for each frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStudy:
    """The files of a study and their truth."""

    study_instance_uid: str
    instances: tuple[SampleInstance, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(instance.path for instance in self.instances)

    @property
    def truths(self) -> tuple[tuple[Truth, ...], ...]:
        """For each file the truth of each frame."""
        return tuple(instance.truths for instance in self.instances)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """How a sample study is made."""

    salt: str = ""  # another salt, other UIDs, same pixels
    frames: int = 30  # of the cine
    rows: int = 600
    columns: int = 800
    encoding: Encoding = Encoding.EXPLICIT  # of the stills
    cine_encoding: Encoding = Encoding.JPEG
    colour: bool = True  # of the breast still and the cine; the head still is gray
    patient_name: str = "PHANTOM^SAMPLE"
    patient_id: str = "PHANTOM-0001"


def sample_study(folder: Path, seed: int = 7, *, options: SampleOptions | None = None) -> SampleStudy:
    """Write a study: a fetal head and a breast mass as stills, a fetal head as a cine.

    Each carries burned-in text and two ultrasound regions, tissue in cm and a Doppler spectrum in s and cm/s.

    Parameters
    ----------
    folder
        Where the files go; made if missing.
    seed
        Same seed and options, same bytes.
    options
        Sizes, encodings, patient.
    """
    options = options or SampleOptions()
    gray = Look(second=SecondRegion.SPECTRUM)
    coloured = Look(second=SecondRegion.SPECTRUM, colour=options.colour)
    size = (options.rows, options.columns)
    head = fetal_head(seed, *size, look=gray)
    mass = breast_mass(seed, malignant=bool(seed % 2), rows=size[0], columns=size[1], look=coloured)
    first = _identity(seed, options, series=1, instance=1)
    second = _identity(seed, options, series=2, instance=1)
    third = _identity(seed, options, series=1, instance=2)
    truths: list[Truth] = []
    cine = _noting(fetal_head_cine(seed, options.frames, *size, look=coloured), truths)
    head_path = write_still(head, folder / "fetal-head.dcm", first, encoding=options.encoding)
    mass_path = write_still(mass, folder / "breast.dcm", second, encoding=options.encoding)
    cine_path = write_cine(cine, folder / "fetal-head-cine.dcm", third, encoding=options.cine_encoding)
    return SampleStudy(
        study_instance_uid=first.study_instance_uid,
        instances=(
            _instance(head_path, "fetal head still", first, (head.truth,)),
            _instance(mass_path, "breast still", second, (mass.truth,)),
            _instance(cine_path, "fetal head cine", third, tuple(truths)),
        ),
    )


def _identity(seed: int, options: SampleOptions, *, series: int, instance: int) -> Identity:
    return Identity(
        study=f"sample/{seed}/{options.salt}",
        series_number=series,
        instance_number=instance,
        patient_name=options.patient_name,
        patient_id=options.patient_id,
    )


def _instance(path: Path, subject: str, identity: Identity, truths: tuple[Truth, ...]) -> SampleInstance:
    return SampleInstance(path=path, subject=subject, sop_instance_uid=identity.sop_instance_uid, truths=truths)


def _noting(scenes: Iterator[Scene], truths: list[Truth]) -> Iterator[Scene]:
    """Pass scenes on and keep their truth, so that no frame has to be held."""
    for scene in scenes:
        truths.append(scene.truth)
        yield scene
