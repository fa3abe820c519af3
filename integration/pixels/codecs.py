"""One compressed frame to samples.

Each codec gives an array of shape (rows, columns) or (rows, columns, 3) and says whether its colours are still YBR.
What the stream's own header announces is compared with the instance's header before anything is decoded, so that a
small file cannot ask for a huge picture.

References
----------
DICOM PS3.5 8.2 and Annex A; ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from rle.utils import decode_pixel_data as decode_rle

from integration.pixels.errors import PixelError, UndecodableFrame, UnsupportedTransferSyntax
from integration.pixels.layout import Layout

Samples: TypeAlias = NDArray[np.integer[Any]]

_SOI = b"\xff\xd8"
_START_OF_FRAME = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
_APP0, _APP14, _START_OF_SCAN = 0xE0, 0xEE, 0xDA
_SIZ = b"\xff\x4f\xff\x51"  # a JPEG 2000 codestream starts with SOC, then SIZ
_COD = b"\xff\x52"


class Decoded(NamedTuple):
    """Samples of one frame, and the colour space they are in now."""

    samples: Samples
    ybr: bool


class StreamHead(NamedTuple):
    """What a JPEG or JPEG-LS stream says about itself."""

    rows: int
    columns: int
    components: tuple[int, ...]  # their identifiers
    subsampled: bool
    jfif: bool
    adobe: int | None  # colour transform of the Adobe marker


Codec: TypeAlias = Callable[[bytes, Layout], Decoded]


def read_stream_head(stream: bytes) -> StreamHead:
    """Read the markers of a JPEG or JPEG-LS stream up to its first scan.

    Raises
    ------
    ValueError
        It does not start as such a stream does, or ends before the scan.
    """
    if stream[:2] != _SOI:
        raise ValueError("the stream does not start with a JPEG marker")
    place, jfif, adobe = 2, False, None
    frame: tuple[int, int, tuple[int, ...], bool] | None = None
    while place + 4 <= len(stream):
        if stream[place] != 0xFF:
            raise ValueError("a JPEG marker is missing")
        marker = stream[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        size = int.from_bytes(stream[place + 2 : place + 4], "big")
        body = stream[place + 4 : place + 2 + size]
        if marker == _START_OF_SCAN:
            break
        if marker == _APP0 and body[:5] == b"JFIF\0":
            jfif = True
        elif marker == _APP14 and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
        elif marker in _START_OF_FRAME and len(body) >= 6:
            parts = [body[6 + 3 * n : 9 + 3 * n] for n in range(body[5])]
            factors = {part[1] for part in parts if len(part) == 3}
            ids = tuple(part[0] for part in parts if len(part) == 3)
            frame = (int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), ids, len(factors) > 1)
        place += 2 + size
    if frame is None:
        raise ValueError("the JPEG stream has no frame header")
    return StreamHead(*frame, jfif=jfif, adobe=adobe)


def stream_is_ybr(head: StreamHead, photometric: str) -> bool:
    """Whether a three-component JPEG stream holds YCbCr.

    The stream's own marks are believed first: senders are known to write RGB in the header over a YCbCr stream. A
    stream without marks is what the header says, unless its chroma is subsampled, which nobody does to green and blue.
    """
    if len(head.components) != 3:
        return False
    if head.adobe is not None:
        return head.adobe == 1
    if head.jfif:
        return True
    if head.components == (ord("R"), ord("G"), ord("B")):
        return False
    return head.subsampled or photometric.startswith("YBR")


def _jpeg(stream: bytes, layout: Layout) -> Decoded:
    head = read_stream_head(stream)
    _same_size(head.rows, head.columns, len(head.components), layout)
    if len(head.components) == 1:
        return Decoded(imagecodecs.jpeg8_decode(stream), ybr=False)
    space = "YCBCR" if stream_is_ybr(head, layout.photometric) else "RGB"
    return Decoded(imagecodecs.jpeg8_decode(stream, colorspace=space, outcolorspace="RGB"), ybr=False)


def _jpeg_lossless(stream: bytes, layout: Layout) -> Decoded:
    head = read_stream_head(stream)
    _same_size(head.rows, head.columns, len(head.components), layout)
    # Lossless streams are never transformed on the way: the header's colour space stands.
    return Decoded(imagecodecs.ljpeg_decode(stream), ybr=layout.photometric.startswith("YBR"))


def _jpeg_ls(stream: bytes, layout: Layout) -> Decoded:
    head = read_stream_head(stream)
    _same_size(head.rows, head.columns, len(head.components), layout)
    return Decoded(imagecodecs.jpegls_decode(stream), ybr=layout.photometric.startswith("YBR"))


def _jpeg_2000(stream: bytes, layout: Layout) -> Decoded:
    start = stream.find(_SIZ, 0, 4096)
    if start < 0:
        raise ValueError("no JPEG 2000 codestream was found")
    sizes = np.frombuffer(stream, ">u4", 4, start + 8)
    components = int.from_bytes(stream[start + 40 : start + 42], "big")
    _same_size(int(sizes[1] - sizes[3]), int(sizes[0] - sizes[2]), components, layout)
    coding = stream.find(_COD, start + 42, start + 8192)
    transformed = components == 3 and coding > 0 and stream[coding + 8] == 1
    samples = imagecodecs.jpeg2k_decode(stream, numthreads=1)
    return Decoded(samples, ybr=layout.photometric.startswith("YBR_FULL") and not transformed)


def _jpeg_xl(stream: bytes, layout: Layout) -> Decoded:
    shape = (layout.rows, layout.columns, 3)[: 2 if layout.samples == 1 else 3]
    # An array to fill makes the decoder refuse a picture of another size before it takes memory for one.
    out = np.empty(shape, np.uint16 if layout.bits_allocated > 8 else np.uint8)
    imagecodecs.jpegxl_decode(stream, numthreads=1, out=out)
    return Decoded(out, ybr=False)  # JPEG XL carries its colour space and decodes to RGB


def _rle(stream: bytes, layout: Layout) -> Decoded:
    raw = decode_rle(
        stream,
        version=2,
        rows=layout.rows,
        columns=layout.columns,
        samples_per_pixel=layout.samples,
        bits_allocated=layout.bits_allocated,
    )
    planes = np.frombuffer(raw, _kind(layout)).reshape(layout.samples, layout.rows, layout.columns)
    samples = planes[0] if layout.samples == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))
    return Decoded(samples, ybr=layout.photometric.startswith("YBR"))


def _deflated_frame(stream: bytes, layout: Layout) -> Decoded:
    raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream, layout.frame_bytes)
    samples = np.frombuffer(raw, _kind(layout))
    if layout.samples == 1:
        return Decoded(samples.reshape(layout.rows, layout.columns), ybr=False)
    if layout.planar:
        samples = samples.reshape(3, layout.rows, layout.columns).transpose(1, 2, 0)
    samples = samples.reshape(layout.rows, layout.columns, 3)
    return Decoded(samples, ybr=layout.photometric.startswith("YBR"))


def _kind(layout: Layout) -> str:
    return f"<u{layout.sample_bytes}"


def _same_size(rows: int, columns: int, components: int, layout: Layout) -> None:
    if (rows, columns, components) != (layout.rows, layout.columns, layout.samples):
        raise ValueError(
            f"it holds {columns} x {rows} pixels of {components} samples, the header announces "
            f"{layout.columns} x {layout.rows} of {layout.samples}"
        )


_CODECS: dict[str, Codec] = {
    "1.2.840.10008.1.2.4.50": _jpeg,
    "1.2.840.10008.1.2.4.51": _jpeg,
    "1.2.840.10008.1.2.4.57": _jpeg_lossless,
    "1.2.840.10008.1.2.4.70": _jpeg_lossless,
    "1.2.840.10008.1.2.4.80": _jpeg_ls,
    "1.2.840.10008.1.2.4.81": _jpeg_ls,
    "1.2.840.10008.1.2.4.90": _jpeg_2000,
    "1.2.840.10008.1.2.4.91": _jpeg_2000,
    "1.2.840.10008.1.2.4.201": _jpeg_2000,
    "1.2.840.10008.1.2.4.202": _jpeg_2000,
    "1.2.840.10008.1.2.4.203": _jpeg_2000,
    "1.2.840.10008.1.2.4.110": _jpeg_xl,
    "1.2.840.10008.1.2.4.111": _jpeg_xl,
    "1.2.840.10008.1.2.4.112": _jpeg_xl,
    "1.2.840.10008.1.2.5": _rle,
    "1.2.840.10008.1.2.8.1": _deflated_frame,
}


def codec_for(transfer_syntax: str) -> Codec:
    """The codec of an encapsulated transfer syntax.

    Raises
    ------
    UnsupportedTransferSyntax
    """
    codec = _CODECS.get(transfer_syntax)
    if codec is None:
        video = transfer_syntax.startswith("1.2.840.10008.1.2.4.10")
        kind = "a video stream (MPEG)" if video else "an unknown transfer syntax"
        raise UnsupportedTransferSyntax(
            f"the pixel data are in {kind}, {transfer_syntax}: have the sender use JPEG, RLE or no compression"
        )
    return codec


def decode_frame(codec: Codec, stream: bytes, layout: Layout, frame: int) -> Decoded:
    """Decode one frame.

    Raises
    ------
    UndecodableFrame
        The stream is damaged, or is not the picture that the header announces.
    """
    if not stream:
        raise UndecodableFrame(frame, "its fragment is empty; send the instance again")
    try:
        decoded = codec(stream, layout)
    except PixelError:
        raise
    except Exception as error:
        words = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise UndecodableFrame(frame, f"the compressed stream is damaged or wrong ({words[:120]})") from error
    wanted = (layout.rows, layout.columns) if layout.samples == 1 else (layout.rows, layout.columns, 3)
    if decoded.samples.shape != wanted:
        raise UndecodableFrame(frame, f"it decodes to {decoded.samples.shape}, the header announces {wanted}")
    return decoded
