"""The steps of the loop, each taken once for the same inputs: cohort, candidate, decision."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.packages import inventory, load_package
from models.packages.card import card_text
from models.packages.folders import CARD
from models.packages.package import TaskPackage
from trainer.adapting.loop import Adaptation
from trainer.adapting.packing import pack
from trainer.adapting.plan import Plan
from trainer.data.dicom_folder import Taking
from trainer.data.gathering import gather
from trainer.data.pseudonyms import open_pseudonyms
from trainer.data.query import Query
from trainer.data.tars import sync_folder
from trainer.promote import site_task
from trainer.promote.comparing import Decision, Foreign, Rules, decide
from trainer.promote.errors import NoLabels, NothingRuns, PackageAltered
from trainer.promote.record import Entry, Record, Step, digest_of, entry
from trainer.promote.scope import keeps_scope, same_scope
from trainer.promote.scoring import measure
from trainer.promote.settings import CohortPart, Site
from trainer.promote.site_task import (
    SiteSpec,
    cohort_digest,
    foreign_pictures,
    groups_of,
    site_pool,
    site_spec,
)
from trainer.promote.starting import begin, beginning, told_on
from trainer.promote.storing import files_digest
from trainer.tasks import spec_of

SHORT = 12
TOLD = 5  # times that looking is told of
COMMAND = "echocare-train site run --task"
News = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One run of the loop, as its steps need it."""

    site: Site
    task: str
    run: str
    who: str
    record: Record
    news: News  # told in words what happens

    def note(self, step: Step, inputs: str, what: dict[str, Any]) -> Entry:
        """Record a step that was taken."""
        return self.record.add(entry(step, self.task, self.run, self.who, inputs=inputs, what=what))

    def taken(self, step: Step, inputs: str) -> Entry | None:
        """The same step with the same inputs, of this run or of an earlier one."""
        found = [each for each in self.record.of(self.task, step) if each.inputs == inputs]
        return found[-1] if found else None


def running_package(site: Site, task: str) -> TaskPackage:
    """The package of a task that the node uses when it starts.

    Raises
    ------
    NothingRuns
        There is none.
    """
    found = inventory([*site.packages, site.promoted], site.bundled)
    for package in found.packages:
        if package.identity.task == task:
            return package
    refused = "; ".join(refusal.reason for refusal in found.refusals)
    raise NothingRuns(
        f"no package of '{task}' is installed, so there is nothing to compare with: let `packages` be the node's"
        f" package folders{f' (refused: {refused})' if refused else ''}"
    )


def cohort_of(at: Round) -> tuple[Path, str]:
    """The site's pictures, gathered once a run; their folder and digest.

    Raises
    ------
    NoLabels
        Neither an archive nor a folder is named, or the folder is not whole.
    TrainerError
        The archive holds nothing that is asked for.
    """
    part = at.site.cohort
    inputs = digest_of("cohort", part.model_dump(mode="json"))
    done = at.record.done(at.task, at.run, Step.COHORT, inputs)
    if done is not None:
        folder = at.site.folder / done.what["folder"]  # an absolute one stays as it is
        if cohort_digest(folder) != done.what["digest"]:
            raise NoLabels(f"the pictures in {folder} were changed after they were gathered: begin with --anew")
        return folder, done.what["digest"]
    if part.folder is not None:
        folder, digest = part.folder, cohort_digest(part.folder)
        at.note(Step.COHORT, inputs, {"folder": str(folder), "digest": digest})
        return folder, digest
    if part.archive is None:
        raise NoLabels("no pictures are named: set cohort.archive or cohort.folder in the site's configuration")
    name = f"cohorts/{at.task}/{at.run}-{inputs[7 : 7 + SHORT]}/site"
    folder = at.site.folder / name
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was cut off
    at.news(f"gathering pictures from {part.archive}")
    gathered = gather(part.archive, _query(part), folder, open_pseudonyms(_key(at.site)), _taking(part))
    digest = cohort_digest(folder)
    before = [each for each in at.record.of(at.task, Step.COHORT) if each.what["digest"] == digest]
    if before and (at.site.folder / before[-1].what["folder"]).is_dir():
        shutil.rmtree(folder.parent)
        name = before[-1].what["folder"]
    at.note(Step.COHORT, inputs, {"folder": name, "digest": digest, "counts": asdict(gathered)})
    return at.site.folder / name, digest


