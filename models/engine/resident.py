"""Networks on a device: loaded when wanted, measured, given up when others need the room."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from torch import nn

from models.encoder.inference import prepared
from models.engine.device import Device, give_back
from models.engine.metrics import Counters
from models.engine.residency import Residency
from models.errors import DoesNotFit
from models.heads.task import TaskHeads
from models.packages.adapters import Adapter
from models.packages.package import TaskPackage
from models.packages.weights import adapter_of, encoder_of, heads_of

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """All that one task needs for a pass."""

    encoder: nn.Module
    adapter: Adapter | None
    heads: TaskHeads


class ResidentModels:
    """The networks of one device. An encoder is there once, whatever tasks hang on it.

    Parameters
    ----------
    device
        Where they lie, and in what precision.
    pinned
        Tasks that are not given up.
    adapted
        Digests of encoders that adapters change for some task: these stay in their plain form for all.
    """

    def __init__(self, device: Device, pinned: tuple[str, ...], adapted: frozenset[str], counters: Counters) -> None:
        self.books = Residency(device.memory_bytes)
        self._workspace = 0
        self._adapted = adapted
        self._device = device
        self._pinned = pinned
        self._counters = counters
        self._held: dict[Hashable, nn.Module] = {}
        self._adapters: dict[str, Adapter | None] = {}

    def networks(self, package: TaskPackage) -> Networks:
        """A task's networks, loaded if they were not there.

        Raises
        ------
        PackageError
            The weights are damaged.
        DoesNotFit
            There is no room beside what is pinned.
        """
        encoder_key, heads_key = ("encoder", package.encoder.digest), ("heads", package.identity.digest)
        for key in (encoder_key, heads_key):
            if package.identity.task in self._pinned:
                self.books.pin(key)
        encoder = self._get(encoder_key) or self._load(encoder_key, self._encoder(package), frozenset())
        if heads_key not in self.books:
            self._adapters[heads_key[1]] = self._adapter(package)
        heads = self._get(heads_key) or self._load(heads_key, heads_of(package), frozenset({encoder_key}))
        if not isinstance(heads, TaskHeads):
            raise TypeError(f"{heads_key} are no heads")
        return Networks(encoder=encoder, adapter=self._adapters[heads_key[1]], heads=heads)

    def book_workspace(self, peak: int) -> None:
        """Note what a pass was seen to need beside the weights, given the most bytes that were in use during it.

        Networks that may go make room for it as far as that reaches. It gives way to weights itself: a pass that does
        not fit then is halved, but a package that is refused answers nothing.
        """
        more = peak - self.books.used_bytes  # than the weights and what earlier passes needed
        if more > 0:
            try:
                self._forget(self.books.make_room(more, frozenset({WORKSPACE})))
            except DoesNotFit:
                more = self.books.budget_bytes - self.books.used_bytes
            self._workspace += max(0, more)
        self.books.book(WORKSPACE, self._workspace)

    def drop_unpinned(self) -> None:
        """Give up all that may go: memory ran out although the books said otherwise."""
        self._forget(self.books.drop_unpinned())

    def _encoder(self, package: TaskPackage) -> nn.Module:
        whole = encoder_of(package.encoder).to(self._device.torch_device, self._device.dtype)
        # an adapter changes the layers of the plain form; the prepared one has them packed
        return whole if package.encoder.digest in self._adapted else prepared(whole)

    def _adapter(self, package: TaskPackage) -> Adapter | None:
        adapter = adapter_of(package)
        return None if adapter is None else adapter.to(self._device.torch_device, self._device.dtype)

    def _get(self, key: Hashable) -> nn.Module | None:
        if key not in self.books:
            return None
        self.books.touch(key)
        return self._held[key]

    def _load(self, key: Hashable, module: nn.Module, spare: frozenset[Hashable]) -> nn.Module:
        size = sum(each.numel() * each.element_size() for each in (*module.parameters(), *module.buffers()))
        self._forget(self.books.make_room(size, spare))
        self._held[key] = module.to(self._device.torch_device, self._device.dtype)
        self.books.book(key, size)
        return self._held[key]

    def _forget(self, keys: list[Hashable]) -> None:
        for key in keys:
            self._held.pop(key, None)
        if WORKSPACE in keys:
            self._workspace = 0
        self._counters.evictions += sum(key != WORKSPACE for key in keys)
        if keys:
            give_back(self._device.torch_device)
