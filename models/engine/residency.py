"""What may stay in a device's memory: admission by measured size, least recently used goes first, pinned stays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from models.errors import DoesNotFit


class Residency:
    """Books of one device's memory; holds no tensors.

    Parameters
    ----------
    budget_bytes
        What all that is resident may take together.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()  # least recently used first
        self._pinned: set[Hashable] = set()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._sizes

    @property
    def used_bytes(self) -> int:
        """What is booked."""
        return sum(self._sizes.values())

    def pin(self, key: Hashable) -> None:
        """Never give this up again."""
        self._pinned.add(key)

    def touch(self, key: Hashable) -> None:
        """Note that this was used just now."""
        self._sizes.move_to_end(key)

    def make_room(self, size: int, spare: frozenset[Hashable] = frozenset()) -> list[Hashable]:
        """Give up enough for `size` more bytes.

        Parameters
        ----------
        spare
            What must stay although it is not pinned: the encoder of heads that are about to come.

        Returns
        -------
        list
            Keys that were given up, in order; the caller drops what they stand for.

        Raises
        ------
        DoesNotFit
            Even without all that may go there is no room; nothing was given up.
        """
        over = self.used_bytes + size - self.budget_bytes
        gone: list[Hashable] = []
        for key, held in self._sizes.items():
            if over <= 0:
                break
            if key not in self._pinned and key not in spare:
                gone.append(key)
                over -= held
        if over > 0:
            raise DoesNotFit(
                f"{size / 1e6:.0f} MB more do not fit into {self.budget_bytes / 1e6:.0f} MB, of which "
                f"{self.used_bytes / 1e6:.0f} MB are taken: pin less, or raise models.memory_bytes"
            )
        for key in gone:
            del self._sizes[key]
        return gone

    def book(self, key: Hashable, size: int) -> None:
        """Note that something is resident; again with another size when it was measured."""
        self._sizes[key] = size
        self._sizes.move_to_end(key)

    def drop_unpinned(self) -> list[Hashable]:
        """Give up all that is not pinned."""
        gone = [key for key in self._sizes if key not in self._pinned]
        for key in gone:
            del self._sizes[key]
        return gone
