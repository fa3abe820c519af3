"""Packages on disk: copied whole or not at all, told apart by their bytes, and switched by one rename.

`promoted/<task>` is a link to a folder in `promoted/.kept`. Links are replaced in one step, which folders are not, and
a node that runs goes on reading the folder that it was started with: nothing in `.kept` is changed or removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from models.packages.encoders import EncoderPackage, find_encoders
from models.packages.folders import ENCODERS, PERMISSIVE, bundled_in, folders_in
from models.packages.package import BUNDLED, TaskPackage, load_package
from trainer.promote.errors import PackageAltered
from trainer.promote.record import sync

KEPT: Final = ".kept"  # hidden folders hold no packages for those who look
SHORT: Final = 12  # hex digits of a digest in names of folders


def files_digest(folder: Path) -> str:
    """One digest over the names and bytes of a package's files."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        with path.open("rb") as content:
            whole.update(f"{path.name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return "sha256:" + whole.hexdigest()


def keep(package: TaskPackage, promoted: Path) -> str:
    """Copy a package into `.kept`, and its encoder beside where others look for it; the name of the copy.

    Raises
    ------
    PackageAltered
        A copy of this digest lies there, with other bytes.
    OSError
        The folder cannot be written.
    """
    keep_encoder(package.encoder, promoted)
    name = f"{package.identity.task}-{package.identity.digest.partition(':')[2][:SHORT]}"
    place_copy(package.path, promoted / KEPT / name)
    return name


def keep_encoder(encoder: EncoderPackage, promoted: Path) -> None:
    """Copy an encoder into `encoders`, unless it comes with this software whatever a site leaves out."""
    if not encoder.path.resolve().is_relative_to(BUNDLED / PERMISSIVE):
        place_copy(encoder.path, promoted / ENCODERS / encoder.path.name)


def place_copy(source: Path, target: Path) -> None:
    """Copy a package's folder to a name that appears when all of it is on the disk; raises as `keep`."""
    if target.exists():
        if files_digest(target) != files_digest(source):
            raise PackageAltered(f"{target} is no copy of {source} any more: move it away, and give the command again")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for path in sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")):
        with path.open("rb") as content, (part / path.name).open("wb") as copy:
            shutil.copyfileobj(content, copy)
            copy.flush()
            os.fsync(copy.fileno())
    sync(part)
    os.replace(part, target)
    sync(target.parent)


def load_kept(promoted: Path, name: str) -> TaskPackage:
    """Read a kept package, whether it is the active one or not; raises as `models.packages.load_package`."""
    encoders = find_encoders(folders_in([*bundled_in(BUNDLED, "all"), promoted]).encoders)
    return load_package(promoted / KEPT / name, encoders)


def active(promoted: Path, task: str) -> str | None:
    """Name of the kept package that is promoted for a task; None where none is."""
    try:
        return Path(os.readlink(promoted / task)).name
    except OSError:
        return None


def switch(promoted: Path, task: str, name: str | None) -> None:
    """Let a kept package be the promoted one, or none; done when this returns, and never half done.

    Raises
    ------
    OSError
        The folder cannot be written, or something that is no link of ours lies at the task's name.
    """
    link = promoted / task
    if name is None:
        link.unlink(missing_ok=True)
    else:
        fresh = promoted / f".{task}.link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(KEPT) / name, target_is_directory=True)
        os.replace(fresh, link)
    sync(promoted)
