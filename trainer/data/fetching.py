"""A PACS as a source: its ultrasound studies fetched into a folder of DICOM files, which shards are made of.

The files are as the PACS has them, patients and all, so the folder lies beside what is made and not in it, and is for
this user alone. Fetching goes on where it was stopped: what is there is not asked for again.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Final

from integration.dicomweb import DicomwebPacs
from integration.dimse import Peer
from integration.dimse.retrieve import DimsePacs, Receiving
from integration.retrieval import Remote, RetrievalError
from trainer.data.errors import BadAddress, HalfFetched
from trainer.errors import MissingData

_DIMSE: Final = re.compile(r"dimse://(?P<ae>[^@\s]{1,16})@(?P<host>[^:\s]+):(?P<port>\d{1,5})")
_RECEIVING: Final = re.compile(r"(?P<ae>[^@\s]{1,16})@(?P<bind>[^:\s]+):(?P<port>\d{1,5})")


def is_address(word: str) -> bool:
    """Whether a source is a PACS, not a folder."""
    return "://" in word


def remote_at(address: str, receiving: str) -> Remote:
    """The PACS at an address.

    Parameters
    ----------
    address
        https://HOST/dicom-web for DICOMweb, dimse://AE@HOST:PORT for C-MOVE.
    receiving
        AE@ADDRESS:PORT where C-MOVE sends to.

    Raises
    ------
    BadAddress
    """
    if address.startswith(("http://", "https://")):
        try:
            return DicomwebPacs(address)
        except RetrievalError as fault:
            raise BadAddress(str(fault)) from fault
    there, here = _DIMSE.fullmatch(address), _RECEIVING.fullmatch(receiving)
    if there is None:
        raise BadAddress("the address of a PACS is https://HOST/dicom-web or dimse://AE@HOST:PORT")
    if here is None:
        raise BadAddress(f"--receive is AE@ADDRESS:PORT, not {receiving}")
    peer = Peer(ae_title=there["ae"], host=there["host"], port=int(there["port"]), calling_ae=here["ae"])
    return DimsePacs(peer, Receiving(ae_title=here["ae"], bind=here["bind"], port=int(here["port"])))


def folder_for(address: str, out: Path) -> Path:
    """Where the files of a PACS lie: beside what is made of them, the same for the same address."""
    return out.with_name(f"{out.name}.fetched") / hashlib.sha256(address.encode()).hexdigest()[:12]


def fetch(
    remote: Remote,
    folder: Path,
    since: date | None,
    until: date | None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Fetch the ultrasound studies of some days, both inclusive; how many images lie in the folder for them.

    A series that does not come leaves the others to come.

    Raises
    ------
    MissingData
        The PACS cannot be asked, or has no ultrasound study of these days.
    HalfFetched
        Something did not come; what did is kept.
    """
    try:
        wanted = remote.series(since, until)
    except RetrievalError as fault:
        raise MissingData(str(fault)) from fault
    if not wanted:
        raise MissingData(f"{remote.words} has no ultrasound study of these days")
    of = sum(len(series.instances) for series in wanted)
    there, missing, reasons = 0, 0, Counter[str]()

    def came() -> None:
        nonlocal there
        there += 1
        progress(there, of)

    for series in wanted:
        inside = folder / series.study / series.series
        _make(inside)
        before = there
        try:
            got = remote.fetch(series, inside, came)
        except RetrievalError as fault:
            raise HalfFetched(_half(there, of, remote, folder, str(fault))) from fault
        there = before + len(series.instances) - got.missing  # with those that were there before
        progress(there, of)
        missing += got.missing
        if got.missing:
            reasons[got.reason] += got.missing
    if missing:
        why = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
        raise HalfFetched(_half(there, of, remote, folder, why))
    return of


def _make(folder: Path) -> None:
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            part.mkdir(mode=0o700)


def _half(there: int, of: int, remote: Remote, folder: Path, why: str) -> str:
    return (
        f"{there} of {of} images of {remote.words} are in {folder}; the others did not come ({why}). The same command "
        "fetches what is missing; to go on without it, give that folder as the source"
    )
