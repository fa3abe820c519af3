"""The loss of each kind of head, and how truths of pictures become its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from models.heads.detection import DetectionHead
from models.heads.head import Answers, Head
from models.heads.landmarks import LandmarksHead
from models.heads.regression import RegressionHead
from models.heads.report import ReportHead
from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    QualitySettings,
    SegmentationSettings,
    ViewSettings,
)
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings
from models.report_grammar import END, Grammar
from trainer.errors import TrainerError
from trainer.losses import answer_loss, mask_loss
from trainer.losses_detection import DetectionTarget, detection_loss
from trainer.losses_enhancement import EnhancementTarget, enhancement_loss
from trainer.losses_landmarks import LandmarksTarget, landmarks_loss
from trainer.losses_pictures import (
    CategoryTarget,
    ClassMap,
    OrdinalTarget,
    QualityTarget,
    ViewTarget,
    category_loss,
    ordinal_loss,
    quality_loss,
    segmentation_loss,
    view_loss,
)
from trainer.losses_regression import RegressionTarget, regression_loss
from trainer.losses_report import NO_WORD, ReportTarget, statements_loss, words_given, words_loss
from trainer.tasks.truths import (
    UNLABELLED,
    Answer,
    Boxes,
    Clean,
    Findings,
    LabelMap,
    Number,
    Outlined,
    Points,
    Truth,
    ViewAnswer,
)

ANSWER_WEIGHT = 0.4  # of the question about an outline, beside its mask
SMOOTHING = 0.05  # of answers that readers may disagree on
WORDS_WEIGHT = 0.3  # of how a report is worded, beside what it states
POOR = 0.5  # severity of damage from which a scan is called poor in that
Kind = TypeVar("Kind")
Loss = Callable[[Answers, Sequence[Truth], Head], Tensor]


class NoLesson(TrainerError):
    """Tasks of this kind cannot be adapted, or an example has the truth of another kind."""

    code = "no-lesson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How one kind of head is taught."""

    loss: Loss  # raw answers of the head, the truths of the same pictures at the same size, the head


def lesson_of(settings: Settings) -> Lesson:
    """The lesson for the settings of a card.

    Raises
    ------
    NoLesson
        There is none for this kind.
    """
    loss = LOSSES.get(type(settings))
    if loss is None:
        kinds = ", ".join(sorted(kind.model_fields["kind"].default for kind in LOSSES))
        raise NoLesson(f"tasks of kind '{settings.kind}' cannot be adapted alone; kinds are {kinds}")
    return Lesson(loss=loss)


