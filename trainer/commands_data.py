"""`echocare-train shards` and `echocare-train cohort`: pictures made ready to learn from."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from trainer.data.dicom_folder import OWN, Taking
from trainer.data.fetching import fetch, folder_for, is_address, remote_at
from trainer.data.finding import find_sources
from trainer.data.gathering import gather
from trainer.data.pseudonyms import open_pseudonyms
from trainer.data.query import Query
from trainer.data.shards import Options, make_shards
from trainer.errors import TrainerError

Key = Annotated[
    Path | None,
    typer.Option(
        envvar="ECHOCARE_PSEUDONYM_KEY",
        help="Secret of the pseudonyms; made if missing. Default: OUT.key, beside OUT. Keep it, and keep it apart.",
    ),
]
Frames = Annotated[int, typer.Option(min=1, help="Frames taken of a cine, at most, evenly apart.")]
Clean = Annotated[
    bool, typer.Option("--nothing-burned-in", help="You checked: no frame of these DICOM files shows a name.")
]
Licence = Annotated[str, typer.Option(help="Licence of pictures out of DICOM files.")]
Day = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Day of the examination, inclusive. Shards: of what a PACS is asked for."),
]
RECEIVE = "ECHOCARE@127.0.0.1:11113"
Receive = Annotated[
    str,
    typer.Option(
        envvar="ECHOCARE_RECEIVE",
        help="AE@ADDRESS:PORT that C-MOVE sends to while it runs; the PACS must know it. 0.0.0.0: on all networks.",
    ),
]


def shards(  # noqa: PLR0913 - each is an option of the command
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Image folders with index.csv (or a folder of them), DICOM folders, a node's archive, or a PACS: "
            "https://HOST/dicom-web, dimse://AE@HOST:PORT."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for shards, report and manifest.")],
    key: Key = None,
    samples: Annotated[int, typer.Option(min=1, help="Samples of a shard.")] = 1000,
    alike_bits: Annotated[
        int, typer.Option(min=-1, max=32, help="Pictures alike but for that many of 64 bits are left out; -1: none.")
    ] = 2,
    frames: Frames = 8,
    nothing_burned_in: Clean = False,
    licence: Licence = OWN,
    since: Day = None,
    until: Day = None,
    receive: Receive = RECEIVE,
) -> None:
    """Make WebDataset shards without anything that identifies; the same command goes on where it was stopped."""
    taking = Taking(frames=frames, trusted=nothing_burned_in, licence=licence)
    options = Options(samples=samples, alike_bits=alike_bits, taking=taking)
    with _told_in_words("stopped; the same command goes on after the last whole shard"):
        fetching = _Fetching(out=out, since=_date(since), until=_date(until), receive=receive)
        folders = [_fetched(word, fetching) for word in sources]
        with _bar("shards") as progress:
            found = find_sources(folders, taking)
            manifest = make_shards(found, out, open_pseudonyms(_key(key, out)), options, progress)
        _show(manifest, ("by_split", "by_source", "by_organ", "by_licence", "left_out"))
        typer.echo(f"{manifest['samples']} samples in {len(manifest['shards'])} shards; digest {manifest['digest']}")


def cohort(  # noqa: PLR0913 - each is an option of the command
    archive: Annotated[
        str,
        typer.Option(
            help="The node's archive, a folder of DICOM files, or a PACS: https://HOST/dicom-web, dimse://AE@HOST:PORT."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and their index.csv.")],
    since: Day = None,
    until: Day = None,
    device: Annotated[str | None, typer.Option(help="Part of maker, model, station or sending AE.")] = None,
    organ: Annotated[str | None, typer.Option(help="An organ of the catalogue.")] = None,
    region: Annotated[str | None, typer.Option(help="A region of the catalogue.")] = None,
    corrected: Annotated[
        bool, typer.Option("--corrected", help="Only images with outlines that people drew or mended.")
    ] = False,
    key: Key = None,
    frames: Frames = 8,
    nothing_burned_in: Clean = False,
    licence: Licence = OWN,
    receive: Receive = RECEIVE,
) -> None:
    """Gather a local cohort from an archive or a PACS into an image folder, without anything that identifies.

    Outlines in segmentations that came back to the archive, drawn or mended by people, become masks; coded answers in
    reports that came back, verified or observed by a person, become labels.
    """
    taking = Taking(frames=frames, trusted=nothing_burned_in, licence=licence)
    with _told_in_words("stopped; give the same command again"):
        query = Query(
            since=_date(since), until=_date(until), device=device, organ=organ, region=region, corrected=corrected
        )
        fetching = _Fetching(out=out, since=query.since, until=query.until, receive=receive)
        folder = _fetched(archive, fetching)
        with _bar("cohort") as progress:
            gathered = gather(folder, query, out, open_pseudonyms(_key(key, out)), taking, progress)
        _show(
            {"split": gathered.by_split, "organ": gathered.by_organ, "left_out": gathered.left_out},
            ("split", "organ", "left_out"),
        )
        typer.echo(
            f"{gathered.pictures} pictures of {gathered.patients} patients in {out}; "
            f"{gathered.with_outlines} with outlines that people drew or mended, "
            f"{gathered.with_answers} with answers of people in reports"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetching:
    out: Path  # what is to be made; what is fetched lies beside it
    since: date | None
    until: date | None
    receive: str


def _fetched(word: str, how: _Fetching) -> Path:
    """A source as a folder; the images of a PACS are fetched first."""
    if not is_address(word):
        return Path(word)
    folder = folder_for(word, how.out)
    remote = remote_at(word, how.receive)
    with _bar("fetch") as progress:
        count = fetch(remote, folder, how.since, how.until, progress)
    typer.echo(f"{count} images of {remote.words} are in {folder}. They name patients: remove them when you are done.")
    return folder


def _key(key: Path | None, out: Path) -> Path:
    return key if key is not None else out.with_name(f"{out.name}.key")


def _date(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


@contextmanager
def _told_in_words(stopped: str) -> Iterator[None]:
    # pydicom puts values of attributes into its warnings and its log, and the others put UIDs into theirs.
    for name in ("pydicom", "pynetdicom", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except KeyboardInterrupt:
        typer.echo(stopped, err=True)
        raise typer.Exit(130) from None
    except TrainerError as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(1) from fault


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    with tqdm(desc=name, unit="file", dynamic_ncols=True, file=sys.stderr) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield progress


def _show(counts: dict[str, Any], names: tuple[str, ...]) -> None:
    table = Table("what", "which", "pictures")
    for name in names:
        for word, count in counts[name].items():
            table.add_row(name.removeprefix("by_").replace("_", " "), word, str(count))
    Console().print(table)
