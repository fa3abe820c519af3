"""Sending objects to real and to misbehaving peers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.pixels import iter_pixels
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless

from integration.dimse import (
    AssociationAborted,
    AssociationRejected,
    ContextRefused,
    Peer,
    PeerTimeout,
    PeerUnreachable,
    StoreRefused,
    Unsendable,
    echo,
    read_sendable,
    store,
)
from integration.phantom import (
    Encoding,
    Identity,
    Look,
    SampleOptions,
    fetal_head_cine,
    sample_study,
    write_cine,
)
from tests.data import real_data
from tests.integration.dimse.conftest import free_port, scripted_scp, write_object
from tests.peers.orthanc import orthanc

StartScp = Callable[..., tuple[Peer, Path]]


def data_set_bytes(path: Path) -> bytes:
    return path.read_bytes()[read_sendable(path).offset :]


def test_echo__peer_is_there__returns(storescp: StartScp) -> None:
    peer, _ = storescp()
    echo(peer)


def test_echo__nobody_listens__says_where() -> None:
    peer = Peer(ae_title="PEER", host="127.0.0.1", port=free_port())
    with pytest.raises(PeerUnreachable, match=f"PEER at 127.0.0.1:{peer.port}") as caught:
        echo(peer)
    assert caught.value.retryable


def test_store__small_and_large_object__peer_has_the_same_bytes(storescp: StartScp, tmp_path: Path) -> None:
    peer, folder = storescp("--bit-preserving", "+xa")
    paths = [write_object(tmp_path / "small.dcm"), write_object(tmp_path / "large.dcm", megabytes=9)]
    outcomes = list(store(paths, peer))
    assert [(outcome.path, outcome.accepted, outcome.status) for outcome in outcomes] == [(p, True, 0) for p in paths]
    kept = {read_sendable(path).sop_instance_uid: data_set_bytes(path) for path in folder.iterdir()}
    assert kept == {read_sendable(path).sop_instance_uid: data_set_bytes(path) for path in paths}


@pytest.mark.data
def test_store__every_transfer_syntax_of_the_real_set__arrives_as_it_lies(storescp: StartScp) -> None:
    peer, folder = storescp("--bit-preserving", "+xa")
    paths = sorted(real_data("dicom_us").rglob("*.dcm"))
    outcomes = {outcome.path: outcome for outcome in store(paths, peer)}
    # storescp does not know JPEG XL, and one file is cut off in its pixels; both are named, and the rest goes on.
    left = {path.name: type(outcome.error) for path, outcome in outcomes.items() if not outcome.accepted}
    assert left == {"will-jxl.dcm": ContextRefused, "GH364.dcm": Unsendable}
    accepted = [path for path, outcome in outcomes.items() if outcome.accepted]
    kept = {data_set_bytes(path) for path in folder.iterdir()}
    # Some files share a SOP Instance UID, and the peer keeps one of each kind.
    assert kept <= {data_set_bytes(path) for path in accepted}
    assert len(kept) >= len({read_sendable(path).sop_instance_uid for path in accepted})


def test_store__peer_takes_implicit_only__object_is_re_encoded(storescp: StartScp, tmp_path: Path) -> None:
    peer, folder = storescp("+xi")
    path = write_object(tmp_path / "explicit.dcm")
    (outcome,) = store([path], peer)
    assert outcome.accepted
    (kept,) = folder.iterdir()
    assert read_sendable(kept).transfer_syntax == ImplicitVRLittleEndian
    assert dcmread(kept).PixelData == dcmread(path).PixelData


def test_store__peer_takes_no_jpeg__clip_is_decompressed(storescp: StartScp, tmp_path: Path) -> None:
    peer, folder = storescp("+xi")
    scenes = fetal_head_cine(3, 4, 301, 401, look=Look(colour=True))
    clip = write_cine(scenes, tmp_path / "clip.dcm", Identity(study="jpeg"), encoding=Encoding.JPEG)
    (outcome,) = store([clip], peer)
    assert outcome.accepted
    (kept,) = folder.iterdir()
    received = dcmread(kept)
    assert received.PhotometricInterpretation == "RGB"
    assert received.LossyImageCompression == "01"
    assert np.array_equal(received.pixel_array, np.stack(list(iter_pixels(clip))))


def test_store__real_orthanc__gives_back_what_was_sent(tmp_path: Path) -> None:
    study = sample_study(tmp_path / "sent", options=SampleOptions(rows=300, columns=400, frames=3))
    with orthanc(tmp_path / "orthanc") as pacs:
        peer = Peer(ae_title="ORTHANC", host="127.0.0.1", port=pacs.dicom_port)
        echo(peer)
        for _ in range(2):  # the second time changes nothing
            outcomes = list(store(study.files, peer))
            assert [outcome.error for outcome in outcomes] == [None, None, None]
        assert pacs.total() == 3
        for path in study.files:
            sent = dcmread(path)
            kept = pacs.retrieve(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
            assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
            assert kept.PixelData == sent.PixelData


def test_store__context_refused__only_that_object_fails(storescp: StartScp, tmp_path: Path) -> None:
    peer, folder = storescp("+xi")
    refused = write_object(tmp_path / "refused.dcm", transfer_syntax=JPEG2000Lossless)
    fine = write_object(tmp_path / "fine.dcm")
    outcomes = {outcome.path: outcome for outcome in store([refused, fine], peer)}
    assert isinstance(outcomes[refused].error, ContextRefused)
    assert outcomes[refused].error.retryable
    assert outcomes[fine].accepted
    assert len(list(folder.iterdir())) == 1


def test_store__peer_aborts_at_one_object__the_others_arrive(tmp_path: Path) -> None:
    seen: list[str] = []
    paths = [write_object(tmp_path / f"{number}.dcm", megabytes=1) for number in range(3)]
    bad = read_sendable(paths[1]).sop_instance_uid

    def c_store(event: object) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)  # type: ignore[attr-defined]
        if uid == bad:
            event.assoc.abort()  # type: ignore[attr-defined]
        seen.append(uid)
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        outcomes = {outcome.path: outcome for outcome in store(paths, peer)}
    assert [outcomes[path].accepted for path in paths] == [True, False, True]
    error = outcomes[paths[1]].error
    assert isinstance(error, AssociationAborted)
    assert error.retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(0xA700, True), (0xA900, False), (0xC123, False), (0x0110, True), (0x0122, False), (0x0124, True)],
)
def test_store__failure_status__says_whether_again_can_help(status: int, retryable: bool, tmp_path: Path) -> None:
    answer = Dataset()
    answer.Status = status
    answer.ErrorComment = "no room on the shelf"
    with scripted_scp(c_store=lambda event: answer) as peer:
        (outcome,) = store([write_object(tmp_path / "a.dcm")], peer)
    assert isinstance(outcome.error, StoreRefused)
    assert outcome.status == outcome.error.status == status
    assert outcome.error.retryable is retryable
    assert "no room on the shelf" in str(outcome.error)


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0111])
def test_store__warning_or_there_already__accepted_with_a_note(status: int, tmp_path: Path) -> None:
    with scripted_scp(c_store=lambda event: status) as peer:
        (outcome,) = store([write_object(tmp_path / "a.dcm")], peer)
    assert outcome.accepted
    assert outcome.status == status
    assert outcome.note is not None
    assert f"0x{status:04X}" in outcome.note


def test_store__no_answer_in_time__times_out_and_may_be_retried(tmp_path: Path) -> None:
    release = threading.Event()

    def c_store(event: object) -> int:
        release.wait(30)
        return 0x0000

    with scripted_scp(c_store=c_store) as peer:
        (outcome,) = store([write_object(tmp_path / "a.dcm")], replace(peer, response_timeout_s=0.3))
        release.set()
    assert isinstance(outcome.error, PeerTimeout)
    assert outcome.error.retryable


def test_store__called_ae_unknown__rejection_in_words(tmp_path: Path) -> None:
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

    ae = AE(ae_title="PEER")
    ae.require_called_aet = True
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        other = Peer(ae_title="SOMEONE", host="127.0.0.1", port=server.server_address[1])
        outcomes = list(store([write_object(tmp_path / "a.dcm"), write_object(tmp_path / "b.dcm")], other))
    finally:
        server.shutdown()
    assert len(outcomes) == 2
    assert all(isinstance(outcome.error, AssociationRejected) for outcome in outcomes)
    assert "called AE title SOMEONE" in str(outcomes[0].error)


@pytest.mark.parametrize("content", [b"", b"\0" * 128 + b"DICM" + b"\xff" * 40, b"no dicom at all"])
def test_store__file_is_not_dicom__unsendable_and_the_others_arrive(
    content: bytes, storescp: StartScp, tmp_path: Path
) -> None:
    peer, _ = storescp()
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(content)
    outcomes = {outcome.path: outcome for outcome in store([broken, write_object(tmp_path / "fine.dcm")], peer)}
    assert isinstance(outcomes[broken].error, Unsendable)
    assert not outcomes[broken].error.retryable
    assert outcomes[tmp_path / "fine.dcm"].accepted
