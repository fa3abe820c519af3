"""Arms one after another: told how long it will take, taken up again where it stopped, one JSON line for each."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from benchmarks.arms import Arm, Outcome, Place, Run, made, step_seconds

RUNS = "runs.jsonl"


def carried_out(arms: Sequence[Arm], place: Place, say: Callable[[str], None]) -> list[Run]:
    """Make those arms that have no line in OUT/runs.jsonl yet.

    Parameters
    ----------
    say
        Told in words how long it will take.

    Returns
    -------
    list of Run
        One for each arm, in their order.

    Raises
    ------
    TrainerError, PackageError
        As `benchmarks.arms.made`.
    """
    place.out.mkdir(parents=True, exist_ok=True)
    found = read(place.out / RUNS)
    left = [arm for arm in arms if arm.key(place.encoder) not in found]
    if left:
        say(estimate(left, place))
    with tqdm(total=sum(arm.steps for arm in left), unit="step", dynamic_ncols=True, mininterval=1.0) as bar:
        before = 0
        for arm in left:
            bar.set_description(f"{arm.task} {arm.method} {arm.seed}")

            def step(done: int, total: int, arm: Arm = arm, before: int = before) -> None:
                bar.update(before + round(arm.steps * done / total) - bar.n)

            run = made(arm, place, step)
            found[run.key] = run
            _write(found, place.out / RUNS)
            shutil.rmtree(place.folder(arm))
            before += arm.steps
            bar.update(before - bar.n)
            bar.write(words(run))
    return [found[arm.key(place.encoder)] for arm in arms]


def estimate(arms: Sequence[Arm], place: Place) -> str:
    """How long arms will take, from one step of each kind."""
    kinds = {(arm.task, arm.method): arm for arm in arms}
    took = {kind: step_seconds(arm, place) for kind, arm in kinds.items()}
    whole = sum(took[arm.task, arm.method] * arm.steps for arm in arms)
    steps = sum(arm.steps for arm in arms)
    return f"{len(arms)} runs, {steps} steps of {whole / steps:.2f} s: about {whole / 60:.0f} minutes beside measuring"


def words(run: Run) -> str:
    """What came of a run, in a line."""
    pace = f"{run.steps} steps of {run.seconds / run.steps:.2f} s with validation"
    learned = f"{run.pictures} pictures of {run.patients} patients"
    return f"{run.arm.task}, {run.arm.method}, seed {run.arm.seed}: {run.figure:.4f} from {learned}, {pace}"


def read(file: Path) -> dict[str, Run]:
    """The runs of a file of JSON lines, by key; none where there is no file."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {run.key: run for run in map(_run, lines)}


def _write(runs: dict[str, Run], file: Path) -> None:
    part = file.with_suffix(".part")
    part.write_text("".join(_line(run) + "\n" for run in runs.values()), encoding="utf-8")
    os.replace(part, file)


def _line(run: Run) -> str:
    table = asdict(run)
    for outcome in table["outcomes"]:
        outcome["values"] = [None if math.isnan(value) else round(value, 6) for value in outcome["values"]]
    return json.dumps(table)


def _run(line: str) -> Run:
    table = json.loads(line)
    found = [
        Outcome(**each | {"values": tuple(float("nan") if value is None else value for value in each["values"])})
        for each in table.pop("outcomes")
    ]
    return Run(**table | {"arm": Arm(**table["arm"]), "outcomes": tuple(found)})
