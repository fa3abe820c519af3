"""One engine for several processes: frames go through shared memory, findings come back over a socket of one user.

The client needs no torch: a command that only asks a running engine starts at once. The server is in `server`.
"""

from models.engine.shared.client import RemoteEngine

__all__ = ["RemoteEngine"]
