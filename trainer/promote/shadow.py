"""The candidate beside what runs: a package for a shadow route, the route as a proposal, and how far both agree."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import yaml

from models.packages.card import card_text
from models.packages.folders import CARD
from models.packages.package import TaskPackage, load_package
from trainer.promote.answers import Said, differences, read_answers
from trainer.promote.errors import NodeSilent
from trainer.promote.settings import ShadowPart, Site
from trainer.promote.storing import KEPT, keep, keep_encoder, load_kept, switch

SUFFIX: Final = "-candidate"
PATIENCE_S: Final = 10
HEADER: Final = """\
# Proposed by `echocare-train site run`. Put these folders last among `models.packages` and this route among `routes`
# of the node's configuration, and start the node again. Results of a shadow route are kept and never delivered.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far candidate and running package said the same in the node."""

    images: int  # that both have looked at
    agreed: int
    differences: dict[str, int]  # in how many images, by kind

    @property
    def share(self) -> float:
        """Of the images; 0 where there are none."""
        return self.agreed / self.images if self.images else 0.0


def candidate_name(task: str) -> str:
    """The task name under which a node holds the candidate beside what runs."""
    return task + SUFFIX


def propose(site: Site, candidate: TaskPackage) -> tuple[TaskPackage, Path]:
    """Put the candidate where a shadow route finds it, and write the route.

    A node has one package a task, so the copy carries another task name; its weights are the candidate's.

    Returns
    -------
    tuple
        The copy, and the file with the proposal.

    Raises
    ------
    PackageAltered
        A kept copy is not what it was.
    OSError
        The folder cannot be written.
    """
    task = candidate.identity.task
    name = candidate_name(task)
    part = site.shadowed / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shutil.copy(candidate.weights, part / candidate.weights.name)
    card = candidate.card.model_copy(update={"task": name, "title": f"{candidate.card.title} (candidate)"})
    (part / CARD).write_text(card_text(card), encoding="utf-8")
    keep_encoder(candidate.encoder, site.shadowed)
    kept = keep(load_package(part), site.shadowed)
    shutil.rmtree(part)
    switch(site.shadowed, name, kept)
    route = {"name": name, "when": site.shadow.when, "task": name, "mode": "shadow", "priority": "shadow"}
    folders = [str(each) for each in (*site.packages, site.promoted, site.shadowed)]
    file = site.folder / "proposals" / f"{task}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"models": {"packages": folders}, "routes": [route]}, sort_keys=False, allow_unicode=True)
    file.write_text(HEADER + text, encoding="utf-8")
    return load_kept(site.shadowed, kept), file


def withdraw(site: Site, task: str) -> None:
    """Take the candidate away from the shadow; copies that were kept stay, for a node that still runs them."""
    if (site.shadowed / KEPT).is_dir():
        switch(site.shadowed, candidate_name(task), None)


def watch(part: ShadowPart, running: str, shadow: str) -> Agreement:
    """Compare what both packages said in the node of the same images.

    Parameters
    ----------
    part
        Where the node answers, and what counts as agreement.
    running, shadow
        Digests of the packages.

    Raises
    ------
    NodeSilent
        The node does not answer, or its results cannot be read.
    """
    images = agreed = 0
    found: Counter[str] = Counter()
    for study in _asked(part, f"/api/studies?limit={part.studies}")["studies"]:
        if study["jobs"].get("done", 0) < 2:
            continue
        detail = _asked(part, f"/api/studies/{quote(study['study_instance_uid'], safe='')}")
        ours, theirs = (_answers(detail, digest, part.results) for digest in (running, shadow))
        for uid in ours.keys() & theirs.keys():
            told = differences(ours[uid], theirs[uid], part.overlap, part.tolerance)
            images, agreed = images + 1, agreed + (not told)
            found.update(told)
    return Agreement(images=images, agreed=agreed, differences=dict(found))


def _answers(detail: Mapping[str, Any], digest: str, results: Path) -> dict[str, Said]:
    """What the jobs of one package that are done say of the images of a study; of an image, the newest job's word."""
    said: dict[str, Said] = {}
    for job in sorted(detail["job_list"], key=lambda job: int(job["id"])):
        if job["state"] == "done" and job["package_digest"] == digest.removeprefix("sha256:"):
            said |= read_answers(results / each["path"] for each in detail["results"] if each["job"] == job["id"])
    return said


def _asked(part: ShadowPart, path: str) -> Any:  # noqa: ANN401 - a JSON document
    try:
        with urlopen(part.node + path, timeout=PATIENCE_S) as answer:  # noqa: S310 - the settings let http alone in
            return json.load(answer)
    except (URLError, OSError, ValueError) as fault:
        raise NodeSilent(
            f"the node at {part.node} does not answer as its interface says ({fault}): start it, or mend shadow.node"
        ) from fault
