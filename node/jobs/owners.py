"""Who holds a lease: names by which a process that is gone can be told from one that lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def owner_name(role: str) -> str:
    """This process's name for leases: role, host, process id, and when the process started."""
    return f"{role}@{socket.gethostname()[:64]}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the owner was a process of this host that runs no more; False for other hosts, which cannot be asked."""
    _, _, place = owner.partition("@")
    host, _, rest = place.rpartition(":")[0].rpartition(":")
    started = place.rpartition(":")[2]
    return host == socket.gethostname()[:64] and rest.isdigit() and _started(int(rest)) != started


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot, with the boot's id; empty when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    # Fields after the name: state is the third of the file, starttime the twenty-second. Z: killed, not yet reaped.
    return "" if state == "Z" else f"{boot}-{fields[18]}"
