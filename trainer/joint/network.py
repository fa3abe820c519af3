"""One encoder and the heads of several tasks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.encoder.factory import create_encoder
from models.heads.task import TaskHeads, build_heads
from models.packages.weights import DERIVED
from trainer.errors import WrongCheckpoint
from trainer.lineage import Start
from trainer.tasks.spec import TaskSpec


class JointNetwork(nn.Module):
    """Weights are named `encoder.…` and `heads.TASK.…`, as `lineage.Start` has them.

    Parameters
    ----------
    encoder
        Name of the architecture.
    specs
        The tasks.
    """

    def __init__(self, encoder: str, specs: Sequence[TaskSpec]) -> None:
        super().__init__()
        self.encoder = create_encoder(encoder)
        channels = self.encoder.config.channels
        self.heads = nn.ModuleDict({spec.name: build_heads(channels, spec.settings) for spec in specs})

    def maps(self, images: Tensor) -> list[Tensor]:
        """The five maps of normalised images (batch, 3, S, S)."""
        levels: list[Tensor] = self.encoder(images)
        return levels

    def task(self, name: str) -> TaskHeads:
        """The heads of one task."""
        heads = self.heads[name]
        if not isinstance(heads, TaskHeads):
            raise TypeError(f"'{name}' has no heads")
        return heads

    def take(self, start: Start) -> None:
        """Start from weights; heads that they lack stay fresh, heads of other tasks are left out.

        Raises
        ------
        WrongCheckpoint
            They are of another encoder.
        """
        missing, unexpected = self.load_state_dict(dict(start.weights), strict=False)
        wrong = [name for name in missing if name.startswith("encoder.") and not name.endswith(DERIVED)]
        wrong += [name for name in unexpected if not name.startswith("heads.")]
        if wrong:
            raise WrongCheckpoint(f"the start is of another encoder: {', '.join(wrong[:5])}")

    def groups(self, rate: float, head_rate: float, decay: float) -> list[dict[str, object]]:
        """Parameters for an optimizer, by learning rate and by whether they decay."""
        out: list[dict[str, object]] = []
        for module, highest in ((self.encoder, rate), (self.heads, head_rate)):
            named = list(module.named_parameters())
            flat = [p for n, p in named if p.ndim < 2 or "relative_position" in n]
            deep = [p for n, p in named if p.ndim >= 2 and "relative_position" not in n]
            out.append({"params": deep, "lr": highest, "weight_decay": decay})
            out.append({"params": flat, "lr": highest, "weight_decay": 0.0})
        return out
