"""Some items of a stream whose length nobody knows, evenly apart."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class EvenSample(Generic[Item]):
    """Holds fewer than twice `most` items, whatever the length of the stream.

    Every item is kept until there are too many, then every second is dropped and only every second more is kept.

    Parameters
    ----------
    most
        Items that are taken in the end, at least 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._kept: list[Item] = []
        self.seen = 0  # items of the stream so far

    def add(self, item: Item) -> None:
        """The stream's next item."""
        if self.seen % self._step == 0:
            self._kept.append(item)
        self.seen += 1
        if len(self._kept) >= 2 * self._most:
            self._kept = self._kept[::2]
            self._step *= 2

    def taken(self) -> list[Item]:
        """At most `most` items, in their order, from the first to near the last."""
        if len(self._kept) <= self._most:
            return list(self._kept)
        return [self._kept[i] for i in np.linspace(0, len(self._kept) - 1, self._most).round().astype(int)]
