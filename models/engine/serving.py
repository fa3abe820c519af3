"""Serves one batch of requests: networks made resident, maps once a square, heads each for themselves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import torch

from models.engine import passes
from models.engine.device import Device, give_back, is_out_of_memory, peak_bytes, reset_peak
from models.engine.features import FeatureCache, Maps
from models.engine.metrics import Counters
from models.engine.request import Request
from models.engine.resident import Networks, ResidentModels
from models.errors import EngineError, OutOfMemory, PackageFault
from models.packages.errors import PackageError
from models.readers.reader import Raw

Given = TypeVar("Given")
Got = TypeVar("Got")
SMALL_ENCODER = 20_000_000  # numbers: below it, handing work to a second core takes as long as the work
FAULTS = (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """CPU threads of a pass, by the size of the encoder: never by what was measured, the last digits depend on it."""

    small: int
    large: int


class Server:
    """The one that touches networks; used by one thread.

    Parameters
    ----------
    most
        Requests in a pass.
    threads
        CPU threads of a pass.
    """

    def __init__(
        self,
        device: Device,
        most: int,
        resident: ResidentModels,
        features: FeatureCache,
        counters: Counters,
        threads: Threads,
    ) -> None:
        self.resident = resident
        self.features = features
        self._device = device
        self._most = most
        self._threads = threads
        self._counters = counters
        self._fits: dict[Hashable, int] = {}  # largest batch of a lane that did not run out of memory

    def serve(self, batch: Sequence[Request]) -> None:
        """Answer or fail every request of one lane; never raises for what a package does."""
        asked = [request for request in batch if not request.future.done()]
        if not asked:
            return
        self._counters.passes += 1
        self._counters.squares += len(asked)
        if asked[0].square is None:
            for request in asked:
                self._alone([request], lambda request=request: self._conclude(request))  # type: ignore[misc]
            return
        self._alone(asked, lambda: self._look(asked))

    def _alone(self, concerned: Sequence[Request], work: Callable[[], None]) -> None:
        """Do work; what goes wrong concerns these requests and no others."""
        try:
            work()
        except (EngineError, PackageError) as fault:
            known = fault
            self._fail(concerned, lambda task: known)
        except Exception as fault:  # noqa: BLE001 - whatever a package does, the thread that serves all others goes on
            cause = fault
            if is_out_of_memory(cause):
                self._fail(concerned, lambda task: OutOfMemory(f"'{task}' does not fit even frame by frame: {cause}"))
            else:
                self._fail(concerned, lambda task: PackageFault(f"the package of '{task}' failed: {cause}"), cause)

    def _fail(
        self, concerned: Sequence[Request], words: Callable[[str], Exception], cause: Exception | None = None
    ) -> None:
        self._counters.faults += len(concerned)
        for request in concerned:
            fault = words(request.package.identity.task)
            if cause is not None:
                fault.__cause__ = cause
            request.fail(fault)

    def _conclude(self, request: Request) -> None:
        networks = self._networks(request)
        if request.gathered is None:
            raise ValueError("a request has neither a square nor gathered answers")
        gathered = request.gathered
        with self._counters.stage("conclude"), torch.inference_mode():
            device = self._device.torch_device
            request.answer(self._with_relief(lambda: passes.conclude(networks.heads, gathered, device)))

    def _look(self, asked: Sequence[Request]) -> None:
        able: dict[str, Networks] = {}
        for request in asked:
            digest = request.package.identity.digest
            if digest not in able and not request.future.done():
                mine = [each for each in asked if each.package.identity.digest == digest]
                self._alone(mine, lambda r=request, d=digest: able.update({d: self._networks(r)}))  # type: ignore[misc]
        ready = [request for request in asked if request.package.identity.digest in able]
        if not ready:
            return
        self._set_threads(able[ready[0].package.identity.digest])
        maps = self._maps(ready, able)
        ready = sorted(ready, key=lambda request: request.package.identity.digest)
        for digest, group in groupby(ready, key=lambda request: request.package.identity.digest):
            mine = list(group)
            self._alone(mine, lambda m=mine, d=digest: self._answer(m, able[d], maps))  # type: ignore[misc]

    def _set_threads(self, networks: Networks) -> None:
        if self._device.is_cpu:
            size = sum(each.numel() for each in (*networks.encoder.parameters(), *networks.encoder.buffers()))
            torch.set_num_threads(self._threads.small if size < SMALL_ENCODER else self._threads.large)

    def _networks(self, request: Request) -> Networks:
        with self._counters.stage("load"):
            return self._with_relief(lambda: self.resident.networks(request.package))

    def _with_relief(self, work: Callable[[], Got]) -> Got:
        """Do work that cannot be halved; when memory runs out, once more with all that may go given up."""
        try:
            return work()
        except FAULTS as fault:
            if not is_out_of_memory(fault):
                raise
            self._counters.out_of_memory += 1
            self._relieve()
            return work()

    def _maps(self, asked: Sequence[Request], able: dict[str, Networks]) -> dict[Hashable, Maps]:
        found: dict[Hashable, Maps] = {}
        missing: dict[Hashable, Request] = {}
        for request in asked:
            kept = self.features.get(request.key) if request.key not in missing else None
            if kept is not None:
                found[request.key] = kept
            else:
                missing[request.key] = request
        networks = able[asked[0].package.identity.digest]

        def encode(some: Sequence[Request]) -> list[Maps]:
            images = passes.images_of(
                [r.square for r in some if r.square is not None],
                self._device.torch_device,
                self._device.dtype,
                self._shape(asked[0].lane),
            )
            return passes.encode(networks.encoder, networks.adapter, images)[: len(some)]

        with self._counters.stage("encode"), torch.inference_mode():
            wanted = list(missing.values())
            for request, maps in zip(wanted, self._halving(asked[0].lane, wanted, encode), strict=True):
                found[request.key] = maps
                self.features.keep(request.key, maps)
        return found

    def _answer(self, mine: Sequence[Request], networks: Networks, maps: dict[Hashable, Maps]) -> None:
        def ask(some: Sequence[Request]) -> list[Raw]:
            shape = self._shape(some[0].lane)
            squares = [r.square for r in some if r.square is not None]
            images = passes.images_of(squares, self._device.torch_device, self._device.dtype, shape)
            levels = [maps[r.key] for r in some]
            filled = [*levels, *[levels[-1]] * (shape - len(levels))]
            return passes.answer(networks.heads, images, filled)[: len(some)]

        with self._counters.stage("heads"), torch.inference_mode():
            for request, raw in zip(mine, self._halving(mine[0].lane, mine, ask), strict=True):
                request.answer(raw)

    def _shape(self, lane: Hashable) -> int:
        """Size of a pass: always the same, so that results do not depend on company."""
        return self._fits.get(lane, self._most)

    def _halving(
        self, lane: Hashable, items: Sequence[Given], work: Callable[[Sequence[Given]], list[Got]]
    ) -> list[Got]:
        """Work on items, at most as many at once as fit; when memory runs out, with half as many."""
        out: list[Got] = []
        relieved = False
        while len(out) < len(items):
            some = items[len(out) : len(out) + self._shape(lane)]
            try:
                reset_peak(self._device.torch_device)
                out += work(some)
            except FAULTS as fault:
                if not is_out_of_memory(fault):
                    raise
                self._counters.out_of_memory += 1
                shape = self._shape(lane)
                if shape == 1 and relieved:
                    raise
                self._fits[lane] = max(1, shape // 2)
                relieved = shape == 1
                self.features.clear()
                give_back(self._device.torch_device)
                if relieved:
                    self._relieve()
        return out

    def measure(self) -> None:
        """Book what the last pass needed beside the weights, as far as the device can tell."""
        if not self._device.is_cpu:
            self.resident.book_workspace(peak_bytes(self._device.torch_device))

    def _relieve(self) -> None:
        self.features.clear()
        self.resident.drop_unpinned()
        give_back(self._device.torch_device)
