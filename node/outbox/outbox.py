"""All destinations at work, each in a thread of its own."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from node.config import Settings
from node.crew import Crew
from node.db import connect
from node.outbox.commitment import CommitmentAsker
from node.outbox.courier import Courier
from node.outbox.pace import Pace
from node.outbox.senders import sender_for
from node.roles import OUTBOX, Stop


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
        self._crew = Crew(settings.data_dir, OUTBOX)

    def start(self) -> None:
        """Start a thread for each connection to each configured peer, and one for each that is asked to commit."""
        for name, peer in self._settings.peers.items():
            pace = Pace(peer.per_minute, peer.bytes_per_s)
            for number in range(peer.connections):
                courier = Courier(self._settings, name, sender_for(self._settings, name), self._engine, pace=pace)
                self._crew.run(courier.run, f"outbox-{name}-{number}")
            if peer.kind == "dimse" and peer.commitment:
                self._crew.run(CommitmentAsker(self._settings, name, self._engine).run, f"commitment-{name}")

    def stop(self) -> None:
        """Let running batches end, within a limit; what is cut off is sent again at the next start."""
        self._crew.stop()


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
