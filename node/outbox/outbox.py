"""All destinations at work, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import sqlalchemy as sa

from node.config import Settings
from node.db import connect
from node.outbox.commitment import CommitmentAsker
from node.outbox.courier import Courier
from node.outbox.pace import Pace
from node.outbox.senders import sender_for
from node.roles import OUTBOX, Stop
from node.wake import Wake

JOIN_S = 15.0


class Outbox:
    """The threads that deliver results.

    Parameters
    ----------
    settings
        The node's settings.
    engine
        The database.
    """

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread for each connection to each configured peer, and one for each that is asked to commit."""
        for name, peer in self._settings.peers.items():
            pace = Pace(peer.per_minute, peer.bytes_per_s)
            for number in range(peer.connections):
                courier = Courier(self._settings, name, sender_for(self._settings, name), self._engine, pace=pace)
                self._run(courier.run, f"outbox-{name}-{number}")
            if peer.kind == "dimse" and peer.commitment:
                self._run(CommitmentAsker(self._settings, name, self._engine).run, f"commitment-{name}")

    def _run(self, work: Callable[[Stop], None], name: str) -> None:
        thread = threading.Thread(target=work, args=(self._stop,), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def stop(self) -> None:
        """Let running batches end, within a limit; what is cut off is sent again at the next start."""
        self._stop.set()
        with Wake(self._settings.data_dir) as wake:
            wake.ring(OUTBOX)
        for thread in self._threads:
            thread.join(JOIN_S)


def run_outbox(settings: Settings, stop: Stop) -> None:
    """Deliver results until stopped, in a process that does nothing else."""
    engine = connect(settings.database)
    outbox = Outbox(settings, engine)
    outbox.start()
    waiting = threading.Event()
    try:
        while not stop.is_set():
            waiting.wait(settings.outbox.poll_s)
    finally:
        outbox.stop()
        engine.dispose()
