"""Intake by DICOM: C-ECHO and C-STORE, with Success only for what is safe on the disk."""

from node.listener.errors import ListenerError, PortUnavailable, TlsUnusable
from node.listener.options import Caller, ListenerOptions, TlsFiles
from node.listener.processes import serve, serve_listener

__all__ = [
    "Caller",
    "ListenerError",
    "ListenerOptions",
    "PortUnavailable",
    "TlsFiles",
    "TlsUnusable",
    "serve",
    "serve_listener",
]
