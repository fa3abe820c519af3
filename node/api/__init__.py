"""The HTTP interface: health, what is where, and the signal that an exam is complete."""

from node.api.application import make_application
from node.api.errors import ApiPortUnavailable
from node.api.serving import serve_api

__all__ = ["ApiPortUnavailable", "make_application", "serve_api"]
