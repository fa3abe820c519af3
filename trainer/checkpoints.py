"""What a training leaves behind: written whole or not at all, read with suspicion."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from trainer.errors import WrongCheckpoint

# torch.load tells a file that it cannot read by whatever its unpickler stumbles over
UNREADABLE = (OSError, EOFError, LookupError, TypeError, ValueError, RuntimeError, UnpicklingError)


def load_state(path: Path, what: str) -> dict[str, Any]:
    """The state in a checkpoint file.

    Parameters
    ----------
    what
        Of which training it should be, for the message.

    Raises
    ------
    WrongCheckpoint
        The file is not there, is damaged, or holds no state.
    """
    try:
        state = torch.load(path, weights_only=True)
    except UNREADABLE as fault:
        raise WrongCheckpoint(f"{path} is no checkpoint of {what}: {fault or type(fault).__name__}") from fault
    if not isinstance(state, dict):
        raise WrongCheckpoint(f"{path} is no checkpoint of {what}: it holds a {type(state).__name__}")
    return state


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Put a state in the place of the one before; a kill leaves one of the two. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    torch.save(dict(state), part)
    os.replace(part, path)
