"""Ten phantom pictures, a small network that learns them, and the way from its answers to findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoder.config import CONFIGS
from models.encoder.factory import create_encoder
from models.findings import Finding
from models.frames import FrameInput, Place, square_of
from models.heads.task import TaskHeads, build_heads
from models.normalise import normalised
from models.packages.settings import Settings
from models.readers import Conclude, Raw, Seen, reader_of
from trainer.data.synthetic import phantoms

EDGE = 96
CODE = {"value": "4147007", "scheme": "SCT", "meaning": "Mass"}


def structure(name: str) -> dict[str, object]:
    """A structure as a card has it."""
    return {"name": name, "category": CODE, "type": CODE, "site": CODE}


@cache
def pictures(count: int = 10) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Fetal heads (even numbers) and breast masses (odd): squares and masks, (count, EDGE, EDGE)."""
    samples = phantoms(count, first_seed=500)
    shrunk = [
        [cv2.resize(part, (EDGE, EDGE), interpolation=cv2.INTER_AREA) for part in (s.image, s.mask)] for s in samples
    ]
    return np.stack([image for image, _ in shrunk]), np.stack([mask > 127 for _, mask in shrunk])


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a mask's outer edge, px."""
    rows, columns = np.nonzero(mask)
    return columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5


class Pupil:
    """The smallest encoder with one task's heads."""

    def __init__(self, settings: Settings, seed: int = 1) -> None:
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.settings = settings
        self.encoder = create_encoder("echocare_tiny").eval()
        self.heads: TaskHeads = build_heads(CONFIGS["echocare_tiny"].channels, settings)

    def maps(self, squares: NDArray[np.uint8]) -> tuple[Tensor, list[Tensor]]:
        """The normalised image and the encoder's maps of squares (n, S, S)."""
        with torch.no_grad():
            image = normalised(torch.from_numpy(squares))
            return image, self.encoder(image)

    def learn(
        self, squares: NDArray[np.uint8], loss: Callable[[Mapping[str, Tensor]], Tensor], steps: int, rate: float = 2e-3
    ) -> float:
        """Fit the heads to all squares at once; the encoder stays as it is. Returns the last loss."""
        image, maps = self.maps(squares)
        optimizer = torch.optim.AdamW(self.heads.parameters(), lr=rate, weight_decay=0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
        self.heads.train()
        for _ in range(steps):
            value = loss(self.heads(image, maps))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
        self.heads.eval()
        return float(value.detach())

    def raws(self, squares: NDArray[np.uint8]) -> list[Raw]:
        """What a reader is given of each square."""
        self.heads.eval()
        with torch.inference_mode():
            answers = self.heads.spoken(self.heads(*self.maps(squares)))
        return [{name: value[i].numpy() for name, value in answers.items()} for i in range(len(squares))]

    def conclude(self) -> Conclude:
        """The head's conclusion, as the engine hands it to a reader."""

        def concluded(gathered: NDArray[np.float32]) -> Raw:
            with torch.inference_mode():
                answers = self.heads.head.conclude(torch.from_numpy(gathered))
            return {name: value[0].numpy() for name, value in answers.items()}

        return concluded

    def read(self, squares: NDArray[np.uint8], shown: Sequence[NDArray[np.uint8]] | None = None) -> tuple[Finding, ...]:
        """Findings of squares as the frames of one cine; `shown` are the whole frames they come from."""
        frames = list(squares) if shown is None else list(shown)
        given = [FrameInput(pixels=f, frame=n, view=whole(f)) for n, f in enumerate(frames, 1)]
        seen = [
            Seen(frame=g.frame, square=square, place=square_of(g, square.shape[0])[1], raw=raw, pixels=g.pixels)
            for g, square, raw in zip(given, squares, self.raws(squares), strict=True)
        ]
        return read_all(self.settings, seen, self.conclude())


def whole(frame: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The view of a whole frame."""
    return (0, 0, frame.shape[1] - 1, frame.shape[0] - 1)


def nothing_to_conclude(gathered: NDArray[np.float32]) -> Raw:
    """For readers that ask for no conclusion."""
    raise AssertionError("this reader asked for a conclusion")


def read_all(settings: Settings, seen: Sequence[Seen], conclude: Conclude = nothing_to_conclude) -> tuple[Finding, ...]:
    """Findings of one job."""
    reader = reader_of(settings, conclude)
    for one in seen:
        reader.see(one)
    assert list(reader.again()) == []
    return reader.findings([])


def told(raw: Raw, frame: int = 1, size: tuple[int, int] = (EDGE, EDGE), **view: object) -> Seen:
    """Answers that a test made up, of a view of a black frame of `size` rows and columns."""
    return told_of(np.zeros(size, np.uint8), raw, frame, **view)


def told_of(pixels: NDArray[np.uint8], raw: Raw, frame: int = 1, **view: object) -> Seen:
    """Answers that a test made up, of a view of a frame."""
    given = FrameInput(pixels=pixels, frame=frame, view=view.pop("view", whole(pixels)), **view)
    square, place = square_of(given, EDGE)
    return Seen(frame=frame, square=square, place=place, raw=raw, pixels=pixels)


def same_alone_or_together(pupil: Pupil, squares: NDArray[np.uint8]) -> None:
    """Assert that no picture's answer depends on the pictures beside it."""
    together = pupil.raws(squares)
    for i in (0, len(squares) - 1):
        (alone,) = pupil.raws(squares[i : i + 1])
        for name, value in alone.items():
            np.testing.assert_allclose(value, together[i][name], rtol=1e-3, atol=1e-3, err_msg=name)


__all__ = [
    "CODE",
    "EDGE",
    "Place",
    "Pupil",
    "box_of",
    "pictures",
    "read_all",
    "same_alone_or_together",
    "told",
    "told_of",
]
