"""Packages made for tests: small squares, fresh weights, one encoder for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.encoder.factory import create_encoder
from models.frames import FrameInput
from models.heads.task import build_heads
from models.packages.card import Card
from models.packages.encoders import Encoders, load_encoder
from models.packages.package import TaskPackage, load_package
from models.packages.weights import stored
from models.packages.writing import About, write_encoder, write_package

SIZE = 64
CODE = {"value": "4147007", "scheme": "SCT", "meaning": "Mass"}
OUTLINE = {
    "kind": "outline",
    "scope": 0.0,
    "structure": {"name": "mass", "category": CODE, "type": CODE, "site": CODE},
    "measures": "diameters",
    "gates": {"confidence": 0.0, "area": (0.0, 1.0), "dominance": 0.0, "ellipse": 0.0},
}


def made(folder: Path, *tasks: str, seed: int = 1, settings: dict[str, object] = OUTLINE) -> list[TaskPackage]:
    """Packages of these tasks below a folder; all hang on one encoder, whose weights follow from 1."""
    torch.manual_seed(1)
    about = About(title="made for a test", data=(), origin="fresh weights", notes="")
    tensors = stored(create_encoder("echocare_tiny"), torch.float32)
    encoder = load_encoder(write_encoder(tensors, "echocare_tiny", about, folder / "encoders").path)
    found = []
    for number, task in enumerate(tasks):
        torch.manual_seed(100 * seed + number)
        card = Card.model_validate(_card(task, settings))
        where = folder / f"{task}-{seed}"
        write_package(build_heads(encoder.config.channels, card.settings), card, encoder, where)
        found.append(load_package(where, Encoders(whole={encoder.digest: encoder})))
    return found


def squares(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Different squares of noise."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (SIZE, SIZE), np.uint8) for _ in range(count)]


def frames(count: int, seed: int = 0) -> list[FrameInput]:
    """The same as frames of a clip."""
    view = (0, 0, SIZE - 1, SIZE - 1)
    return [FrameInput(pixels=s, frame=n, view=view) for n, s in enumerate(squares(count, seed), 1)]


def _card(task: str, settings: dict[str, object]) -> dict[str, object]:
    return {
        "schema": 1,
        "task": task,
        "version": "1",
        "title": "made for a test",
        "status": "research use only, not for diagnosis",
        "intended_use": "tests",
        "input": {"size": SIZE, "words": "anything", "not_for": "anything else"},
        "settings": settings,
        "encoder": {"name": "echocare_tiny", "digest": "sha256:" + "0" * 64},
        "weights": {"sha256": "0" * 64, "precision": "float32"},
        "training": {
            "data": [],
            "split": "",
            "command": "",
            "seed": 0,
            "hours": 0.0,
            "machine": "",
            "notes": "",
        },
        "figures": [],
        "baseline": "",
        "silence": [],
        "limits": [],
    }
