"""The encoder that EchoCare's authors released, taken over into a package.

The file is a state dict of MONAI's `SwinTransformer` and the mask token of its pretraining; tools that saved it wrap it
in tables and lengthen its names. It is opened without running anything that it holds, and every tensor in it is
accounted for.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.encoder.config import CONFIGS
from models.encoder.windows import relative_index
from models.packages.card import DataSet
from models.packages.encoders import EncoderPackage
from models.packages.errors import ImportRefused
from models.packages.weights import DERIVED, bare_encoder, differences, named, not_finite
from models.packages.writing import About, write_encoder

WRAPPERS = ("state_dict", "model")
PREFIXES = ("module.", "encoder.", "backbone.", "swinViT.")
DROPPED = ("mask_token",)  # stands for hidden patches in pretraining; an encoder that sees all has no use for it
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\x0a"  # how files of torch.save begin, now and before 1.6
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    zipfile.BadZipFile,
)  # what torch.load raises on damaged files, by where the damage is

DATA = DataSet(
    name="EchoCareData, as its authors describe it (arXiv 2509.11752); this file itself does not say",
    role="pretraining without labels",
    licence="not stated in the file: see the release it came from",
    use="unclear",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file."""

    encoder: EncoderPackage
    tensors: int  # in the file
    stored: int
    checked: tuple[str, ...]  # tables that the encoder makes itself; they were compared and not stored
    dropped: tuple[str, ...]  # tensors that an encoder has no use for
    passed_over: tuple[str, ...]  # what lay beside the state dict


def import_echocare(file: Path, into: Path) -> Imported:
    """Make an encoder package of a released file.

    Parameters
    ----------
    file
        What `torch.save` wrote.
    into
        The package's folder is made here, named by architecture and digest.

    Raises
    ------
    ImportRefused
        The file is damaged, would run code, or is not an encoder of ours to the last tensor; the message names what is
        missing, left over, of another shape or not finite.
    OSError
        The package cannot be written.
    """
    inside, passed_over = _unwrapped(_opened(file), file)
    given = _named(inside, file)
    dropped = tuple(name for name in DROPPED if name in given)
    tensors = {name: value for name, value in given.items() if name not in dropped}
    name = _architecture(tensors, file)
    checked = _check_derived(tensors, name, file)
    kept = _stored({key: value for key, value in tensors.items() if key not in checked}, file)
    with file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    about = About(
        title=f"EchoCare encoder, {name}",
        data=(DATA,),
        origin=f"imported from {file.name}, sha256 {sha256}",
        notes=f"{len(given)} tensors in the file, {len(kept)} stored; dropped: {', '.join(dropped) or 'none'}."
        " Once you know the licences of the weights and their data, write them into `data`.",
    )
    return Imported(
        encoder=write_encoder(kept, name, about, into),
        tensors=len(given),
        stored=len(kept),
        checked=checked,
        dropped=dropped,
        passed_over=passed_over,
    )


def _opened(file: Path) -> object:
    try:
        with file.open("rb") as content:
            start = content.read(4)
        if start not in (ZIP, LEGACY):
            raise ImportRefused(f"{file} is no file of weights that PyTorch wrote, or damaged: get it again")
        if start == ZIP:
            _check_archive(file)  # torch.load does not look at the checksums
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        wants = re.findall(r"GLOBAL (\S+)", str(fault))
        if wants:
            raise ImportRefused(
                f"{file} is refused: it holds more than tensors, and opening it would run {wants[0]};"
                " ask its maker for a file of tensors alone"
            ) from fault
        raise ImportRefused(f"{file} is damaged, or holds other things than tensors: get it again") from fault
    except UNREADABLE as fault:
        raise ImportRefused(f"{file} cannot be read: {fault}; if it is there, it is damaged: get it again") from fault


def _check_archive(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        broken = archive.testzip()
    if broken is not None:
        raise ImportRefused(f"{file} is damaged in its part {broken}: get it again")


def _unwrapped(content: object, file: Path) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """The state dict out of the tables round it, and the names of what lay beside it."""
    passed_over: list[str] = []
    while True:
        if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
            raise ImportRefused(f"{file} holds no state dict, that is, no table of tensors by name")
        wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if wrapper is None:
            return content, tuple(passed_over)
        passed_over += sorted(key for key in content if key != wrapper)
        content = content[wrapper]


def _named(inside: Mapping[str, object], file: Path) -> dict[str, Tensor]:
    """Tensors by the encoder's own names."""
    found: dict[str, Tensor] = {}
    for key, value in inside.items():
        name = key
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        if name in found:
            raise ImportRefused(f"{file} holds {name} twice, once as {key}: import a file of one network")
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
            raise ImportRefused(f"{file} holds under {key} something else than a plain tensor")
        found[name] = value
    return found


def _architecture(tensors: Mapping[str, Tensor], file: Path) -> str:
    """The encoder whose tensors these are, all of them and no others."""
    wanted = {
        name: {key: tuple(value.shape) for key, value in bare_encoder(name).state_dict().items()} for name in CONFIGS
    }
    alike = {name: _alike(tensors, shapes) for name, shapes in wanted.items()}
    name = max(alike, key=lambda each: alike[each])
    if not alike[name]:
        raise ImportRefused(
            f"{file} has no tensor with name and shape of an EchoCare encoder;"
            f" it has {named(sorted(tensors)) or 'none at all'}"
        )
    told = differences(tensors, wanted[name])
    if told:
        raise ImportRefused(f"{file} is not quite {name}; {'; '.join(told)}")
    return name


def _alike(tensors: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]) -> int:
    return sum(tuple(value.shape) == wanted.get(key) for key, value in tensors.items() if not key.endswith(DERIVED))


def _check_derived(tensors: Mapping[str, Tensor], name: str, file: Path) -> tuple[str, ...]:
    """Compare the tables that our encoder makes itself; another table would give other maps."""
    checked = tuple(sorted(key for key in tensors if key.endswith(DERIVED)))
    window = CONFIGS[name].window
    table = relative_index((window, window))
    other = [key for key in checked if not torch.equal(tensors[key].to(table.dtype), table)]
    if other:
        raise ImportRefused(f"{file} orders the pixels of windows in another way than {name}, in {named(other)}")
    return checked


def _stored(tensors: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """As they are if all are float16; else as float32."""
    numbers = [key for key, value in tensors.items() if not value.is_floating_point()]
    if numbers:
        raise ImportRefused(f"{file} holds tensors that are no real numbers: {named(sorted(numbers))}")
    halves = all(value.dtype == torch.float16 for value in tensors.values())
    dtype = torch.float16 if halves else torch.float32
    kept = {key: value.detach().to(dtype).contiguous() for key, value in tensors.items()}
    broken = not_finite(kept)
    if broken:
        raise ImportRefused(f"{file} holds numbers that are not finite, in {named(broken)}")
    return kept
