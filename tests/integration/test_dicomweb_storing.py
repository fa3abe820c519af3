"""Bodies of STOW-RS: taken apart the same however they are cut, and what is no such body is told so."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from integration.dicomweb.storing import PartStart, StoreBody, Stored, StoreRequestError, UnsupportedMedia, answer

TYPE = 'multipart/related; type="application/dicom"; boundary=cut'


def file_of(number: int, comment: str = "") -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.ImageComments = UltrasoundImageStorage, f"1.2.{number}", comment
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def part(content: bytes, kind: str = "application/dicom") -> bytes:
    return b"--cut\r\nContent-Type: " + kind.encode() + b"\r\n\r\n" + content + b"\r\n"


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.files: list[tuple[PartStart, bytes]] = []
        self.refused: list[str] = []
        self._coming: tuple[PartStart, bytearray] | None = None

    def begin(self, start: PartStart) -> None:
        self._coming = (start, bytearray())

    def take(self, piece: memoryview) -> None:
        assert self._coming is not None
        self._coming[1].extend(piece)

    def end(self) -> None:
        assert self._coming is not None
        self.files.append((self._coming[0], bytes(self._coming[1])))
        self._coming = None

    def refuse(self, words: str) -> None:
        self.refused.append(words)


def taken(body: bytes, cuts: list[int] = [], content_type: str = TYPE) -> Kept:  # noqa: B006 - only read
    kept = Kept()
    reader = StoreBody(content_type, kept)
    at = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in pairwise(at):
        reader.feed(body[start:end])
    reader.finish()
    return kept


@given(st.lists(st.integers(0, 10_000), max_size=12), st.text(st.sampled_from("-cut\r\n"), max_size=40))
def test_body__cut_anywhere__gives_the_same_instances(cuts, comment):
    files = [file_of(1, comment), file_of(2)]
    body = part(files[0]) + part(b"no file") + part(files[1]) + b"--cut--\r\n"
    kept = taken(body, cuts)
    assert [start.sop_instance_uid for start, _ in kept.files] == ["1.2.1", "1.2.2"]
    assert all(whole.endswith(data) and len(data) > 20 for whole, (_, data) in zip(files, kept.files, strict=True))
    assert len(kept.refused) == 1


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_body__any_bytes__are_refused_and_nothing_comes_of_them(body, cuts):
    with pytest.raises(StoreRequestError):
        taken(body, cuts)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/dicom",
        "multipart/form-data; boundary=cut",
        'multipart/related; type="application/dicom+json"; boundary=cut',
    ],
)
def test_content_type__of_another_kind__is_unsupported(content_type):
    with pytest.raises(UnsupportedMedia):
        taken(b"", content_type=content_type)


def test_content_type__without_boundary__is_refused():
    with pytest.raises(StoreRequestError, match="boundary"):
        taken(b"", content_type='multipart/related; type="application/dicom"')


def test_part__of_another_kind__is_unsupported():
    with pytest.raises(UnsupportedMedia, match="json"):
        taken(part(b"{}", "application/dicom+json") + b"--cut--\r\n")


@pytest.mark.parametrize(
    "content", [b"", b"x" * 500, bytes(128) + b"DICM", file_of(1)[:150], bytes(128) + b"DICM" + b"\xff" * 400]
)
def test_part__that_is_no_file__is_told_and_the_next_one_is_taken(content):
    kept = taken(part(content) + part(file_of(2)) + b"--cut--\r\n")
    assert len(kept.refused) == 1
    assert [start.sop_instance_uid for start, _ in kept.files] == ["1.2.2"]


def test_body__without_its_end__is_refused():
    with pytest.raises(StoreRequestError, match="closing boundary"):
        taken(part(file_of(1)))


def test_answer__says_what_is_safe_and_what_failed_and_why():
    good = Stored(sop_class_uid=UltrasoundImageStorage, sop_instance_uid="1.2.1")
    bad = Stored(sop_class_uid=UltrasoundImageStorage, sop_instance_uid="1.2.2", reason=0xA700)
    assert [answer(outcomes)[0] for outcomes in ([good], [good, bad], [bad])] == [200, 202, 409]
    found = Dataset.from_json(answer([good, bad])[1])
    assert [item.ReferencedSOPInstanceUID for item in found.ReferencedSOPSequence] == ["1.2.1"]
    assert [(i.ReferencedSOPInstanceUID, i.FailureReason) for i in found.FailedSOPSequence] == [("1.2.2", 0xA700)]
