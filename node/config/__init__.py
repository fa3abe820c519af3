"""The node's configuration: one frozen, typed tree, read once at start and passed down."""

from node.config.errors import ConfigError, Fault
from node.config.loading import find_config, load_settings
from node.config.reference import configuration_markdown
from node.config.sections import (
    Allow,
    DimsePeer,
    FolderPeer,
    Http,
    Jobs,
    Listener,
    Logs,
    Mode,
    Models,
    Node,
    Outbox,
    Peer,
    Priority,
    Results,
    Route,
    Tls,
)
from node.config.settings import Settings

__all__ = [
    "Allow",
    "ConfigError",
    "DimsePeer",
    "Fault",
    "FolderPeer",
    "Http",
    "Jobs",
    "Listener",
    "Logs",
    "Mode",
    "Models",
    "Node",
    "Outbox",
    "Peer",
    "Priority",
    "Results",
    "Route",
    "Settings",
    "Tls",
    "configuration_markdown",
    "find_config",
    "load_settings",
]
