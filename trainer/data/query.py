"""Which images of an archive belong to a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from trainer.catalogue.headers import shown_by
from trainer.catalogue.hierarchy import organ_named, region_named
from trainer.data.dicom_folder import device_of

if TYPE_CHECKING:
    from pydicom import Dataset

DATES: Final = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for; what is None is not asked. An image whose header does not answer is not taken."""

    since: date | None = None  # day of the examination, inclusive
    until: date | None = None  # inclusive
    device: str | None = None  # part of maker, model, station name or sending AE, whatever its case
    organ: str | None = None  # an organ of the catalogue
    region: str | None = None  # a region of the catalogue
    corrected: bool = False  # only images on which somebody outlined something; not answered by a header

    def __post_init__(self) -> None:
        """Check the words against the catalogue.

        Raises
        ------
        NotInCatalogue
        """
        if self.organ is not None:
            organ_named(self.organ)
        if self.region is not None:
            region_named(self.region)

    def wants(self, header: Dataset) -> bool:
        """Whether an image is one of them, by its header."""
        return self._in_time(header) and self._by_device(header) and self._of_body_part(header)

    def _in_time(self, header: Dataset) -> bool:
        if self.since is None and self.until is None:
            return True
        day = _day(header)
        if day is None:
            return False
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def _by_device(self, header: Dataset) -> bool:
        if self.device is None:
            return True
        sender = getattr(header, "file_meta", {}).get("SourceApplicationEntityTitle", "")
        words = (device_of(header), header.get("StationName", ""), sender)
        return any(self.device.casefold() in str(word or "").casefold() for word in words)

    def _of_body_part(self, header: Dataset) -> bool:
        if self.organ is None and self.region is None:
            return True
        shown = shown_by(header)
        return self.organ in (None, shown.organ) and self.region in (None, shown.region)


def _day(header: Dataset) -> date | None:
    """The first day that the header says and that can be read."""
    for keyword in DATES:
        try:
            return date.fromisoformat(str(header.get(keyword, "") or "").strip().replace(".", ""))
        except ValueError:
            continue
    return None
