"""Coded statements about a picture, and a text that makes them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.heads.head import Answers, Head
from models.heads.pooling import PictureFeatures
from models.heads.writer import Writer
from models.packages.settings_report import ReportSettings
from models.report_grammar import Grammar

Span = tuple[int, int, bool]  # first statement of a question, the one after its last, and whether one alone holds


class ReportHead(Head):
    """How likely each statement of the card is; and a decoder that words those that a reader chooses.

    Parameters
    ----------
    channels
        Channels of the encoder's five maps, finest first.
    settings
        Of the card.
    """

    def __init__(self, channels: Sequence[int], settings: ReportSettings, hidden: int = 96) -> None:
        super().__init__()
        grammar = Grammar(settings)
        self.statements = len(grammar.statements)
        self.spans = spans(settings)
        self.temperatures = [question.temperature for question in settings.questions]
        self.features = PictureFeatures(channels, hidden)
        self.findings = nn.Linear(hidden, self.statements)
        self.writer = Writer(channels[4], grammar) if settings.wording == "generated" else None

    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """Raw answers: `findings`, logits (batch, statements); `cells` (batch, cells, width), where words are made."""
        out: Answers = {"findings": self.findings(self.features(maps))}
        if self.writer is not None:
            out["cells"] = self.writer.look(maps)
        return out

    def spoken(self, answers: Answers) -> Answers:
        """`likely`: calibrated probabilities (batch, statements). `cells`: (batch, cells x width), to conclude from."""
        logits = answers["findings"].float()
        parts = []
        for (first, beyond, alone), temperature in zip(self.spans, self.temperatures, strict=True):
            part = logits[:, first:beyond] / temperature
            parts.append(part.softmax(1) if alone else part.sigmoid())
        out = {"likely": torch.cat(parts, dim=1)}
        if "cells" in answers:
            out["cells"] = answers["cells"].float().flatten(1)
        return out

    def conclude(self, gathered: Tensor) -> Answers:
        """Word the statements that a reader chose.

        Parameters
        ----------
        gathered
            (1, cells x width + statements): `cells` of the picture that the text is about, then for each statement 1
            where it is to be made, else 0.

        Returns
        -------
        Answers
            `words`: tokens (1, L), the last of them the end.

        Raises
        ------
        TypeError
            The card has no decoder.
        ValueError
            It is more than one row, or no statement is to be made.
        """
        if self.writer is None:
            raise TypeError("this report is worded by templates, so its head writes nothing")
        said = gathered[:, -self.statements :] > 0.5
        if len(gathered) != 1 or not said.any():
            raise ValueError(f"a text is about one picture and at least one statement, not {len(gathered)} pictures")
        cells = gathered[:, : -self.statements].reshape(1, -1, self.writer.width)
        return {"words": torch.tensor([self.writer.write(cells, said)], device=gathered.device)}


def spans(settings: ReportSettings) -> tuple[Span, ...]:
    """Which statements belong to each question."""
    found, first = [], 0
    for question in settings.questions:
        found.append((first, first + len(question.answers), question.form == "one_of"))
        first += len(question.answers)
    return tuple(found)
