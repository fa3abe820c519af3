"""A new site adapts a bundled package to its own scanner, by the commands of docs/adaptation.md alone.

python -m benchmarks.promotion --data D --out O [--method frozen|lora] [--epochs N] [--alone] [--trials]
    [--agreement SHARE]

O is made new; D holds the data sets as folders with index.csv. Its `busi`, of a scanner that `breast-lesion` never
saw, is the site: each picture is wrapped as an Ultrasound Image of a study of its own. The studies of the first month
go to a real node by C-STORE and are answered by `breast-lesion`; outlines and diagnoses (the set's) come back to the
node as people send them: its own segmentations and reports edited and verified where it had some, else new ones. Then
`cohort` and `site run`; and, where the candidate is found to be no worse, its shadow on the studies of the second
month, promotion, a new start, rollback, a new start. Patients are split as the set is, by their ids. A refusal is a
result like a promotion; 1 when a command fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import yaml

from benchmarks.wrapped import Wrapped, drawn, impressed, told, wrap
from tests.peers.nodes import RunningNode, node
from tests.peers.processes import listens, wait_until

TASK: Final = "breast-lesion"
WHEN: Final = 'instance.Modality == "US" && instance.BodyPartExamined == "BREAST"'
KEPT_FOR_LATER: Final = 20  # patients of the train split with a lesion who come in the second month
LIMIT_S: Final = 3600.0
LOOK_S: Final = 2.0
WATCHING, REFUSED = 3, 4  # exit statuses of `site run` that are no fault
IN_ORDER: Final = (0, WATCHING, REFUSED)
RUN: Final = ("run", "--task", TASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """Who comes when."""

    first: list[Wrapped]  # lesions, which somebody outlines
    second: list[Wrapped]  # pictures without a lesion, and some lesions that nobody outlines


def months_of(all_: Sequence[Wrapped]) -> Months:
    """The order of patients follows from their ids."""
    lesions = [each for each in all_ if each.mask is not None]
    training = sorted((each for each in lesions if each.split == "train"), key=_drawn_lots)
    later = training[:KEPT_FOR_LATER]
    second = [each for each in all_ if each.mask is None] + later
    return Months(first=[each for each in lesions if each not in later], second=second)


def _drawn_lots(each: Wrapped) -> str:
    return hashlib.sha256(f"month {each.row['id']}".encode()).hexdigest()


class Site:
    """The site's machine: a node, the site's configuration, and somebody who gives commands."""

    def __init__(self, here: RunningNode, configuration: dict[str, Any]) -> None:
        self.here = here
        self.config = here.folder / "echocare-site.yaml"
        shadow = {**configuration["shadow"], "node": f"http://127.0.0.1:{here.http_port}"}
        self._configuration = {**configuration, "shadow": shadow}
        self.decides()

    def decides(self, **changes: dict[str, object]) -> None:
        """Write the site's configuration, with other keys in some of its parts."""
        told = {key: {**part, **changes.get(key, {})} for key, part in self._configuration.items()}
        self.config.write_text(yaml.safe_dump(told), encoding="utf-8")

    def train(self, *words: str, allowed: Sequence[int] = (0,)) -> int:
        """Give a command of `echocare-train`, with its output shown; its exit status."""
        return said(["echocare-train", *words], self.here.folder, allowed)

    def site(self, *words: str, allowed: Sequence[int] = (0,)) -> int:
        """Give a command of `echocare-train site`."""
        return self.train("site", *words, "--config", str(self.config), "--by", "physicist", allowed=allowed)

    def send(self, files: Iterable[Path]) -> None:
        """Send files to the node by C-STORE."""
        words = ["echocare-node", "send", f"127.0.0.1:{self.here.port}", *map(str, files)]
        said(words, self.here.folder, (0,), shown=4)

    def answers(self, studies: Sequence[Wrapped], jobs: int) -> dict[str, dict[str, Path]]:
        """Wait until each study has so many jobs that are done; the results of each study by their role."""
        asked = {each.study for each in studies}

        def ended() -> bool:
            time.sleep(LOOK_S)
            told = [
                each for each in self._told("/api/studies?limit=1000")["studies"] if each["study_instance_uid"] in asked
            ]
            if any(each["jobs"].get("failed") for each in told):
                raise SystemExit(f"jobs failed: see {self.here.log}")
            return len([each for each in told if each["jobs"].get("done", 0) >= jobs]) == len(asked)

        wait_until(ended, LIMIT_S, f"{len(studies)} studies are answered")
        return {study: self._results(study) for study in asked}

    def _results(self, study: str) -> dict[str, Path]:
        told = self._told(f"/api/studies/{study}")["results"]
        return {each["role"]: self.here.settings.results_dir / each["path"] for each in told}

    def _told(self, path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.here.http_port}{path}", timeout=LIMIT_S) as answer:
            return json.load(answer)

    def again(self, *more: dict[str, Any], **models: object) -> None:
        """Start the node again with further routes and changed keys of `models`."""
        self.here.terminate()
        told = yaml.safe_load(self.here.config.read_text())
        told["models"] |= models
        told["routes"] = [route(), *more]
        self.here.config.write_text(yaml.safe_dump(told))
        self.here.start()
        self.listens()

    def listens(self) -> None:
        """Wait until the node's HTTP interface answers, and show which package it has."""
        wait_until(lambda: listens(self.here.http_port), LIMIT_S, "the node's HTTP interface answers")
        print(f"\nThe node runs; {TASK} is {self.installed()}", flush=True)

    def installed(self) -> str:
        """Digest and version of the package that answers."""
        told = json.loads(self.here.command("models", "list", "--json").stdout)
        (mine,) = [each for each in told["packages"] if each["task"] == TASK]
        return f"{mine['digest'][:19]} (version {mine['version']})"


