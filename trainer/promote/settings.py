"""What a site decides: the configuration of its loop, one YAML file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.packages.folders import Bundled
from trainer.data.dicom_folder import OWN
from trainer.promote.errors import BadSite


class Part(BaseModel):
    """Closed and frozen: a key that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CohortPart(Part):
    """Where the site's pictures come from."""

    archive: Path | None = None  # the node's archive; outlines in segmentations that came back are the labels
    folder: Path | None = None  # instead: an image folder with index.csv, labelled as the task's own data set is
    since: date | None = None  # day of the examination, inclusive
    until: date | None = None
    device: str | None = None
    organ: str | None = None
    region: str | None = None
    frames: int = Field(default=8, ge=1)  # of a cine, at most
    nothing_burned_in: bool = False  # somebody checked that no frame shows a name
    licence: str = OWN
    key: Path | None = None  # secret of the pseudonyms; None: cohort.key in the site folder


class AdaptPart(Part):
    """How a candidate is learned."""

    method: Literal["frozen", "lora", "full"] = "frozen"
    start: Literal["installed", "chance"] = "installed"  # heads of what the node has from elsewhere, or of chance
    # what is in scope: kept as it was where the candidate began, or learned; auto: kept where there are no public sets
    scope: Literal["auto", "kept", "learned"] = "auto"
    epochs: int = Field(default=40, ge=1)
    seed: int = 0
    data: Path | None = None  # folder of public data sets: outsiders, and the task's own sets to learn from as well

    @model_validator(mode="after")
    def _has_what_it_keeps(self) -> AdaptPart:
        if self.scope == "kept" and (self.method, self.start) != ("frozen", "installed"):
            raise ValueError(
                "scope: kept needs method: frozen and start: installed: gates of scope hold for their encoder alone"
            )
        return self


class DecidePart(Part):
    """When a candidate is good enough."""

    margin: float = Field(default=0.02, ge=0)  # of goodness, see docs/adaptation.md: how much worse is not worse
    margin_answered: float = Field(default=0.05, ge=0, le=1)  # of the share of pictures that are answered
    margin_answer: float = Field(default=0.05, ge=0, le=1)  # of the probability of the right answer to a question
    least_patients: int = Field(default=10, ge=2)  # of a group, to tell anything about it
    # groups that may be too small to tell: "device: Maker Model", "device" for each of them, "*" for all; "answer": the
    # answer to the task's question need not be known; "scope": nor whether it keeps silent on other organs
    allow_unknown: tuple[str, ...] = ()
    allow_trial: bool = False  # a candidate that calls itself a trial; the node then needs models.trials: true


class ShadowPart(Part):
    """The candidate beside what runs, on what the site really gets, without being delivered."""

    node: str = "http://127.0.0.1:8080"  # the node's HTTP interface
    results: Path = Path("var/results")  # the node's folder of results
    when: str = 'instance.Modality == "US"'  # condition of the route that is proposed: that of the task's own route
    least: int = Field(default=50, ge=1)  # images that both have answered
    agreement: float = Field(default=0.8, ge=0, le=1)  # least share of them on which both agree
    overlap: float = Field(default=0.8, ge=0, le=1)  # Dice from which two outlines agree
    tolerance: float = Field(default=0.1, ge=0)  # share by which two measurements may differ
    studies: int = Field(default=1000, ge=1, le=1000)  # the newest ones that are looked at

    @field_validator("node")
    @classmethod
    def _is_http(cls, node: str) -> str:
        if urlsplit(node).scheme not in ("http", "https"):
            raise ValueError("must begin with http:// or https://")
        return node.rstrip("/")


class CalendarPart(Part):
    """When the loop runs by itself."""

    enabled: bool = False
    cron: str = "0 3 * * sun"  # minute, hour, day of month, month, day of week
    timezone: str = "UTC"
    tasks: tuple[str, ...] = ()


class Site(Part):
    """One site's loop."""

    folder: Path = Path("var/site")  # candidates, promoted packages and the record
    packages: tuple[Path, ...] = ()  # the node's `models.packages`, without the site's own folders
    bundled: Bundled = "all"  # the node's `models.bundled`
    automatic: bool = False  # promote without asking, once everything is in order
    cohort: CohortPart = CohortPart()
    adapt: AdaptPart = AdaptPart()
    decide: DecidePart = DecidePart()
    shadow: ShadowPart = ShadowPart()
    calendar: CalendarPart = CalendarPart()

    @property
    def promoted(self) -> Path:
        """The folder that the node's configuration names last among its package folders."""
        return self.folder / "promoted"

    @property
    def shadowed(self) -> Path:
        """The folder of packages that only shadow routes ask."""
        return self.folder / "shadow"


def read_site(path: Path) -> Site:
    """Read the configuration; relative paths are relative to the file.

    Raises
    ------
    BadSite
        It is not there, is no YAML, or breaks the schema; each fault is named.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as fault:
        raise BadSite(f"the configuration {path} cannot be read: {fault}") from fault
    try:
        site = Site.model_validate(raw)
    except ValidationError as fault:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in fault.errors())
        raise BadSite(f"the configuration {path} is wrong: {faults}") from fault
    return _placed(site, path.absolute().parent)


def _placed(site: Site, base: Path) -> Site:
    cohort = {name: _at(base, getattr(site.cohort, name)) for name in ("archive", "folder", "key")}
    return site.model_copy(
        update={
            "folder": base / site.folder,
            "packages": tuple(base / each for each in site.packages),
            "cohort": site.cohort.model_copy(update=cohort),
            "adapt": site.adapt.model_copy(update={"data": _at(base, site.adapt.data)}),
            "shadow": site.shadow.model_copy(update={"results": base / site.shadow.results}),
        }
    )


def _at(base: Path, path: Path | None) -> Path | None:
    return None if path is None else base / path
