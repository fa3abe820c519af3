"""An adapter of low rank against full fine-tuning: how close it comes with how few numbers.

python -m benchmarks.lora --data D --encoder FOLDER [--out O] [--tasks T …] [--size PX] [--steps N] [--rank R]

Both sides start from the same encoder, learn from all training pictures with as many steps, each with the learning
rates of its method, and choose their best epoch by validation. Run the same command again to go on where it stopped.
OUT/runs.jsonl has a line for each run, OUT/lora.json the differences. 1 when a bar is missed: not more than a point
below full fine-tuning in the mean of the tasks, with an adapter of at most 5 % of the encoder's parameters. The heads
are learned on both sides; the share of all that is learned is told too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.arms import Arm, Place, Run, largest_rank, spec_at
from benchmarks.asking import begun, experiment
from benchmarks.differences import Difference, of_task, over_tasks
from benchmarks.pretraining import report
from benchmarks.series import carried_out
from models.packages import PackageError
from models.packages.encoders import load_encoder
from trainer.errors import TrainerError

TASKS = ("heart-chambers", "nerve-vessel")
MOST = 0.05  # of the encoder's parameters
WITHIN = 0.01  # of full fine-tuning, below
FILE = "lora.json"


def arms_of(tasks: Sequence[str], seeds: int, rank: int, *, size: int, steps: int, batch: int) -> list[Arm]:
    """Both sides of every task, full fine-tuning first."""
    return [
        Arm(task=task, method=method, seed=seed, size=size, steps=steps, batch=batch, rank=rank)
        for seed in range(seeds)
        for task in tasks
        for method in ("full", "lora")
    ]


def compared(runs: Sequence[Run]) -> list[Difference]:
    """The difference of each task and of all."""
    rounds = []
    for task in dict.fromkeys(run.arm.task for run in runs):
        sides = {
            method: [run for run in runs if (run.arm.task, run.arm.method) == (task, method)]
            for method in ("full", "lora")
        }
        rounds.append(of_task(sides["full"], sides["lora"]))
    return [*(one.difference for one in rounds), over_tasks("mean of all", rounds)]


def shares(runs: Sequence[Run]) -> tuple[float, float]:
    """The adapter's share of the encoder's parameters, and of all that full fine-tuning learns what an adapter does."""
    lora = [run for run in runs if run.arm.method == "lora"]
    full = {run.arm.task: run.trained_numbers for run in runs if run.arm.method == "full"}
    adapter = max(run.adapter_numbers / run.encoder_numbers for run in lora)
    return adapter, max(run.trained_numbers / full[run.arm.task] for run in lora)


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn, measure, print and write the differences; 1 when a bar is missed, 130 when stopped."""
    parser = experiment(__doc__, Path("runs/lora"), TASKS, seeds=1)
    parser.add_argument("--rank", type=int, default=None, help=f"without: the largest power of two within {MOST:.0%}%")
    given = begun(parser, arguments)
    console = Console(stderr=True, width=120)
    try:
        place = Place(data=given.data, out=given.out, encoder=load_encoder(given.encoder))
        rank = given.rank or largest_rank(place.encoder, MOST)
        arms = arms_of(given.tasks, given.seeds, rank, size=given.size, steps=given.steps, batch=given.batch)
        for arm in arms:
            spec_at(arm)
        runs = carried_out(arms, place, console.print)
        found = compared(runs)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from the last whole epoch")
        return 130
    except (TrainerError, PackageError, ValueError) as fault:
        console.print(str(fault))
        return 2
    report(found, console, "full", "adapter")
    adapter, learned = shares(runs)
    reached = found[-1].value >= -WITHIN and adapter <= MOST
    lines = {"encoder": place.encoder.digest, "rank": rank, "adapter_share": adapter, "learned_share": learned}
    (given.out / FILE).write_text(json.dumps(lines | {"differences": [asdict(one) for one in found]}, indent=2))
    console.print(
        f"rank {rank}: the adapter has {adapter:.1%} of the encoder's parameters; with the heads {learned:.1%} of what"
        f" full fine-tuning learns; {'within' if reached else 'not within'} the bars"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
