"""What makes two jobs the same job."""

from __future__ import annotations

import hashlib
import json

from node.config import Route


def job_identity(*, inputs_digest: str, package_digest: str, route_digest: str) -> str:
    """The identity of a job: SHA-256 of its selected inputs, its package and its route's settings, hexadecimal."""
    return hashlib.sha256(f"{inputs_digest}\n{package_digest}\n{route_digest}\n".encode("ascii")).hexdigest()


def route_digest(route: Route) -> str:
    """SHA-256 of a route's settings, hexadecimal.

    Priority and priors stay out, for they change nothing in the results, and so do the objects where the route names
    none: a site's default may change without computing everything anew.
    """
    left_out = {"priority", "priors"} | ({"objects"} if route.objects is None else set())
    settings = route.model_dump(mode="json", exclude=left_out)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("utf-8")).hexdigest()
