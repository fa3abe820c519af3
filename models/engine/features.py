"""Maps of frames that other tasks may want too: bounded, least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from torch import Tensor

Maps = list[Tensor]  # five, (1, C, h, w)


class FeatureCache:
    """Encoder maps by what they are maps of.

    Parameters
    ----------
    most_bytes
        What the kept maps may take together; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self.hits = self.misses = 0
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, Maps] = OrderedDict()

    def get(self, key: Hashable) -> Maps | None:
        """The maps of a key, or None."""
        maps = self._kept.get(key)
        if maps is None:
            self.misses += 1
            return None
        self.hits += 1
        self._kept.move_to_end(key)
        return maps

    def keep(self, key: Hashable, maps: Maps) -> None:
        """Keep maps as long as there is room."""
        if key in self._kept or _bytes_of(maps) > self._most_bytes:
            return
        self._kept[key] = maps
        self._bytes += _bytes_of(maps)
        while self._bytes > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _bytes_of(gone)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0


def _bytes_of(maps: Maps) -> int:
    return sum(level.numel() * level.element_size() for level in maps)
