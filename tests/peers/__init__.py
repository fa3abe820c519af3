"""Real peers that tests and benchmarks start: Orthanc, DCMTK's programs, and the node itself."""

from tests.peers.dcmtk import acknowledged, storescp, storescu
from tests.peers.node import NodePeer, node
from tests.peers.orthanc import Orthanc, orthanc
from tests.peers.ports import free_port, program, wait_for_port
from tests.peers.validator import errors

__all__ = [
    "NodePeer",
    "Orthanc",
    "acknowledged",
    "errors",
    "free_port",
    "node",
    "orthanc",
    "program",
    "storescp",
    "storescu",
    "wait_for_port",
]
