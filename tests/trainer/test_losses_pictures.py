"""Losses of picture kinds: right by their formulas, safe at their ends, blind to what is not labelled."""

from __future__ import annotations

import pytest
import torch

from trainer.losses_pictures import (
    CategoryTarget,
    ClassMap,
    Masks,
    OrdinalTarget,
    QualityTarget,
    ViewTarget,
    category_loss,
    ordinal_loss,
    quality_loss,
    segmentation_loss,
    view_loss,
)

NAN = float("nan")
BATCH = 3


def none(*shape: int) -> torch.Tensor:
    return torch.full(shape, -1)


def unknown(*shape: int) -> torch.Tensor:
    return torch.full(shape, NAN)


EVERY = [
    ("classes", segmentation_loss, {"mask": (BATCH, 3, 8, 8)}, ClassMap(classes=none(BATCH, 8, 8))),
    ("masks", segmentation_loss, {"mask": (BATCH, 2, 8, 8)}, Masks(masks=unknown(BATCH, 2, 8, 8))),
    ("category", category_loss, {"answer": (BATCH, 4)}, CategoryTarget(answers=none(BATCH), smoothing=0.1)),
    ("ordinal", ordinal_loss, {"beyond": (BATCH, 3)}, OrdinalTarget(grades=none(BATCH))),
    (
        "view",
        view_loss,
        {"region": (BATCH, 2), "organ": (BATCH, 5)},
        ViewTarget(regions=none(BATCH), organs=none(BATCH)),
    ),
    (
        "quality",
        quality_loss,
        {"score": (BATCH,), "poor": (BATCH, 2)},
        QualityTarget(score=unknown(BATCH), poor=unknown(BATCH, 2)),
    ),
]


@pytest.mark.parametrize(("name", "loss", "shapes", "target"), EVERY, ids=[each[0] for each in EVERY])
def test_nothing_labelled__teaches_nothing(name, loss, shapes, target):
    answers = {key: torch.randn(shape, requires_grad=True) for key, shape in shapes.items()}
    value = loss(answers, target)
    value.backward()
    assert float(value.detach()) == 0
    for answer in answers.values():
        assert not answer.grad.any()


def test_one_unlabelled_picture__does_not_move_the_others_loss():
    answers = {"answer": torch.randn(3, 4)}
    target = CategoryTarget(answers=torch.tensor([2, -1, 0]))
    before = category_loss(answers, target)
    answers["answer"][1] = 50.0
    assert category_loss(answers, target) == before
    alone = category_loss({"answer": answers["answer"][[0, 2]]}, CategoryTarget(answers=torch.tensor([2, 0])))
    assert float(before) == pytest.approx(float(alone))


def test_class_map__unlabelled_pixels__do_not_count():
    logits = torch.randn(1, 3, 8, 8)
    classes = torch.randint(0, 3, (1, 8, 8))
    classes[:, :4] = -1
    before = segmentation_loss({"mask": logits}, ClassMap(classes=classes))
    logits[:, :, :4] += 7 * torch.randn(1, 3, 4, 8)
    assert float(segmentation_loss({"mask": logits}, ClassMap(classes=classes))) == pytest.approx(float(before))


def test_class_map__right_everywhere__loss_near_nothing_and_wrong_much():
    classes = torch.zeros(1, 8, 8, dtype=torch.long)
    classes[:, 2:6, 2:6] = 1
    right = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1) * 20.0
    assert float(segmentation_loss({"mask": right}, ClassMap(classes=classes))) < 1e-3
    assert float(segmentation_loss({"mask": right.roll(1, dims=1)}, ClassMap(classes=classes))) > 5


def test_category__smoothed__wants_the_smoothed_shares():
    logits = torch.zeros(1, 4, requires_grad=True)
    target = CategoryTarget(answers=torch.tensor([1]), smoothing=0.2)
    optimizer = torch.optim.SGD([logits], lr=2.0)
    for _ in range(300):
        optimizer.zero_grad()
        category_loss({"answer": logits}, target).backward()
        optimizer.step()
    assert logits.detach().softmax(1)[0].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05], abs=1e-3)


def test_ordinal__is_the_negative_logarithm_of_the_grades_probability():
    beyond = torch.tensor([[3.0, 0.5, -2.0]]).expand(4, 3)
    above = torch.cat([torch.ones(1), torch.sigmoid(beyond[0]), torch.zeros(1)])
    likely = above[:-1] - above[1:]
    for grade in range(4):
        target = OrdinalTarget(grades=torch.full((4,), grade))
        assert float(ordinal_loss({"beyond": beyond}, target)) == pytest.approx(-float(likely[grade].log()), rel=1e-5)


@pytest.mark.parametrize("score", [-1e8, -90.0, 90.0, 1e8])
def test_ordinal__extreme_scores__finite_and_pulls_back(score):
    raw = torch.tensor([score], requires_grad=True)
    loss = ordinal_loss(
        {"beyond": raw[:, None] + torch.tensor([1.0, 0.0, -1.0])}, OrdinalTarget(grades=torch.tensor([1]))
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(raw.grad).all()
    assert float(raw.grad) * score > 0


def test_view__is_the_negative_logarithm_of_region_and_organ_together():
    region = torch.randn(2, 2).log_softmax(1)
    organ = torch.cat([part.log_softmax(1) for part in torch.randn(2, 5).split([2, 3], dim=1)], dim=1)
    loss = view_loss(
        {"region": region, "organ": organ}, ViewTarget(regions=torch.tensor([0, 1]), organs=torch.tensor([1, 4]))
    )
    together = (region[0, 0] + organ[0, 1] + region[1, 1] + organ[1, 4]) / 2
    assert float(loss) == pytest.approx(-float(together), rel=1e-5)


def test_quality__soft_score__least_where_it_is_met():
    target = QualityTarget(score=torch.tensor([0.3]), poor=torch.tensor([[1.0, NAN]]))

    def at(score: float) -> float:
        return float(quality_loss({"score": torch.tensor([score]).logit(), "poor": torch.zeros(1, 2)}, target))

    assert at(0.3) < min(at(0.2), at(0.4))