def candidate_of(at: Round, spec: SiteSpec, digest: str, running: TaskPackage) -> TaskPackage:
    """A candidate, learned from the cohort on the encoder of what runs; stopped, it goes on after the last epoch.

    Its heads begin as `starting.beginning` says.

    Raises
    ------
    PackageAltered
        It was learned before, and is not on disk as it was.
    TrainerError, EngineError, PackageError
        As of `trainer.adapting`.
    """
    site, data = at.site, _data(at.site)
    plan = Plan(
        task=at.task,
        method=site.adapt.method,
        architecture=running.encoder.name,
        encoder=running.encoder.digest,
        epochs=site.adapt.epochs,
        seed=site.adapt.seed,
    )
    public = sorted(each.name for each in data.iterdir() if (each / "index.csv").is_file()) if data.is_dir() else []
    start = beginning(site, at.task, running)
    began = None if start is None else start.identity.digest
    keeps = keeps_scope(site, public)
    inputs = digest_of("adapted", digest, plan.digest(), public, spec.settings.model_dump(mode="json"), began, keeps)
    done = at.taken(Step.ADAPTED, inputs)
    if done is not None:
        return recorded(site, done)
    name = f"candidates/{at.task}/{at.run}-{inputs[7 : 7 + SHORT]}"
    folder, work = site.folder / name, site.folder / "work" / at.task / inputs[7 : 7 + SHORT]
    at.news(f"learning a candidate from {spec.cohort}")
    adaptation = Adaptation(plan, spec, site_pool(spec, data), running.encoder, work, _looking(at.news))
    if start is not None and not begin(adaptation, start):
        at.news(f"{start.path} has other heads than '{at.task}' has now: the candidate begins at chance")
        start = None
    for epoch in adaptation.run():
        at.news(f"epoch {epoch.epoch + 1}, validation {epoch.validation:.3f}")
    part = folder.with_name(f".{folder.name}.part")
    for left in (part, folder):  # of a run that was cut off before it was recorded
        shutil.rmtree(left, ignore_errors=True)
    kept = start if keeps else None
    packed = pack(adaptation, running.encoder, data, part, f"{COMMAND} {at.task}", kept)
    card = packed.package.card
    named = card.model_copy(update={"version": f"{card.version}+site.{at.run}"})
    named = named if start is None else told_on(named, start, keeps=keeps)
    (part / CARD).write_text(card_text(named), encoding="utf-8")
    part.rename(folder)
    sync_folder(folder.parent)
    candidate = load_package(folder)
    what = {
        "folder": name,
        "digest": candidate.identity.digest,
        "encoder": candidate.identity.encoder_digest,
        "files": files_digest(folder),
        "cohort": digest,
        "figures": [each.model_dump(mode="json") for each in candidate.card.figures],
    }
    at.note(Step.ADAPTED, inputs, what)
    return candidate


def recorded(site: Site, adapted: Entry) -> TaskPackage:
    """The candidate that a line of the record tells of.

    Raises
    ------
    PackageAltered
        It is not on disk byte for byte.
    """
    folder = site.folder / adapted.what["folder"]
    if not folder.is_dir() or files_digest(folder) != adapted.what["files"]:
        raise PackageAltered(f"{folder} is not the candidate that was recorded: put it back, or begin with --anew")
    return load_package(folder)


def decision_of(at: Round, spec: SiteSpec, digest: str, running: TaskPackage, candidate: TaskPackage) -> Entry:
    """Both packages on the held-out pictures, and what follows; the record's line of it.

    Raises
    ------
    NoLabels
        The cohort has no held-out picture.
    CannotCompare, EngineError, PackageError
        A package cannot be judged, or does not run.
    """
    site, data = at.site, _data(at.site)
    rules = Rules(**site.decide.model_dump())
    inputs = digest_of("compared", digest, running.identity.digest, candidate.identity.digest, asdict(rules))
    done = at.taken(Step.COMPARED, inputs)
    if done is not None:
        return done if done.run == at.run else at.note(Step.COMPARED, inputs, {**done.what, "first_in": done.run})
    at.news("comparing with what runs, on held-out pictures")
    examples, foreign = spec.examples(data, "test"), foreign_pictures(spec, data)
    before, after = (measure(package, examples, foreign) for package in (running, candidate))
    decision = decide(
        before.scored,
        after.scored,
        groups_of(spec, examples),
        Foreign(
            pictures=len(foreign),
            running=before.foreign,
            candidate=after.foreign,
            made_only=len(foreign) <= site_task.NONSENSE[0],
            same_gates=same_scope(running, candidate),
        ),
        rules,
        candidate.card.trial if running.card.trial is None else None,
    )
    return at.note(Step.COMPARED, inputs, _told(decision, digest, running, candidate))


def spec_for(task: str, cohort: Path) -> SiteSpec:
    """The task on the site's pictures; raises as `spec_of` and `site_spec`."""
    return site_spec(spec_of(task), cohort)


def _told(decision: Decision, cohort: str, running: TaskPackage, candidate: TaskPackage) -> dict[str, Any]:
    return {
        "promote": decision.promote,
        "reasons": list(decision.reasons),
        "cohort": cohort,
        "running": running.identity.digest,
        "running_encoder": running.identity.encoder_digest,
        "candidate": candidate.identity.digest,
        "candidate_encoder": candidate.identity.encoder_digest,
        "judgements": [asdict(each) for each in decision.judgements],
        "foreign": asdict(decision.foreign),
    }


def _looking(news: News) -> Callable[[int, int], None]:
    """Tells now and then how far a frozen encoder has looked at the pictures, which takes minutes."""

    shares = iter(range(1, TOLD + 1))
    next_share = next(shares)

    def told(done: int, of: int) -> None:
        nonlocal next_share
        if done * TOLD >= next_share * of:
            news(f"{done} of {of} views looked at")
            next_share = next((share for share in shares if share * of > done * TOLD), TOLD + 1)

    return told


def _data(site: Site) -> Path:
    """Folder of public sets; without one, a folder that holds none."""
    return site.adapt.data if site.adapt.data is not None else site.folder / "public"


def _key(site: Site) -> Path:
    return site.cohort.key if site.cohort.key is not None else site.folder / "cohort.key"


def _query(part: CohortPart) -> Query:
    return Query(
        since=part.since, until=part.until, device=part.device, organ=part.organ, region=part.region, corrected=True
    )


def _taking(part: CohortPart) -> Taking:
    return Taking(frames=part.frames, trusted=part.nothing_burned_in, licence=part.licence)
