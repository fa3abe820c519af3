"""One engine for several processes: frames go through shared memory, findings come back over a socket of one user."""

from models.engine.shared.client import RemoteEngine
from models.engine.shared.server import EngineServer

__all__ = ["EngineServer", "RemoteEngine"]
