"""Errors of the configuration: ConfigError, which carries every fault found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from node.errors import NodeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with the configuration."""

    where: str  # "echocare-node.yaml:12" or "environment variable ECHOCARE_NODE__…"
    key: str  # "listener.dicom_port"; empty when no single key is at fault
    words: str  # what is wrong and what would be right

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.words}" if self.key else f"{self.where}: {self.words}"


class ConfigError(NodeError):
    """The configuration cannot be used; `faults` holds everything wrong with it, not only the first thing."""

    code: ClassVar[str] = "config.invalid"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"the configuration has {count}:", *(f"  {fault}" for fault in faults)]))
        self.faults = faults
