"""`demo`: a node with embedded defaults, a sample study through its own DICOM port, and what came back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from node.cli.exits import CommandFailed
from node.cli.options import ConfigOption, settings_of
from node.cli.output import console

if TYPE_CHECKING:
    from rich.console import Console

    from integration.dimse import Peer
    from integration.phantom import SampleStudy
    from node.config import Settings
    from node.jobs import StudyDetail

START_S: Final = 90.0
RESULTS_S: Final = 600.0
LOOK_S: Final = 0.1
LOG: Final = "node.log"
SENDER: Final = "PHANTOM"
ENDED_JOBS: Final = frozenset({"done", "failed", "cancelled"})
ENDED_DELIVERIES: Final = frozenset({"accepted", "committed", "failed"})


def demo(
    config: ConfigOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep serving when the results are there.")] = False,
) -> None:
    """Start a node, send it a sample study of phantoms, and show what came back beside what is true.

    Ends with 0 when every expected result is there in millimetres, else with 1 and the reason.
    """
    settings = settings_of(config)
    out = console()
    _ports_are_free(settings)
    with _running_node(settings, config) as (node, peer):
        out.print(f"A node listens as [bold]{peer.ae_title}[/] on {peer.host}:{peer.port}; its log: {_log(settings)}")
        sample = _sample(settings, out)
        _send(sample, peer, out)
        detail = _await_results(settings, sample, node)
        faults = _show(settings, sample, detail, out)
        if faults:
            raise CommandFailed("the demo did not give what it should: " + "; ".join(faults))
        if keep:
            _keep_serving(settings, node, peer, out)


def _ports_are_free(settings: Settings) -> None:
    import socket

    wanted = (
        (str(settings.listener.bind), settings.listener.dicom_port, "listener.dicom_port", "DICOM_PORT"),
        (str(settings.http.bind), settings.http.port, "http.port", "HTTP__PORT"),
    )
    for address, port, key, variable in wanted:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise CommandFailed(
                    f"port {port} is taken ({error.strerror}): stop what uses it, or choose another with {key} "
                    f"(or ECHOCARE_NODE__{variable}={port + 1 if port else 0})"
                ) from error


def _log(settings: Settings) -> Path:
    return settings.data_dir / LOG


@contextmanager
def _running_node(settings: Settings, config: Path | None) -> Iterator[tuple[subprocess.Popen[bytes], Peer]]:
    """`echocare-node serve` in a process of its own, stopped at the end."""
    from node.supervise import die_with

    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "node.cli", "serve", *(["--config", str(config)] if config else [])]
    parent = os.getpid()
    with _log(settings).open("ab") as log:
        node = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=lambda: die_with(parent))
    try:
        yield node, _await_start(settings, node)
    finally:
        node.terminate()
        try:
            node.wait(60)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait()


def _await_start(settings: Settings, node: subprocess.Popen[bytes]) -> Peer:
    from integration.dimse import DimseError, Peer, echo
    from node.supervise import PORT_FILE

    port_file = settings.run_dir / PORT_FILE
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(settings.listener.bind), str(settings.listener.bind))  # noqa: S104
    until = time.monotonic() + START_S
    began = time.time()
    while time.monotonic() < until:
        if node.poll() is not None:
            raise CommandFailed(f"the node did not start: {_last_error(settings)}")
        if port_file.is_file() and port_file.stat().st_mtime >= began - 1:
            port = int(port_file.read_text(encoding="ascii") or 0)
            peer = Peer(ae_title=settings.node.ae_title, host=address, port=port, calling_ae=SENDER)
            try:
                echo(peer)
            except DimseError:
                pass
            else:
                return peer
        time.sleep(LOOK_S)
    raise CommandFailed(f"the node did not answer C-ECHO within {START_S:.0f} s; its log is {_log(settings)}")


def _last_error(settings: Settings) -> str:
    lines = _log(settings).read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line for line in lines if " ERROR " in line or line.startswith("echocare-node: ")]
    return told[-1] if told else f"see its log {_log(settings)}"


def _sample(settings: Settings, out: Console) -> SampleStudy:
    from integration.phantom import sample_study

    with out.status("drawing a sample study: a fetal head, a breast mass, a fetal head in motion"):
        return sample_study(settings.data_dir / "sample")


def _send(sample: SampleStudy, peer: Peer, out: Console) -> None:
    from integration.dimse import store

    began = time.monotonic()
    for outcome in store(sample.files, peer):
        if outcome.error is not None:
            raise CommandFailed(f"the node did not take {outcome.path.name}: {outcome.error}")
    out.print(f"Sent {len(sample.files)} files of one study in {time.monotonic() - began:.2f} s by C-STORE.")


def _await_results(settings: Settings, sample: SampleStudy, node: subprocess.Popen[bytes]) -> StudyDetail:
    """Say that the exam is complete, instead of waiting for the quiet timer, and wait for its results."""
    from node.archive import Archive
    from node.db import DatabaseUnavailable, Signal, StudyState, connect, read, write
    from node.jobs import study_detail
    from node.roles import SCHEDULER
    from node.studies import signal_complete
    from node.wake import Wake

    engine, archive = connect(settings.database), Archive(settings.archive_dir)
    uid, said = sample.study_instance_uid, False
    until = time.monotonic() + RESULTS_S
    with console().status("waiting for the results"), Wake(settings.data_dir) as wake:
        while time.monotonic() < until:
            if node.poll() is not None:
                raise CommandFailed(f"the node ended: {_last_error(settings)}")
            time.sleep(LOOK_S)
            try:
                with read(engine) as connection:
                    detail = study_detail(connection, uid)
                if detail is None or detail.overview.instances < len(sample.files) or any(archive.incoming()):
                    continue
                if not said:
                    with write(engine) as connection:
                        signal_complete(connection, uid, Signal.API, _now())
                    wake.ring(SCHEDULER)
                    said = True
                    continue
            except DatabaseUnavailable:
                continue
            if detail.overview.state == StudyState.CLOSED and _settled(detail):
                engine.dispose()
                return detail
    raise CommandFailed(f"the results were not there after {RESULTS_S:.0f} s; `echocare-node status {uid}` says why")


def _now() -> Any:  # noqa: ANN401 - an aware datetime
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _settled(detail: StudyDetail) -> bool:
    return (
        all(revision.routed_at is not None for revision in detail.revisions)
        and all(job.state.value in ENDED_JOBS for job in detail.jobs)
        and all(delivery.state.value in ENDED_DELIVERIES for delivery in detail.deliveries)
    )


def _show(settings: Settings, sample: SampleStudy, detail: StudyDetail, out: Console) -> list[str]:
    """The table, and what is wrong with it."""
    from node.cli.demo_table import answers_of, faults_of, show_answers

    answers = answers_of(settings, sample, detail)
    show_answers(answers, out)
    roles: dict[str, int] = {}
    for result in detail.results:
        roles[result.role] = roles.get(result.role, 0) + 1
    counted = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
    places = {name: str(getattr(peer, "path", "")) or name for name, peer in settings.peers.items()}
    sent = sorted({places.get(delivery.destination, delivery.destination) for delivery in detail.deliveries})
    out.print(f"Written: {counted}; delivered to {', '.join(sent) or 'nobody'}.", soft_wrap=True)
    return faults_of(answers, sample, detail)


def _keep_serving(settings: Settings, node: subprocess.Popen[bytes], peer: Peer, out: Console) -> None:
    out.print(
        f"\nServing. Send a study of your own, from another terminal:\n"
        f"  .venv/bin/echocare-node send {peer.host}:{peer.port} FOLDER\n"
        f"  storescu -aec {peer.ae_title} +sd +r {peer.host} {peer.port} FOLDER\n"
        f"It is worked on {settings.node.study_quiet_s:g} s after its last image; "
        "`.venv/bin/echocare-node status` shows it. Ctrl-C stops.",
        markup=False,
        soft_wrap=True,
    )
    try:
        code = node.wait()
    except KeyboardInterrupt:
        return
    if code:
        raise CommandFailed(f"the node ended with {code}: {_last_error(settings)}")
