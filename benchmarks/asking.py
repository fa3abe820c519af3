"""What the experiments on trainings are asked at the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from trainer.adapting.memory import keep_freed


def experiment(words: str | None, out: Path, tasks: Sequence[str], seeds: int) -> argparse.ArgumentParser:
    """A parser of all that every experiment takes; the numbers are its defaults."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("ECHOCARE_DATA"), help="folder of the data sets")
    parser.add_argument("--encoder", type=Path, required=True, help="encoder package to start from")
    parser.add_argument("--out", type=Path, default=out, help="folder of results")
    parser.add_argument("--tasks", nargs="+", default=tasks, help="names of tasks")
    parser.add_argument("--size", type=int, default=128, help="edge of the pictures, px")
    parser.add_argument("--steps", type=int, default=250, help="of each run, about")
    parser.add_argument("--batch", type=int, default=8, help="pictures of a step")
    parser.add_argument("--seeds", type=int, default=seeds, help="repetitions")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    return parser


def begun(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked, with the process made ready to train; ends with status 2 where no data are named."""
    given = parser.parse_args(arguments)
    if given.data is None:
        parser.error("--data must name the folder of the data sets")
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    keep_freed()
    return given
