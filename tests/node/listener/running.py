"""A listener that runs for the length of a with block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path

from node.archive import Archive
from node.listener import Caller, ListenerOptions, serve

START_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    port: int
    root: Path
    stop: threading.Event
    thread: threading.Thread

    def received(self) -> list[Path]:
        archive = Archive(self.root / "archive")
        try:
            return list(archive.incoming())
        finally:
            archive.close()

    def parts(self) -> list[Path]:
        return sorted((self.root / "archive" / "incoming").glob("*.part"))


def options(root: Path, **changes: object) -> ListenerOptions:
    base = ListenerOptions(
        ae_title="ECHOCARE",
        bind="127.0.0.1",
        port=0,
        processes=1,
        max_associations=10,
        max_pdu_bytes=131072,
        idle_timeout_s=20,
        artim_timeout_s=5,
        called_ae_check=True,
        storage_sop_classes=None,
        allow=(Caller(ae="*", net=ip_network("127.0.0.0/8")),),
        tls=None,
        archive_dir=root / "archive",
        data_dir=root,
        min_free_bytes=0,
        drain_s=5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # the fields' own types, as the tests give them


@contextmanager
def listening(root: Path, **changes: object) -> Iterator[Running]:
    stop, started = threading.Event(), threading.Event()
    ports: list[int] = []
    faults: list[BaseException] = []

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    def run() -> None:
        try:
            serve(options(root, **changes), stop, ready)
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits for the start
            faults.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=run, name="listener under test")
    thread.start()
    try:
        assert started.wait(START_S)
        if faults:
            raise faults[0]
        yield Running(port=ports[0], root=root, stop=stop, thread=thread)
    finally:
        stop.set()
        thread.join(START_S)
        assert not thread.is_alive()
