"""What a pretraining tells while it runs: JSON lines, TensorBoard, and sheets of pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.pretrain.errors import MissingExtra

LINES = "metrics.jsonl"
SHEETS = "pictures"


class Diary:
    """One folder's metrics; what was written after `step` by a run that was broken off is taken back.

    Parameters
    ----------
    folder
        Of the training.
    step
        That the training goes on from.

    Raises
    ------
    MissingExtra
        TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as fault:
            raise MissingExtra("TensorBoard is not installed: pip install 'echocare-node[trainer]'") from fault
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LINES
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        self.file = path.open("a", encoding="utf-8")
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float], kind: str = "train") -> None:
        """One line, and as many curves as values."""
        rounded = {name: float(f"{value:.6g}") for name, value in values.items()}
        self.file.write(json.dumps({"step": step, "kind": kind, **rounded}) + "\n")
        self.file.flush()
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, step)

    def show(self, step: int, sheet: NDArray[np.uint8]) -> Path:
        """A sheet of gray pictures (H, W) as PNG and in TensorBoard; says where."""
        path = self.folder / SHEETS / f"step-{step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        if not cv2.imwrite(str(path), sheet):
            raise OSError(f"{path} cannot be written")
        self.board.add_image("reconstructions", sheet, step, dataformats="HW")
        return path

    def close(self) -> None:
        """Write what is held back."""
        self.file.close()
        self.board.close()


def _lines(path: Path) -> list[str]:
    """Whole lines; the last one may have been cut off when the machine stopped."""
    if not path.is_file():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
