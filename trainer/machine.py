"""What a training or a measurement ran on, in words for a card."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Processor, cores, threads in use and accelerator of this process, without the machine's name."""
    cores = len(os.sched_getaffinity(0))
    threads = torch.get_num_threads()
    used = "one thread" if threads == 1 else f"{threads} threads"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {used} of {_processor()} ({cores} cores)"
    return f"{used} of {_processor()} ({cores} cores), no accelerator"


def _processor() -> str:
    words = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in words)}
    name = told.get("model name") or platform.machine()
    flags = told.get("flags", "").split()
    best = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in flags), "")
    return f"{name} with {best}" if best else name
