"""Fetching images from a PACS by QIDO-RS and WADO-RS, one instance at a time and as it was stored.

On `dicomweb-client`. Who asks is told by `~/.netrc`, and whom to trust by `REQUESTS_CA_BUNDLE`: the requests library
reads both, and no password stands on a command line.

References
----------
DICOM PS3.18 10.4 (WADO-RS), 10.6 (QIDO-RS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import requests
from dicomweb_client import DICOMwebClient
from retrying import RetryError

from integration.retrieval import (
    FETCHED,
    MOST_MATCHES,
    ULTRASOUND,
    Fetched,
    Progress,
    RemoteSeries,
    RetrievalError,
    days,
    is_uid,
    keep,
    missing_of,
)

STUDY, SERIES, INSTANCE, MODALITY = "0020000D", "0020000E", "00080018", "00080060"
PAGE: Final = 200  # answers asked for at once
TIMEOUT_S: Final = (5.0, 120.0)  # to connect, and for the next bytes
ATTEMPTS: Final = 3
PAUSE_MS: Final = 250  # before the second attempt twice this, then twice as long each
AS_STORED: Final = (("application/dicom", "*"),)
# A refusal, a broken connection, an answer that is no DICOM.
_FAULTS: Final = (requests.RequestException, RetryError, ValueError, LookupError, OSError)


class DicomwebError(RetrievalError):
    """The server cannot be reached, refuses, or answers something else than DICOMweb has."""

    code: ClassVar[str] = "dicomweb"


class DicomwebPacs:
    """A PACS behind a DICOMweb root."""

    def __init__(self, url: str) -> None:
        """`url` is the root of its services, https://host/dicom-web for example; raises DicomwebError if it is none."""
        try:
            at = urlsplit(url)
            if at.username or at.password:
                raise DicomwebError(f"a password in the address of {at.hostname}: put it into ~/.netrc instead")
            self._words = f"{at.scheme}://{at.netloc}{at.path}"
            self._client = DICOMwebClient(url, timeout=TIMEOUT_S)
        except ValueError as fault:
            raise DicomwebError(
                f"{url} is no address of a DICOMweb server: it is like https://host/dicom-web"
            ) from fault
        self._client.set_http_retry_params(max_attempts=ATTEMPTS, wait_exponential_multiplier=PAUSE_MS)

    @property
    def words(self) -> str:
        return self._words

    def series(self, since: date | None, until: date | None) -> list[RemoteSeries]:
        """Series of ultrasound studies of these days, both inclusive.

        Raises
        ------
        DicomwebError
            The server cannot be asked, or has more than can be listed.
        """
        wanted = {"ModalitiesInStudy": ULTRASOUND}
        if span := days(since, until):
            wanted["StudyDate"] = span
        try:
            return [
                RemoteSeries(study=study, series=series, instances=instances)
                for study in self._uids(STUDY, self._client.search_for_studies, search_filters=wanted)
                for series in self._ultrasound(study)
                if (instances := tuple(self._uids(INSTANCE, self._client.search_for_instances, study, series)))
            ]
        except _FAULTS as fault:
            raise DicomwebError(f"{self._words} cannot be searched: {_said(fault)}") from fault

    def fetch(self, series: RemoteSeries, folder: Path, came: Progress) -> Fetched:
        """Fetch what of a series is not in the folder yet; one instance is in memory at a time.

        Raises
        ------
        DicomwebError
            The disk is full, or the server is gone: the rest would not come either.
        """
        missing, reason = missing_of(series, folder), ""
        done = 0
        for uid in missing:
            try:
                content = self._stored(series, uid)
            except (requests.ConnectionError, requests.Timeout) as fault:
                raise DicomwebError(f"{self._words} is gone: {_said(fault)}") from fault
            except _FAULTS as fault:
                reason = f"{self._words} did not give an image: {_said(fault)}"
                continue
            try:
                keep(folder, uid, content)
            except OSError as fault:
                raise DicomwebError(f"a file cannot be written in {folder}: {fault.strerror}") from fault
            done += 1
            came()
        return Fetched(came=done, missing=len(missing) - done, reason=reason)

    def _stored(self, series: RemoteSeries, uid: str) -> bytes:
        ds = self._client.retrieve_instance(series.study, series.series, uid, media_types=AS_STORED)
        if str(ds.SOPInstanceUID) != uid:
            raise ValueError("it is another one than was asked for")
        content = BytesIO()
        ds.save_as(content)
        return content.getvalue()

    def _ultrasound(self, study: str) -> list[str]:
        found = self._pages(self._client.search_for_series, study, fields=["Modality"])
        return sorted({_value(each, SERIES) for each in found if _value(each, MODALITY) in FETCHED} - {""})

    def _uids(self, tag: str, ask: Callable[..., Any], *inside: str, **more: Any) -> list[str]:  # noqa: ANN401 - the client's own arguments, passed on
        return sorted({_value(each, tag) for each in self._pages(ask, *inside, **more)} - {""})

    def _pages(self, ask: Callable[..., Any], *inside: str, **more: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - as above
        """All answers; a server that does not know `offset` gives the first page again, which ends it too."""
        seen: list[dict[str, Any]] = []
        while True:
            page = ask(*inside, limit=PAGE, offset=len(seen), **more)
            if not page or (seen and page[0] == seen[0]):
                return
            seen += page
            yield from page
            if len(seen) > MOST_MATCHES:
                raise ValueError(f"it has more than {MOST_MATCHES} answers: ask for fewer days")


def _value(found: dict[str, Any], tag: str) -> str:
    """The first value of an element of DICOM JSON; of UIDs only such as may name a file, else nothing."""
    word = str((found.get(tag, {}).get("Value") or [""])[0])
    return word if tag == MODALITY or is_uid(word) else ""


def _said(fault: Exception) -> str:
    """Without the address that was asked, which holds the UIDs of a patient's images."""
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        return f"HTTP status {fault.response.status_code}"
    if isinstance(fault, RetryError):
        return f"no answer of use in {ATTEMPTS} attempts"
    return str(fault) if type(fault) is ValueError else type(fault).__name__
