"""What pretraining is worth with a tenth of the labels: a pretrained encoder against one that starts from nothing.

python -m benchmarks.pretraining --data D --encoder FOLDER [--out O] [--tasks T …] [--size PX] [--steps N] [--seeds N]

Both sides learn all weights, from the same tenth of the training patients, with as many steps and the same choice of
the best epoch by validation; only the encoder's start differs, and with it the learning rate that its method has for
it. Run the same command again to go on where it stopped. OUT/runs.jsonl has a line for each run with what came of each
test picture, OUT/pretraining.json the differences. 1 when the bar is missed: better over all tasks, zero outside the
95 % interval. Pretraining saw pictures of train splits alone, but which organ they show as well: that is what the task
`view` asks, so the mean is told without it too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.arms import Arm, Place, spec_at
from benchmarks.asking import begun, experiment
from benchmarks.differences import Difference, of_task, over_tasks
from benchmarks.series import carried_out
from models.packages import PackageError
from models.packages.encoders import load_encoder
from trainer.errors import TrainerError

TASKS = ("heart-chambers", "thyroid-nodule", "nerve-vessel", "liver-mass", "lung", "view")
ASKED_BEFORE = ("view",)  # tasks whose answers pretraining learned from too
SHARE = 0.1
FILE = "pretraining.json"


def arms_of(tasks: Sequence[str], seeds: int, share: float, *, size: int, steps: int, batch: int) -> list[Arm]:
    """Both sides of every task and draw, a draw of all tasks after another: from nothing, then pretrained."""
    return [
        Arm(task=task, method=method, seed=seed, share=share, size=size, steps=steps, batch=batch)
        for seed in range(seeds)
        for task in tasks
        for method in ("scratch", "full")
    ]


def compared(arms: Sequence[Arm], place: Place, console: Console) -> list[Difference]:
    """Make all arms, then the difference of each task, of all of them, and of those that are new to the encoder."""
    runs = dict(zip(arms, carried_out(arms, place, console.print), strict=True))
    tasks = list(dict.fromkeys(arm.task for arm in arms))
    rounds = []
    for task in tasks:
        mine = [run for arm, run in runs.items() if arm.task == task]
        scratch = [run for run in mine if run.arm.method == "scratch"]
        rounds.append(of_task(scratch, [run for run in mine if run.arm.method == "full"]))
    new = [one for one in rounds if one.difference.task not in ASKED_BEFORE]
    found = [*(one.difference for one in rounds), over_tasks("mean of all", rounds)]
    return [*found, over_tasks(f"mean without {', '.join(ASKED_BEFORE)}", new)] if 0 < len(new) < len(rounds) else found


def report(found: Sequence[Difference], console: Console, theirs: str, ours: str) -> None:
    """Print a table of differences, in points of Dice, AUC or accuracy."""
    shown = Table("task", theirs, ours, "difference, points", "95 % interval", "test pictures", "patients")
    for one in found:
        shown.add_row(
            one.task, f"{100 * one.theirs:.1f}", f"{100 * one.ours:.1f}", f"{100 * one.value:+.1f}",
            f"{100 * one.low:+.1f} to {100 * one.high:+.1f}", str(one.pictures), str(one.patients),
        )  # fmt: skip
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Learn, measure, print and write the differences; 1 when the bar is missed, 130 when stopped."""
    parser = experiment(__doc__, Path("runs/pretraining"), TASKS, seeds=2)
    parser.add_argument("--share", type=float, default=SHARE, help="of the training patients")
    given = begun(parser, arguments)
    console = Console(stderr=True, width=120)
    arms = arms_of(given.tasks, given.seeds, given.share, size=given.size, steps=given.steps, batch=given.batch)
    try:
        for arm in arms:
            spec_at(arm)
        place = Place(data=given.data, out=given.out, encoder=load_encoder(given.encoder))
        found = compared(arms, place, console)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from the last whole epoch")
        return 130
    except (TrainerError, PackageError, ValueError) as fault:
        console.print(str(fault))
        return 2
    report(found, console, "from nothing", "pretrained")
    whole = found[len(set(given.tasks))]
    better = whole.low > 0
    lines = {"encoder": place.encoder.digest, "share": given.share, "better": better}
    (given.out / FILE).write_text(json.dumps(lines | {"differences": [asdict(one) for one in found]}, indent=2))
    verdict = "better" if better else "not surely better"
    console.print(f"with {given.share:.0%} of the training patients pretraining is {verdict}")
    return 0 if better else 1


if __name__ == "__main__":
    sys.exit(main())
