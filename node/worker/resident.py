"""The engine of this node's configuration, with the words in which it is told and logged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.engine import Engine, EngineError, EngineOptions
from models.engine.shared.server import EngineServer
from models.packages import PackageError, TaskPackage
from node.config import Models
from node.logs import log_context
from node.wake import engine_socket, leave_socket_folder, make_socket_folder

_log = logging.getLogger(__name__)


def engine_of(packages: Sequence[TaskPackage], models: Models, *, likely: bool = False) -> Engine:
    """An engine for these packages, as the configuration wants it; `likely`: masks keep probabilities."""
    return Engine(
        packages,
        EngineOptions(
            device=models.device,
            precision=models.precision,
            max_batch=models.max_batch,
            max_wait_ms=models.max_wait_ms,
            memory_bytes=models.memory_bytes,
            feature_bytes=models.feature_bytes,
            aging_s=models.aging_s,
            pass_limit_s=models.pass_limit_s,
            pinned=models.pin,
            threads=models.threads,
            likely=likely,
        ),
    )


@contextmanager
def shared(engine: Engine, data_dir: Path) -> Iterator[None]:
    """Let other commands of this user run tasks on the engine, as far as a socket can be had."""
    place = engine_socket(data_dir)
    try:
        make_socket_folder(place.parent)
        server = EngineServer(engine, place)
    except OSError as fault:
        _log.warning("The engine is not shared with other processes", extra=log_context(reason=str(fault)))
        yield
        return
    try:
        yield
    finally:
        server.close()
        leave_socket_folder(place.parent)


def warm_engine(engine: Engine) -> None:
    """Load what the first job would have to wait for; a package that does not run is told and stops nothing."""
    try:
        engine.warm_up()
    except (EngineError, PackageError) as fault:
        _log.error("A task package does not run", extra=log_context(code=fault.code, reason=str(fault)))
