"""The device of an engine: which, in what precision, how much memory, and how it says that there is none."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

import torch

SHARE = 0.8  # of the memory that is free at the start
CPU_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")  # torch has no type of its own for it on a CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where passes run."""

    torch_device: torch.device
    dtype: torch.dtype
    memory_bytes: int

    @property
    def is_cpu(self) -> bool:
        """Whether it is no accelerator."""
        return self.torch_device.type == "cpu"


def choose(name: str, precision: str, memory_bytes: int | None) -> Device:
    """The device of a name.

    Parameters
    ----------
    name
        `auto` takes an accelerator where there is one; else torch's name.
    precision
        `auto` takes bfloat16 where the device computes with it; else torch's name of a type.
    memory_bytes
        What may be used; None: most of what is free now.
    """
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    dtype = _best_dtype(device) if precision == "auto" else getattr(torch, precision)
    return Device(torch_device=device, dtype=dtype, memory_bytes=memory_bytes or int(SHARE * free_bytes(device)))


def free_bytes(device: torch.device) -> int:
    """Memory that nobody uses now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(device: torch.device) -> int:
    """The most that was in use at once since `reset_peak`; of a CPU the process's, since its start."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak(device: torch.device) -> None:
    """Begin to measure anew, where the device can."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(fault, RuntimeError) and any(words in str(fault) for words in CPU_OUT_OF_MEMORY)


def give_back(device: torch.device) -> None:
    """Return what the allocator holds for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether this processor computes with bfloat16; others are slower in it than in float32."""
    flags = Path("/proc/cpuinfo")
    words = flags.read_text(encoding="utf-8") if flags.exists() else ""
    return "avx512_bf16" in words or "amx_bf16" in words