def said(words: Sequence[str], folder: Path, allowed: Sequence[int], shown: int | None = None) -> int:
    """Run a command as its user gives it, and show it with its time."""
    print("\n$", *words[:shown], *([f"… {len(words) - shown} more"] if shown else []), flush=True)
    start = time.monotonic()
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run([program, *words[1:]], cwd=folder, check=False)
    print(f"[{time.monotonic() - start:.0f} s, exit status {done.returncode}]", flush=True)
    if done.returncode not in allowed:
        raise SystemExit(1)
    return done.returncode


def route() -> dict[str, Any]:
    """The task's own route."""
    return {"name": "breast", "when": WHEN, "task": TASK, "send_to": ["out"]}


def sent_back(each: Wrapped, results: Mapping[str, Path], out: Path) -> list[Path]:
    """What a person makes of the results of one study: an outline, and whether the lesion is malignant."""
    report = results.get("SR-TEXT")
    report = report if report is not None and impressed(report) else None
    name = each.path.name
    return [drawn(each, results.get("SEG"), out / "outlines" / name), told(each, report, out / "reports" / name)]


def carried_out(data: Path, out: Path, given: argparse.Namespace) -> None:
    """The whole way."""
    months = months_of(wrap(data / "busi", out / "scanner"))
    configuration = {
        "peers": {"out": {"kind": "folder", "path": "var/out"}},
        "routes": [route()],
        "node": {"study_quiet_s": 2},
    }
    chosen = {
        "cohort": {"archive": "var/archive"},
        "adapt": {
            "method": given.method,
            "epochs": given.epochs,
            **({} if given.alone else {"data": str(data.absolute())}),
        },
        # 19 held-out patients cannot give ten to each third by size; said before any result was seen
        "decide": {"allow_unknown": ["size"]},
        "shadow": {"agreement": given.agreement, "when": WHEN},
    }
    with node(out / "site", configuration) as here:
        site = Site(here, chosen)
        site.listens()
        start = time.monotonic()
        site.send(each.path for each in months.first)
        seen = site.answers(months.first, 1)
        outlined = sum("SEG" in listed for listed in seen.values())
        print(f"{len(seen)} studies, {outlined} with an outline, in {time.monotonic() - start:.0f} s")
        site.send(back for each in months.first for back in sent_back(each, seen[each.study], out))
        site.train("cohort", "--archive", "var/archive", "--corrected", "--out", "looked-at")
        state = site.site(*RUN, allowed=IN_ORDER)
        if state == REFUSED and given.trials:
            print(
                "\nOnce more, with trials allowed and other organs not asked for, to walk the rest of the way:",
                flush=True,
            )
            site.decides(decide={"allow_trial": True, "allow_unknown": ["size", "scope"]})
            state = site.site(*RUN, allowed=IN_ORDER)
        if state == WATCHING:
            shadowed(site, months.second, trials=given.trials)
        site.train("site", "status", "--config", str(site.config))


def shadowed(site: Site, second: Sequence[Wrapped], *, trials: bool) -> None:
    """From the proposal of a shadow to the rollback."""
    proposed = yaml.safe_load((site.here.folder / "var/site/proposals" / f"{TASK}.yaml").read_text())
    site.again(*proposed["routes"], packages=proposed["models"]["packages"], trials=trials)
    site.send(each.path for each in second)
    site.answers(second, 2)
    if site.site(*RUN, allowed=IN_ORDER) != 0:
        return
    site.site("promote", TASK)
    site.again()
    site.site("rollback", TASK)
    site.again()


def main() -> None:
    """Carry it out as the arguments say."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--method", choices=("frozen", "lora", "full"), default="frozen")
    options.add_argument("--epochs", type=int, default=40)
    options.add_argument("--alone", action="store_true", help="Learn from the site's pictures only, not public ones.")
    options.add_argument(
        "--trials",
        action="store_true",
        help="After a refusal, once more with trials allowed and other organs not asked for.",
    )
    options.add_argument(
        "--agreement", type=float, default=0.8, help="Share of images that the shadow has to agree on."
    )
    given = options.parse_args()
    carried_out(given.data, given.out, given)


if __name__ == "__main__":
    main()
