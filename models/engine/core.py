"""The thread that serves a device: takes what waits, batch by batch; a second one sees to it that passes end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from models.engine.device import Device
from models.engine.features import FeatureCache
from models.engine.metrics import Counters, EngineMetrics
from models.engine.options import EngineOptions, Priority
from models.engine.request import Request
from models.engine.resident import ResidentModels
from models.engine.serving import Server, Threads
from models.engine.waiting import Waiting, WaitingRoom
from models.errors import EngineClosed, PackageHung


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """What is being served now."""

    batch: list[Waiting[Request]]
    until: float  # monotonic s, after which it counts as hung


class Core:
    """Serves requests of any thread, one batch at a time.

    A pass that does not end in time cannot be stopped: its thread is left alone, what it served is failed, its packages
    are not asked again, and a new thread with networks of its own goes on with the rest.
    """

    def __init__(
        self,
        device: Device,
        options: EngineOptions,
        adapted: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device, self._options, self._adapted, self._clock = device, options, adapted, clock
        self._most = 1 if device.is_cpu else options.max_batch  # on a CPU, company gains nothing
        self._room: WaitingRoom[Request] = WaitingRoom(options.aging_s)
        self._counters = Counters()
        chosen = options.threads
        self._threads = Threads(small=chosen or 1, large=chosen or torch.get_num_threads())
        self._hung: set[str] = set()  # package digests
        self._changed = threading.Condition()
        self._closed = False
        self._pass: Pass | None = None
        self._server = self._new_server()
        self._thread = self._new_thread()
        self._watch = threading.Thread(target=self._watch_passes, name="engine-watch", daemon=True)
        self._watch.start()

    def submit(self, request: Request, priority: Priority) -> None:
        """Let a request wait for its turn; its future is settled in any case.

        Raises
        ------
        EngineClosed
            The engine was closed.
        PackageHung
            The package hung before.
        """
        with self._changed:
            if self._closed:
                raise EngineClosed("the engine is closed")
            if request.package.identity.digest in self._hung:
                raise PackageHung(_words(request) + " did not come back before and is not asked again")
            self._room.add(request, request.lane, priority, self._clock())
            self._changed.notify_all()

    def close(self) -> None:
        """Fail what waits, end the pass that runs, and stop."""
        with self._changed:
            self._closed = True
            waiting = self._room.remove(lambda request: True)
            self._changed.notify_all()
        for request in waiting:
            request.fail(EngineClosed("the engine was closed"))
        self._thread.join(self._options.pass_limit_s)
        self._watch.join(self._options.pass_limit_s)

    def metrics(self) -> EngineMetrics:
        """What was done so far."""
        features, books = self._server.features, self._server.resident.books
        with self._changed:
            waiting = len(self._room)
        return self._counters.snapshot(
            waiting=waiting, hits=features.hits, misses=features.misses, resident_bytes=books.used_bytes
        )

    def _new_server(self) -> Server:
        resident = ResidentModels(self._device, self._options.pinned, self._adapted, self._counters)
        features = FeatureCache(self._options.feature_bytes)
        return Server(self._device, self._most, resident, features, self._counters, self._threads)

    def _new_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._serve, args=(self._server,), name="engine", daemon=True)
        thread.start()
        return thread

    def _serve(self, server: Server) -> None:
        while (batch := self._next(server)) is not None:
            start = time.monotonic()
            server.serve([each.item for each in batch])
            server.measure()
            with self._changed:
                if self._server is not server:
                    return  # it hung, and another thread has taken over
                self._counters.busy_s += time.monotonic() - start
                self._pass = None
                self._changed.notify_all()

    def _next(self, server: Server) -> list[Waiting[Request]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._room) or self._server is not server)
            if self._most > 1 and not self._closed:
                full = lambda: self._closed or self._room.in_next_lane(self._clock()) >= self._most  # noqa: E731
                self._changed.wait_for(full, self._options.max_wait_ms / 1000)
            if self._closed or self._server is not server:
                return None
            self._room.remove(lambda request: request.future.cancelled())
            batch = self._room.take(self._most, self._clock())
            if batch:
                self._pass = Pass(batch=batch, until=time.monotonic() + self._options.pass_limit_s)
                self._changed.notify_all()
            return batch

    def _watch_passes(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._pass is not None)
                if self._closed:
                    return
                running = self._pass
                if running is None:
                    continue
                over = lambda running=running: self._closed or self._pass is not running  # noqa: E731
                if self._changed.wait_for(over, max(0.0, running.until - time.monotonic())):
                    continue
                self._abandon(running)

    def _abandon(self, running: Pass) -> None:
        """Go on without a pass that hangs; the lock is held."""
        unsettled = [each for each in running.batch if not each.item.future.done()]
        hung = {each.item.package.identity.digest for each in unsettled[:1]}
        self._hung |= hung
        self._counters.hung += 1
        self._pass = None
        for each in unsettled:
            if each.item.package.identity.digest in hung:
                words = f"{_words(each.item)} did not come back within {self._options.pass_limit_s:.0f} s"
                each.item.fail(PackageHung(words + "; it is not asked again until the node starts anew"))
        for request in self._room.remove(lambda request: request.package.identity.digest in hung):
            request.fail(PackageHung(_words(request) + " hangs"))
        self._room.put_back([each for each in unsettled if each.item.package.identity.digest not in hung])
        self._server = self._new_server()
        self._thread = self._new_thread()


def _words(request: Request) -> str:
    return f"the package of '{request.package.identity.task}'"