def _segmentation(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    maps = np.stack([_as(LabelMap, truth).classes for truth in truths]).astype(np.int64)
    maps[maps == UNLABELLED] = -1
    return segmentation_loss(answers, ClassMap(classes=torch.from_numpy(maps)))


def _outline(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    mine = [_as(Outlined, truth) for truth in truths]
    masks = torch.from_numpy(np.stack([truth.mask for truth in mine])).float() / 255
    loss = mask_loss(answers["mask"][:, 0], masks)
    yes = torch.tensor([truth.yes for truth in mine])
    known = torch.isfinite(yes)
    if "kind" in answers and bool(known.any()):
        asked = answer_loss(answers["kind"][known, 0], yes[known], smoothing=SMOOTHING, positive_weight=1.0)
        loss = loss + ANSWER_WEIGHT * asked
    return loss


def _category(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    return category_loss(answers, CategoryTarget(answers=_numbers(truths), smoothing=SMOOTHING))


def _ordinal(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    return ordinal_loss(answers, OrdinalTarget(grades=_numbers(truths)))


def _view(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    seen = [_as(ViewAnswer, truth) for truth in truths]
    regions, organs = (torch.tensor(numbers) for numbers in ([s.region for s in seen], [s.organ for s in seen]))
    return view_loss(answers, ViewTarget(regions=regions, organs=organs))


def _landmarks(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    head = _as(LandmarksHead, head)
    points = torch.from_numpy(np.stack([_as(Points, truth).points for truth in truths])).float()
    present = torch.isfinite(points).all(2).float()
    return landmarks_loss(answers, LandmarksTarget(points=points, present=present), head.stride, head.pairs)


def _detection(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    mine = [_as(Boxes, truth) for truth in truths]
    counts = [len(truth.boxes) for truth in mine]
    target = DetectionTarget(
        boxes=torch.from_numpy(np.concatenate([truth.boxes for truth in mine])).float(),
        classes=torch.from_numpy(np.concatenate([truth.classes for truth in mine])),
        picture=torch.repeat_interleave(torch.arange(len(mine)), torch.tensor(counts)),
        labelled=torch.from_numpy(np.stack([truth.labelled for truth in mine])),
    )
    return detection_loss(answers, target, _as(DetectionHead, head).stride)


def _enhancement(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    mine = [_as(Clean, truth) for truth in truths]
    given, good, inside = (
        torch.from_numpy(np.stack(pictures)).float() / 255
        for pictures in ([t.given for t in mine], [t.picture for t in mine], [t.inside for t in mine])
    )
    return enhancement_loss(answers, EnhancementTarget(given=given, good=good, inside=inside))


def _quality(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    done = [_as(Clean, truth).damage for truth in truths]
    poor = torch.tensor([damage.severities for damage in done]) >= POOR
    score = torch.tensor([1 - damage.worst for damage in done])
    return quality_loss(answers, QualityTarget(score=score, poor=poor.float()[:, : answers["poor"].shape[1]]))


def _regression(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    head = _as(RegressionHead, head)
    value = torch.tensor([_as(Number, truth).value for truth in truths])
    embedding = answers["embedding"]
    frames = embedding.reshape(len(truths), -1, embedding.shape[1])  # pictures of one example follow one another
    number = head.pool(frames) if head.over_frames else answers["number"]
    return regression_loss(number, RegressionTarget(value=value), centre=head.centre, scale=head.scale)


def _report(answers: Answers, truths: Sequence[Truth], head: Head) -> Tensor:
    head, mine = _as(ReportHead, head), [_as(Findings, truth) for truth in truths]
    holds = torch.from_numpy(np.stack([truth.holds for truth in mine])).float()
    said = holds == 1
    if head.writer is None:
        none = torch.zeros(len(mine), 0, dtype=torch.long)
        return statements_loss(answers, ReportTarget(truth=holds, said=said, words=none), head.spans)
    written = [torch.tensor(_words(head.writer.grammar, truth)) for truth in mine]
    words = nn.utils.rnn.pad_sequence(written, batch_first=True, padding_value=NO_WORD)
    target = ReportTarget(truth=holds, said=said, words=words)
    logits = head.writer(answers["cells"], said, words_given(target))
    return statements_loss(answers, target, head.spans) + WORDS_WEIGHT * words_loss(logits, target)


def _words(grammar: Grammar, truth: Findings) -> list[int]:
    """All that holds, in the card's order, each in one of its ways."""
    out: list[int] = []
    for number in np.flatnonzero(truth.holds == 1):
        ways = grammar.sentences(int(number))
        out += ways[(truth.wording + int(number)) % len(ways)]
    return [*out, END]


def _numbers(truths: Sequence[Truth]) -> Tensor:
    return torch.tensor([_as(Answer, truth).number for truth in truths])


def _as(kind: type[Kind], thing: object) -> Kind:
    if not isinstance(thing, kind):
        raise NoLesson(f"a {type(thing).__name__} where a {kind.__name__} belongs")
    return thing


LOSSES: dict[type[Any], Loss] = {
    SegmentationSettings: _segmentation,
    OutlineSettings: _outline,
    ClassificationSettings: _category,
    OrdinalSettings: _ordinal,
    ViewSettings: _view,
    LandmarksSettings: _landmarks,
    RegressionSettings: _regression,
    DetectionSettings: _detection,
    EnhancementSettings: _enhancement,
    QualitySettings: _quality,
    ReportSettings: _report,
}
