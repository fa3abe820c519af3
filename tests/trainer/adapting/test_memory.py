"""Keeping freed memory, in a process of its own: it holds for the whole process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
import numpy as np
from trainer.adapting.memory import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        maps = [np.ones(250_000) for _ in range(10)]
        del maps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
handed_back = faults()
assert keep_freed()
faults()
print(handed_back, faults())
"""


def test_keep_freed__maps_of_steps_made_and_freed__ask_the_system_for_no_more_pages():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    handed_back, kept = map(int, ended.stdout.split())
    assert handed_back > 1000
    assert kept < handed_back / 20
