"""How the pixels of an instance are stored, read once from its header and checked.

References
----------
DICOM PS3.3 C.7.6.3 (Image Pixel Module), PS3.5 8.1 and 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from integration.pixels.errors import BadHeader, UnsupportedPhotometric, ZeroFrames

if TYPE_CHECKING:
    from pydicom import Dataset

MONOCHROME = frozenset({"MONOCHROME1", "MONOCHROME2"})
YBR = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_RCT", "YBR_ICT"})
SUBSAMPLED = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})  # two chroma samples for two pixels when uncompressed
KNOWN = MONOCHROME | YBR | {"RGB", "PALETTE COLOR"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The Image Pixel Module, checked."""

    rows: int
    columns: int
    frames: int
    samples: int  # 1 or 3
    photometric: str
    planar: bool  # three planes, not pixel by pixel
    bits_allocated: int  # 8, 16 or 32
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def pixels(self) -> int:
        return self.rows * self.columns

    @property
    def sample_bytes(self) -> int:
        return self.bits_allocated // 8

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame with all its samples."""
        return self.pixels * self.samples * self.sample_bytes


def read_layout(ds: Dataset) -> Layout:
    """Read and check the attributes that describe the pixels.

    Raises
    ------
    BadHeader, ZeroFrames, UnsupportedPhotometric
    """
    frames = _integer(ds, "NumberOfFrames", 1)
    if frames < 1:
        raise ZeroFrames(f"NumberOfFrames (0028,0008) is {frames}: the instance shows nothing; send it again whole")
    rows, columns = _integer(ds, "Rows", 0), _integer(ds, "Columns", 0)
    if rows < 1 or columns < 1:
        raise BadHeader("Rows (0028,0010) or Columns (0028,0011) is missing or 0: the size of a frame is unknown")
    photometric = str(ds.get("PhotometricInterpretation", "") or "").strip().upper()
    samples = _integer(ds, "SamplesPerPixel", 1)
    _check_colour(photometric, samples)
    allocated = _integer(ds, "BitsAllocated", 8)
    if allocated not in (8, 16, 32):
        raise UnsupportedPhotometric(f"BitsAllocated (0028,0100) is {allocated}; 8, 16 and 32 are known")
    if samples == 3 and allocated == 32:
        raise UnsupportedPhotometric("colour samples of 32 bits are not known; 8 and 16 are")
    stored = _integer(ds, "BitsStored", allocated)
    high_bit = _integer(ds, "HighBit", stored - 1)
    if not 1 <= stored <= allocated or not stored - 1 <= high_bit < allocated:
        raise BadHeader(
            f"BitsStored {stored} and HighBit {high_bit} do not fit into BitsAllocated {allocated} (0028,0100-0102)"
        )
    return Layout(
        rows=rows,
        columns=columns,
        frames=frames,
        samples=samples,
        photometric=photometric,
        planar=samples == 3 and _integer(ds, "PlanarConfiguration", 0) == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit,
        signed=_integer(ds, "PixelRepresentation", 0) == 1,
    )


def _check_colour(photometric: str, samples: int) -> None:
    if photometric not in KNOWN:
        named = photometric if photometric.replace("_", "").replace(" ", "").isalnum() else "missing or unreadable"
        raise UnsupportedPhotometric(
            f"PhotometricInterpretation (0028,0004) is {named[:16]}; known are {', '.join(sorted(KNOWN))}"
        )
    wanted = 3 if photometric == "RGB" or photometric in YBR else 1
    if samples != wanted:
        raise BadHeader(
            f"SamplesPerPixel (0028,0002) is {samples}, but PhotometricInterpretation {photometric} has {wanted}"
        )


def _integer(ds: Dataset, keyword: str, default: int) -> int:
    try:
        value = ds.get(keyword)
        return default if value is None or value == "" else int(value)
    except Exception as error:
        raise BadHeader(f"{keyword} cannot be read as a whole number") from error
