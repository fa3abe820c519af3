"""What kind of source a path is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trainer.data.dicom_folder import INSTANCES, DicomFolder, Taking
from trainer.data.image_folder import ImageFolder
from trainer.data.pictures import Source
from trainer.errors import MissingData

INDEX: Final = "index.csv"


def find_sources(paths: Sequence[Path], taking: Taking) -> list[Source]:
    """The sources that lie at the paths, each with a name of its own.

    A folder with an index of pictures is an image folder, one with several of them is each of those, and everything
    else is taken for DICOM files, the node's archive among them. DICOM folders are named `dicom` or `node` and a
    number, not by their paths, which may hold a name.

    Raises
    ------
    MissingData
        A path is no folder, an index cannot be read, or two image folders have the same name.
    """
    sources: list[Source] = []
    for path in paths:
        if not path.is_dir():
            raise MissingData(f"{path} is no folder: a source is a folder of pictures with {INDEX}, or of DICOM files")
        below = sorted(index.parent for index in path.glob(f"*/{INDEX}"))
        if _has_pictures(path):
            sources.append(ImageFolder(path.resolve()))
        elif below:
            sources.extend(ImageFolder(folder.resolve()) for folder in below if _has_pictures(folder))
        else:
            kind = "node" if (path / INSTANCES).is_dir() else "dicom"
            sources.append(DicomFolder(path, f"{kind}{len(sources) + 1}", taking))
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MissingData(f"two sources are named {', '.join(twice)}: rename a folder, pictures are told apart by it")
    return sources


def _has_pictures(folder: Path) -> bool:
    """Whether its index has a column `image`; one of DICOM files has `file`."""
    index = folder / INDEX
    if not index.is_file():
        return False
    with index.open(encoding="utf-8", errors="replace") as file:
        return "image" in file.readline().strip().split(",")
