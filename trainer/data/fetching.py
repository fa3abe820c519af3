"""A PACS as a source: its ultrasound studies fetched into a folder of DICOM files, which shards are made of.

The files are as the PACS has them, patients and all, so the folder lies beside what is made and not in it, and is for
this user alone. Fetching goes on where it was stopped: what is there is not asked for again.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from integration.dicomweb import DicomwebPacs
from integration.dimse import Peer
from integration.dimse.receiving import Receiving
from integration.dimse.retrieve import DimsePacs
from integration.retrieval import MOST_MATCHES, Remote, RemoteSeries, RetrievalError, Wanted, days
from integration.web import Login, Server
from trainer.data.errors import BadAddress, HalfFetched
from trainer.data.keeping import FolderKeeper, path_of
from trainer.errors import MissingData

ANSWER_S: Final = 120.0  # to wait for a DICOMweb server
ULTRASOUND: Final = "US"  # in a study that is looked into
FETCHED: Final = frozenset({"US", "IVUS", "SEG"})  # modalities: images, and outlines that people drew on them
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
        return _dicomweb(address)
    there, here = _DIMSE.fullmatch(address), _RECEIVING.fullmatch(receiving)
    if there is None:
        raise BadAddress("the address of a PACS is https://HOST/dicom-web or dimse://AE@HOST:PORT")
    if here is None:
        raise BadAddress(f"--receive is AE@ADDRESS:PORT, not {receiving}")
    peer = Peer(ae_title=there["ae"], host=there["host"], port=int(there["port"]), calling_ae=here["ae"])
    return DimsePacs(peer, Receiving(ae_title=here["ae"], bind=here["bind"], port=int(here["port"])))


def _dicomweb(address: str) -> Remote:
    """Who asks is told by `~/.netrc`, and whom to trust by `REQUESTS_CA_BUNDLE`: no password on a command line."""
    try:
        at = urlsplit(address)
        _ = at.port  # raises where it is no port
    except ValueError as fault:
        raise BadAddress("that is no address of a DICOMweb server: it is like https://host/dicom-web") from fault
    if at.username or at.password:
        raise BadAddress(f"a password in the address of {at.hostname}: put it into ~/.netrc instead")
    if not at.hostname:
        raise BadAddress("the address of a DICOMweb server is like https://host/dicom-web")
    trusted = os.environ.get("REQUESTS_CA_BUNDLE")
    server = Server(url=address, ca=Path(trusted) if trusted else None, response_timeout_s=ANSWER_S)
    try:
        return DicomwebPacs(server, _login(at.hostname))
    except RetrievalError as fault:
        raise BadAddress(str(fault)) from fault


def _login(host: str) -> Login | None:
    try:
        found = netrc().authenticators(host)
    except FileNotFoundError:
        return None
    except (OSError, NetrcParseError) as fault:
        raise BadAddress(f"~/.netrc cannot be read ({type(fault).__name__})") from fault
    return None if found is None else Login(user=found[0], secret=found[2])


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
        wanted = _listed(remote, since, until)
    except RetrievalError as fault:
        raise MissingData(str(fault)) from fault
    if not wanted:
        raise MissingData(f"{remote.words} has no ultrasound study of these days")
    of = sum(len(series.instances) for series in wanted)
    there, reasons = 0, Counter[str]()

    def came() -> None:
        nonlocal there
        there += 1
        progress(there, of)

    for series in wanted:
        inside = folder / series.study / series.uid
        _make(inside)
        missing = _missing(series, inside)
        there += len(series.instances) - len(missing)
        progress(there, of)
        keeper = FolderKeeper(inside, missing, came)
        try:
            reason = remote.fetch(series, missing, keeper, lambda count: None) if missing else ""
        except RetrievalError as fault:
            raise HalfFetched(_half(there, of, remote, folder, str(fault))) from fault
        if left := len(_missing(series, inside)):
            reasons[keeper.refused or reason or f"{remote.words} says that it sent all, but not all came"] += left
    if reasons:
        why = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
        raise HalfFetched(_half(there, of, remote, folder, why))
    return of


def _listed(remote: Remote, since: date | None, until: date | None) -> list[RemoteSeries]:
    keys = {"StudyDate": days(since, until), "ModalitiesInStudy": ULTRASOUND}
    wanted = Wanted(study=keys, modalities=FETCHED)
    found = [series for study in remote.studies(wanted, MOST_MATCHES) for series in remote.series(study.uid, wanted)]
    return [series for series in found if series.instances]


def _missing(series: RemoteSeries, folder: Path) -> frozenset[str]:
    return frozenset(each.uid for each in series.instances if not path_of(folder, each.uid).is_file())


def _make(folder: Path) -> None:
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            part.mkdir(mode=0o700)


def _half(there: int, of: int, remote: Remote, folder: Path, why: str) -> str:
    return (
        f"{there} of {of} images of {remote.words} are in {folder}; the others did not come ({why}). The same command "
        "fetches what is missing; to go on without it, give that folder as the source"
    )
