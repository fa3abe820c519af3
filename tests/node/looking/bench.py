"""A node with packages of the kinds view and quality, whose answers the test chooses by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.engine import EngineError
from models.findings import Category, Finding, NoFinding, Quantity, TaskIdentity
from models.packages import TaskPackage
from node.looking import Lookers, lookers_of
from node.looking.lookers import looker_of
from node.routing import compile_routes
from node.scheduler import Scheduler
from node.worker import PatientCheck, Runner, Worker
from tests.models.engine.made import made
from tests.node.worker.bench import PACKAGE, Answer, Bench, DiscEngine


def code(word: str) -> dict[str, str]:
    return {"value": word.upper().replace(" ", "-"), "scheme": "99TEST", "meaning": word}


def region(name: str, *organs: str) -> dict[str, object]:
    return {"name": name, "code": code(name), "organs": [{"name": each, "code": code(each)} for each in organs]}


VIEW = {
    "kind": "view",
    "scope": 0.0,
    "regions": [region("thorax", "breast", "heart"), region("head and neck", "thyroid")],
}
QUALITY = {"kind": "quality", "scope": 0.0}
ORGANS = {"breast": "thorax", "heart": "thorax", "thyroid": "head and neck"}


class HungLook(EngineError):
    """Stands for whatever may go wrong in a pass."""

    code = "engine.test"


@dataclass
class LookingEngine(DiscEngine):
    """Sees the organ whose number the pictures' top left pixel has; 9 breaks it, 8 is out of scope."""

    order: tuple[str, ...] = tuple(ORGANS)
    looked: list[tuple[str, int]] = field(default_factory=list)  # task and frame

    def run(self, task: str, frames: Iterator[Any], *, priority: Any, cancelled: Callable[[], bool]) -> Any:
        if task == "fetal-head":
            return super().run(task, frames, priority=priority, cancelled=cancelled)
        given = list(frames)
        self.looked += [(task, frame.frame) for frame in given]
        number = int(given[0].pixels.flat[0])
        if number == 9:
            raise HungLook("the pass failed")
        return Answer(identity=self.identity, findings=tuple(_said(task, number, self.order)))


def _said(task: str, number: int, order: tuple[str, ...]) -> Iterator[Finding]:
    if number == 8:
        yield NoFinding(name="region", group="region 1", frame=1, reason="out of scope")
    elif task == "quality":
        yield Quantity(name="scan quality", group="scan quality 1", frame=1, value=0.25 * number, unit="1")
    else:
        organ = order[number]
        for question, word, sure in (("region", ORGANS[organ], 0.99), ("organ", organ, 0.9)):
            value = code(word)
            yield Category(
                name=question, group=f"{question} 1", frame=1, value=_code(value), probability=sure, confidence=sure
            )


def _code(given: dict[str, str]) -> Any:
    from models.findings import Code

    return Code(**given)


class LookingBench(Bench):
    """The flow of data with lookers; `restart` stands for a node that was killed."""

    def __init__(self, folder: Path, template: Path, *, packages: tuple[TaskPackage, ...], **sections: Any) -> None:
        self.packages = packages
        super().__init__(folder, template, LookingEngine(), **sections)

    def install(self, package: TaskIdentity) -> None:
        self.engine.identity = package
        identities = {each.identity.task: each.identity for each in self.packages} | {package.task: package}
        routes = compile_routes(self.settings, identities.values())
        self.scheduler = Scheduler(
            self.settings,
            self.database,
            self.archive,
            routes,
            self.wake,
            clock=lambda: self.now,
            lookers=lookers_of(self.packages, routes),
        )
        runner = Runner(
            settings=self.settings,
            database=self.database,
            engine=self.engine,
            packages=identities,
            patients=PatientCheck(self.settings.archive_dir),
            lookers=Lookers(each=tuple(looker_of(each) for each in self.packages)),
        )
        self.worker = Worker(self.settings, self.database, runner, clock=lambda: self.now)

    def restart(self) -> None:
        """As after `kill -9`: nothing is left but archive and database."""
        self.install(PACKAGE)
        self.scheduler.start()


def looking_packages(folder: Path, *kinds: str, seed: int = 1) -> tuple[TaskPackage, ...]:
    """Packages of the kinds view and quality."""
    settings = {"view": VIEW, "quality": QUALITY}
    return tuple(made(folder / kind, kind, seed=seed, settings=settings[kind])[0] for kind in kinds)
