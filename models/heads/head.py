"""What every head is: a module from an image and the encoder's maps to named answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

Answers = dict[str, Tensor]  # by name; the first axis of each is the batch


class Head(nn.Module):
    """Base of all heads.

    A head answers twice: `forward` gives what losses want (logits, offsets), `spoken` turns that into what readers
    want (probabilities, coordinates), on the device, so that little has to leave it.
    """

    @abstractmethod
    def forward(self, image: Tensor, maps: Sequence[Tensor]) -> Answers:
        """The normalised image (batch, 3, H, W) and its five maps to raw answers."""

    @abstractmethod
    def spoken(self, answers: Answers) -> Answers:
        """Raw answers to those that a reader of `models.readers` takes; float32 or integers."""

    def conclude(self, gathered: Tensor) -> Answers:
        """What only many frames together can say.

        Parameters
        ----------
        gathered
            (frames, D): one answer of `spoken`, by the reader's choice, of the frames that it chose, in their order.

        Returns
        -------
        Answers
            First axis of length 1.

        Raises
        ------
        TypeError
            This kind of head says nothing of several frames.
        """
        raise TypeError(f"a {type(self).__name__} says nothing of {len(gathered)} frames together")
