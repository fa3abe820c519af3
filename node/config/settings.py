"""The whole configuration, and the defaults that follow from other keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, PrivateAttr, model_validator

from node.config.sections import (
    Http,
    Jobs,
    Listener,
    Live,
    Logs,
    Models,
    Node,
    Outbox,
    Peer,
    Priors,
    Results,
    Route,
    Section,
    Workitems,
)
from node.config.values import ArchiveUrl, DatabaseUrl, Name

SECTIONS = ("node", "listener", "http", "models", "jobs", "outbox", "workitems", "results", "live", "logs")
DEFAULT_TASKS = {"fetal-biometry": "fetal-head", "breast": "breast-lesion"}


class Settings(Section):
    """One process's settings: frozen, with all paths absolute."""

    node: Node = Field(default=Node(), description="The node itself.")
    listener: Listener = Field(default=Listener(), description="Intake by DICOM.")
    http: Http = Field(default=Http(), description="The HTTP interface.")
    database: DatabaseUrl = Field(
        default="sqlite:///var/node.db", description="Database URL (default: node.db in `data_dir`)."
    )
    archive: ArchiveUrl = Field(
        default="file:var/archive", description="Where received instances are kept (default: archive in `data_dir`)."
    )
    models: Models = Field(default=Models(), description="Task packages and the device they run on.")
    peers: dict[Name, Peer] = Field(
        default={}, description="Destinations by name (default: `out`, a folder peer `out` in `data_dir`)."
    )
    routes: tuple[Route, ...] = Field(
        default=(),
        description="Rules (default: every US image to `fetal-head` and `breast-lesion`, results to every peer; with"
        " `models.bundled: none` no rule).",
    )
    jobs: Jobs = Field(default=Jobs(), description="Leases and retries of jobs.")
    outbox: Outbox = Field(default=Outbox(), description="Leases and retries of deliveries.")
    workitems: Workitems = Field(default=Workitems(), description="Work items (UPS-RS): tasks that others assign.")
    results: Results = Field(default=Results(), description="What result objects say and how.")
    live: Live = Field(default=Live(), description="Frames of a running acquisition, `echocare-node live`.")
    logs: Logs = Field(default=Logs(), description="Logging.")
    _places: dict[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)  # where each key was written

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:  # noqa: ANN401 - what a before validator gets and gives is not typed yet
        """Fill in what follows from other keys, so that moving `data_dir` moves everything under it."""
        return with_defaults(given) if isinstance(given, dict) else given

    def place(self, path: tuple[str | int, ...]) -> str:
        """Where a key was written, or the nearest key above it, for faults that show after loading."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return "the defaults"

    @property
    def data_dir(self) -> Path:
        return self.node.data_dir

    @property
    def archive_dir(self) -> Path:
        """Root folder of the archive."""
        return Path(unquote(urlsplit(self.archive).path))

    @property
    def results_dir(self) -> Path:
        """Where written result objects wait for delivery and stay."""
        return self.data_dir / "results"

    @property
    def run_dir(self) -> Path:
        """Sockets and process ids of the running node."""
        return self.data_dir / "run"

    def takes(self, peer: str, role: str) -> bool:
        """Whether results of a role are sent to a peer; True of one that is configured no more."""
        found = self.peers.get(peer)
        if found is None or found.roles is None:
            return True
        return role in found.roles or role.partition("-")[0] in found.roles

    @property
    def askable(self) -> tuple[str, ...]:
        """The peers that can be asked for studies."""
        return tuple(name for name, peer in self.peers.items() if peer.kind != "folder")

    def source_of(self, priors: Priors) -> str:
        """The peer that is asked for priors; that there is one was checked when the configuration was read."""
        return priors.source or next(iter(self.askable), "")

    def calling_ae(self, peer: str) -> str:
        """The AE title under which this node calls a DICOM peer."""
        found = self.peers[peer]
        return (found.calling_ae if found.kind == "dimse" else None) or self.node.ae_title


def with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """A copy of raw configuration data with the keys that have derived defaults filled in."""
    filled = {key: value for key, value in given.items() if value is not None or key not in Settings.model_fields}
    for section in SECTIONS:
        filled.setdefault(section, {})
    node = filled["node"]
    data_dir = node.get("data_dir", "var") if isinstance(node, dict) else getattr(node, "data_dir", "var")
    filled.setdefault("database", f"sqlite:///{data_dir}/node.db")
    filled.setdefault("archive", f"file:{data_dir}/archive")
    if isinstance(filled["models"], dict):
        filled["models"] = {"packages": [f"{data_dir}/packages"], **filled["models"]}
    filled.setdefault("peers", {"out": {"kind": "folder", "path": f"{data_dir}/out"}})
    bundled = filled["models"].get("bundled") if isinstance(filled["models"], dict) else None
    tasks = {} if bundled == "none" else DEFAULT_TASKS
    peers = list(filled["peers"]) if isinstance(filled["peers"], dict) else []
    filled.setdefault(
        "routes",
        [
            {"name": name, "when": 'instance.Modality == "US"', "task": task, "send_to": peers}
            for name, task in tasks.items()
        ],
    )
    return filled
