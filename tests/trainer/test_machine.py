"""What cards say of the machine."""

from __future__ import annotations

import platform

import torch

from trainer.machine import machine


def test_machine__on_this_one__tells_threads_and_cores_but_not_its_name():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        words = machine()
    finally:
        torch.set_num_threads(before)
    assert "one thread" in words
    assert "cores" in words
    assert platform.node() not in words
