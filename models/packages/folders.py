"""Where packages lie: folders of folders, with encoders beside the tasks or in a folder of their own.

The packages that come with this software lie apart by what the licences of their training data leave open, so that a
site can leave those out that it may not use, by a setting or by removing the folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from models.packages.errors import CardError, Refusal

CARD = "card.yaml"
ENCODER_CARD = "encoder.yaml"
ENCODERS = "encoders"
PERMISSIVE = "permissive"  # below the bundled folder: trained on permissive data alone, the encoder included
NON_COMMERCIAL = "non-commercial"  # the same for all others, also where the licence is unclear

Bundled: TypeAlias = Literal["all", "permissive", "none"]  # which of the bundled tasks are taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """What was found, in the order of looking; nothing in it was read yet."""

    encoders: tuple[Path, ...]
    tasks: tuple[Path, ...]
    refusals: tuple[Refusal, ...]  # folders without any card, or that cannot be listed


def bundled_in(root: Path, bundled: Bundled) -> tuple[Path, ...]:
    """Folders below the bundled one to look into for tasks; those of later ones stand before those of earlier ones."""
    taken = {"all": (PERMISSIVE, NON_COMMERCIAL), "permissive": (PERMISSIVE,), "none": ()}
    return tuple(root / name for name in taken[bundled])


def folders_in(roots: Iterable[Path]) -> Folders:
    """Look for packages.

    Parameters
    ----------
    roots
        Packages, or folders of packages; a folder `encoders` in these is looked into as well. What does not exist
        holds nothing; hidden folders are passed over.
    """
    encoders: list[Path] = []
    tasks: list[Path] = []
    refusals: list[Refusal] = []
    for root in roots:
        try:
            candidates = _candidates(root)
        except OSError as fault:
            refusals.append(_refusal(root, f"the folder {root} cannot be looked into: {fault}"))
            continue
        for folder in candidates:
            try:
                is_encoder, is_task = (folder / ENCODER_CARD).exists(), (folder / CARD).exists()
            except OSError as fault:
                refusals.append(_refusal(folder, f"the folder {folder} cannot be looked into: {fault}"))
                continue
            encoders += [folder] if is_encoder else []
            tasks += [folder] if is_task else []
            if not is_encoder and not is_task:
                words = f"the folder {folder} holds neither {CARD} nor {ENCODER_CARD}: it is no package"
                refusals.append(_refusal(folder, words))
    return Folders(encoders=tuple(encoders), tasks=tuple(tasks), refusals=tuple(refusals))


def _refusal(folder: Path, words: str) -> Refusal:
    return Refusal(path=folder, code=CardError.code, reason=words)


def _candidates(root: Path) -> list[Path]:
    if _is_package(root):
        return [root]
    found: list[Path] = []
    for child in _children(root) if root.is_dir() else []:
        found += _children(child) if child.name == ENCODERS and not _is_package(child) else [child]
    return found


def _is_package(folder: Path) -> bool:
    return (folder / CARD).exists() or (folder / ENCODER_CARD).exists()


def _children(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
