from __future__ import annotations

import hashlib
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence, dcmread

from node.archive import Archive, StoredFile, Unfileable
from node.archive.beginning import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from node.archive.filing import HeaderFault, describe
from node.archive.receipt import Receipt
from tests.data import real_data
from tests.node.archive.samples import data_set_bytes, encoded, meta_of, still


def received(archive: Archive, body: bytes, ds: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> Path:
    receipt: Receipt = archive.begin(meta_of(ds, transfer_syntax))
    receipt.write(body)
    return receipt.commit()


def filed(archive: Archive, ds: Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> StoredFile:
    return archive.file_away(received(archive, encoded(ds, transfer_syntax), ds, transfer_syntax))


@pytest.mark.parametrize("transfer_syntax", [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_filing__native_transfer_syntaxes__say_what_they_are(tmp_path: Path, transfer_syntax: str) -> None:
    archive = Archive(tmp_path / "archive")
    ds = still("1.2.3.4", study="1.2.3")
    body = encoded(ds, transfer_syntax)
    path = received(archive, body, ds, transfer_syntax)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found = archive.file_away(path)
    assert (found.sop_instance_uid, found.study_instance_uid, found.series_instance_uid) == (
        "1.2.3.4", "1.2.3", "1.2.3.1",
    )  # fmt: skip
    assert found.sha256 == hashlib.sha256(body).hexdigest()
    assert found.bytes == len(body)
    assert found.transfer_syntax_uid == transfer_syntax
    assert (found.calling_ae, found.called_ae) == ("US1", "ECHOCARE")
    assert found.received_at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert found.header.Modality == "US"
    assert "PixelData" not in found.header
    assert found.fault is None
    assert data_set_bytes(found.path) == body
    assert found.path.name == f"1.2.3.4-{found.sha256[:12]}.dcm"
    assert list(archive.incoming()) == []
    assert list(archive.stored()) == [found.path]


def test_filing__deflated__is_read_and_kept_as_it_came(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflater.compress(encoded(still())) + deflater.flush()
    found = archive.file_away(received(archive, body, still(), DEFLATED))
    assert found.header.Modality == "US"
    assert data_set_bytes(found.path) == body


def test_filing__deflated_bomb__is_read_within_its_limit(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    ds = still()
    ds.add_new(0x00091001, "OB", bytes(200 * 2**20))
    ds.add_new(0x00090010, "LO", "TEST")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = deflater.compress(encoded(ds)) + deflater.flush()
    with pytest.raises(Unfileable):
        archive.file_away(received(archive, body, ds, DEFLATED))


def test_filing__same_data_set_again__one_file(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    first, second = filed(archive, still()), filed(archive, still())
    assert second.path == first.path
    assert (first.already_there, second.already_there) == (False, True)
    assert list(archive.stored()) == [first.path]
    assert list(archive.incoming()) == []


def test_filing__same_uid_other_bytes__both_are_kept(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    first, second = filed(archive, still()), filed(archive, still(PatientID="PHANTOM-OTHER"))
    assert first.path != second.path
    assert len(list(archive.stored())) == 2


def test_filing__place_taken_by_other_bytes__gets_the_whole_digest_as_name(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    first = filed(archive, still())
    first.path.write_bytes(first.path.read_bytes() + b"\0\0")  # as if another data set had the same short digest
    second = filed(archive, still())
    assert second.path.name == f"1.2.3.4-{second.sha256}.dcm"


@pytest.mark.parametrize("step", ["mkdir", "rename", "link", "fsync", "unlink"])
@pytest.mark.parametrize("keep", [False, True])
def test_filing__killed_at_any_step__repeating_ends_with_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, keep: bool
) -> None:
    archive = Archive(tmp_path / "archive")
    path = received(archive, encoded(still()), still())

    class Killed(BaseException):
        pass

    def kill(*args: object, **kwargs: object) -> None:
        raise Killed

    monkeypatch.setattr(os, step, kill)
    try:
        archive.file_away(path, keep=keep)
        archive.forget(path)
    except Killed:
        pass
    monkeypatch.undo()
    for left in archive.incoming():
        archive.file_away(left, keep=keep)
        archive.forget(left)
    (only,) = archive.stored()
    assert data_set_bytes(only) == encoded(still())
    assert list(archive.incoming()) == []


def test_forget__many_of_one_study__syncs_their_folder_once_and_before_the_first_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "archive")
    paths = [received(archive, encoded(still(f"1.2.3.{n}")), still(f"1.2.3.{n}")) for n in range(10)]
    for path in paths:
        archive.file_away(path, keep=True)
    left_at_sync: list[int] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        left_at_sync.append(len(list(archive.incoming())))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    for path in paths:
        archive.forget(path)
    assert left_at_sync == [10]
    assert list(archive.incoming()) == []
    assert len(list(archive.stored())) == 10


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", [None, "", "../../etc", "1.2.x", "1" * 65])
def test_filing__no_usable_uid__goes_to_quarantine_with_the_reason(
    tmp_path: Path, keyword: str, value: str | None
) -> None:
    archive = Archive(tmp_path / "archive")
    ds = still()
    delattr(ds, keyword)
    if value is not None:
        ds.add_new(keyword, "LO", value)
        ds[keyword].VR = "LO"
    path = received(archive, encoded(ds), ds)
    with pytest.raises(Unfileable, match=keyword):
        archive.file_away(path)
    quarantine = tmp_path / "archive" / "quarantine"
    assert data_set_bytes(quarantine / path.name) == encoded(ds)
    assert keyword in (quarantine / f"{path.stem}.reason.txt").read_text()
    assert list(archive.incoming()) == []
    assert list(archive.stored()) == []


def test_filing__garbage_after_the_series__is_filed_and_says_so(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    ds = still()
    body = encoded(ds)
    end = body.index(b"1.2.3.1") + 8
    item = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    found = archive.file_away(received(archive, body[:end] + b"\x20\x00\x10\x50" + item[4:] * 2000, ds))
    assert found.study_instance_uid == "1.2.3"
    assert found.fault is not None


def test_filing__truncated_pixels__is_filed(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    found = archive.file_away(received(archive, encoded(still())[:-100], still()))
    assert found.fault is None


def test_filing__not_dicom__goes_to_quarantine(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    path = tmp_path / "archive" / "incoming" / "odd.dcm"
    path.write_bytes(b"not at all")
    with pytest.raises(Unfileable, match="DICM"):
        archive.file_away(path)
    assert (tmp_path / "archive" / "quarantine" / "odd.dcm").exists()


def test_filing__long_values__stay_out_of_the_header(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    found = filed(archive, still(EncapsulatedDocument=bytes(2**20)))
    assert "EncapsulatedDocument" not in found.header


def test_filing__odd_uid__does_not_print_it(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    archive = Archive(tmp_path / "archive")
    path = received(archive, encoded(still()).replace(b"1.2.3.4", b"1.02.34"), still())
    recwarn.clear()
    caplog.clear()
    assert archive.file_away(path).sop_instance_uid == "1.02.34"
    assert not recwarn.list
    assert "1.02" not in caplog.text


def nested(depth: int) -> Dataset:
    ds = still()
    inner = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedSeriesSequence = Sequence([inner])
        inner = outer
    ds.ReferencedSeriesSequence = Sequence([inner])
    return ds


@settings(max_examples=200, deadline=None)
@given(
    cut=st.integers(0, 400), noise=st.binary(max_size=200), transfer_syntax=st.sampled_from(["1.2.3", EXPLICIT_LITTLE])
)
def test_describe__any_bytes__give_facts_or_a_typed_fault(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes, transfer_syntax: str
) -> None:
    path = tmp_path_factory.mktemp("noise") / "file.dcm"
    ds = nested(3)
    path.write_bytes(meta_of(ds, transfer_syntax).encode() + encoded(ds)[:cut] + noise)
    try:
        found = describe(path)
    except HeaderFault as fault:
        assert str(fault)
    else:
        assert found.study_instance_uid


@pytest.mark.data
def test_filing__every_real_file__is_filed_with_what_pydicom_reads(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    files = sorted(real_data("dicom_us").glob("*.dcm"))
    for file in files:
        ds = dcmread(file, stop_before_pixels=True)
        body = _body(file)
        found = archive.file_away(received(archive, body, ds, ds.file_meta.TransferSyntaxUID))
        assert found.study_instance_uid == str(ds.StudyInstanceUID)
        assert found.header.Modality == ds.Modality
        assert data_set_bytes(found.path) == body
    assert len(list(archive.stored())) == len(files)


def _body(file: Path) -> bytes:
    """The data set's bytes; one of the files has a wrong group length, so that is not relied on."""
    content = file.read_bytes()
    at = 132
    while content[at : at + 2] == b"\x02\x00":
        is_long = content[at + 4 : at + 6] in (b"OB", b"UN", b"UT")
        length = int.from_bytes(content[at + 8 : at + 12] if is_long else content[at + 6 : at + 8], "little")
        at += (12 if is_long else 8) + length
    return content[at:]
