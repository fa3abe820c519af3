"""SR documents and secondary captures for peers that take less than we write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, evt

from integration.dimse import ContextRefused, Outcome, Peer, store
from integration.dimse.simpler import obstacle, stand_in, stand_in_uid
from integration.results import write_results
from tests.integration.dimse.conftest import write_object
from tests.integration.results.sources import head_findings, lesion_findings, request_of, write_source
from tests.peers.dciodvfy import errors
from tests.peers.dcmtk import storescp


@contextmanager
def picky_storescp(folder: Path, *sop_classes: str) -> Iterator[tuple[Peer, Path]]:
    """DCMTK's storescp, which takes these SOP classes uncompressed and no others; gives it and where it stores."""
    with storescp(folder, taken=sop_classes) as scp:
        yield Peer(ae_title="STORESCP", host="127.0.0.1", port=scp.port), scp.folder


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    """A report of marks and one in words, as routes write them."""
    source = write_source(tmp_path / "source", frames=3)
    (tmp_path / "results").mkdir()
    results = []
    for findings in (head_findings(source, frames=(2,), best=2), lesion_findings(source)):
        results += write_results(request_of(source, findings), tmp_path / "results")
    found = {one.role: one.path for one in results if one.sop_class_uid == Comprehensive3DSRStorage}
    assert len(found) > 1
    return list(found.values())


def send(paths: list[Path], peer: Peer) -> list[Outcome]:
    return list(store(paths, peer, simplify=True))


@pytest.mark.parametrize("taken", [ComprehensiveSRStorage, EnhancedSRStorage])
def test_store__peer_takes_a_simpler_sr__gets_the_same_content_under_another_uid(
    taken: str, reports: list[Path], tmp_path: Path
) -> None:
    with picky_storescp(tmp_path / "scp", taken, "1.2.840.10008.1.1") as (peer, folder):
        first, second = send(reports, peer), send(reports, peer)
        kept = {str(dcmread(path).SOPInstanceUID): path for path in folder.iterdir()}
    assert [outcome.error for outcome in first] == [None] * len(reports)
    assert [outcome.instead for outcome in first] == [outcome.instead for outcome in second]
    assert len(kept) == len(reports)
    for path, outcome in zip(reports, first, strict=True):
        assert outcome.instead is not None
        received, written = dcmread(kept[outcome.instead.sop_instance_uid]), dcmread(path)
        assert received.SOPClassUID == outcome.instead.sop_class_uid == taken
        assert received.SOPInstanceUID not in ("", written.SOPInstanceUID)
        assert errors(kept[outcome.instead.sop_instance_uid]) == []
        del received.SOPClassUID, received.SOPInstanceUID, written.SOPClassUID, written.SOPInstanceUID
        assert received == written


def test_store__peer_takes_several__the_richest_is_sent(reports: list[Path], tmp_path: Path) -> None:
    with picky_storescp(tmp_path / "scp", EnhancedSRStorage, ComprehensiveSRStorage) as (peer, _):
        outcomes = send(reports, peer)
    assert {outcome.instead and outcome.instead.sop_class_uid for outcome in outcomes} == {ComprehensiveSRStorage}


def test_store__peer_takes_all__the_document_itself_is_sent(reports: list[Path], tmp_path: Path) -> None:
    taken = (EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage)
    with picky_storescp(tmp_path / "scp", *taken) as (peer, folder):
        outcomes = send(reports, peer)
        kept = {str(dcmread(path).SOPInstanceUID) for path in folder.iterdir()}
    assert [outcome.instead for outcome in outcomes] == [None] * len(reports)
    assert kept == {str(dcmread(path).SOPInstanceUID) for path in reports}


def test_store__peer_accepts_the_context_and_then_not_the_class__the_next_simpler_is_sent(
    reports: list[Path],
) -> None:
    taken: list[tuple[str, str]] = []

    def c_store(event: Any) -> int:
        ds = event.dataset
        if ds.SOPClassUID != EnhancedSRStorage:
            return 0x0122
        taken.append((str(event.request.AffectedSOPInstanceUID), str(ds.SOPInstanceUID)))
        return 0x0000

    ae = AE(ae_title="PEER")
    for uid in (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage):
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, c_store)])
    assert server is not None
    try:
        outcomes = send(reports, Peer(ae_title="PEER", host="127.0.0.1", port=server.server_address[1]))
    finally:
        server.shutdown()
    sent = [outcome.instead and outcome.instead.sop_instance_uid for outcome in outcomes]
    assert taken == [(uid, uid) for uid in sent]


def test_store__simplifying_is_off__refused(reports: list[Path], tmp_path: Path) -> None:
    with picky_storescp(tmp_path / "scp", EnhancedSRStorage) as (peer, folder):
        outcomes = list(store(reports, peer))
        assert list(folder.iterdir()) == []
    assert {type(outcome.error) for outcome in outcomes} == {ContextRefused}


def test_store__content_has_a_3d_coordinate__refused_in_words_and_the_rest_goes(
    reports: list[Path], tmp_path: Path
) -> None:
    ds = dcmread(reports[0])
    item = Dataset()
    item.ValueType, item.RelationshipType = "SCOORD3D", "CONTAINS"
    ds.ContentSequence.append(item)
    ds.save_as(reports[0])
    with picky_storescp(tmp_path / "scp", ComprehensiveSRStorage) as (peer, folder):
        refused, *others = send(reports, peer)
        assert len(list(folder.iterdir())) == len(others)
    assert isinstance(refused.error, ContextRefused)
    assert "SCOORD3D" in str(refused.error)
    assert [outcome.error for outcome in others] == [None] * len(others)


def test_store__peer_takes_no_jpeg__says_that_it_went_uncompressed(tmp_path: Path) -> None:
    from integration.phantom import Encoding, Identity, fetal_head_cine, write_cine

    clip = write_cine(
        fetal_head_cine(3, 2, 160, 200), tmp_path / "clip.dcm", Identity(study="jpeg"), encoding=Encoding.JPEG
    )
    ds = dcmread(clip)
    with picky_storescp(tmp_path / "scp", str(ds.SOPClassUID)) as (peer, folder):
        (outcome,) = send([clip], peer)
        (kept,) = folder.iterdir()
    assert outcome.instead is not None
    assert outcome.instead.sop_instance_uid == ds.SOPInstanceUID
    assert outcome.instead.transfer_syntax == dcmread(kept).file_meta.TransferSyntaxUID
    assert not dcmread(kept).file_meta.TransferSyntaxUID.is_compressed


def test_store__peer_refuses_one_class__the_others_go_through(reports: list[Path], tmp_path: Path) -> None:
    picture = write_object(tmp_path / "picture.dcm")
    with picky_storescp(tmp_path / "scp", SecondaryCaptureImageStorage) as (peer, folder):
        *refused, kept = send([*reports, picture], peer)
        assert len(list(folder.iterdir())) == 1
    assert {type(outcome.error) for outcome in refused} == {ContextRefused}
    assert kept.accepted


def by_reference() -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 2]
    return item


def content(kind: str, relation: str, *below: Dataset) -> Dataset:
    item = Dataset()
    item.ValueType, item.RelationshipType = kind, relation
    if below:
        item.ContentSequence = Sequence(below)
    return item


@pytest.mark.parametrize(
    ("item", "comprehensive", "enhanced"),
    [
        (content("NUM", "CONTAINS", content("SCOORD", "INFERRED FROM", content("IMAGE", "SELECTED FROM"))), True, True),
        (content("NUM", "CONTAINS", by_reference()), True, False),
        (content("NUM", "CONTAINS", content("TEXT", "HAS OBS CONTEXT")), True, False),
        (content("NUM", "CONTAINS", content("CONTAINER", "HAS PROPERTIES")), True, False),
        (content("CONTAINER", "CONTAINS", content("SCOORD3D", "CONTAINS")), False, False),
        (content("TABLE", "CONTAINS"), False, False),
    ],
)
def test_obstacle__follows_the_tables_of_the_standard(item: Dataset, comprehensive: bool, enhanced: bool) -> None:
    root = Dataset()
    root.ValueType = "CONTAINER"
    root.ContentSequence = Sequence([item])
    assert (obstacle(root, ComprehensiveSRStorage) is None) == comprehensive
    assert (obstacle(root, EnhancedSRStorage) is None) == enhanced


def test_stand_in__of_a_revision__refers_to_what_was_sent_of_its_predecessor() -> None:
    before, series, study = Dataset(), Dataset(), Dataset()
    before.ReferencedSOPClassUID, before.ReferencedSOPInstanceUID = Comprehensive3DSRStorage, "2.25.1"
    series.ReferencedSOPSequence = Sequence([before])
    study.ReferencedSeriesSequence = Sequence([series])
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = Comprehensive3DSRStorage, "2.25.2"
    ds.PredecessorDocumentsSequence = Sequence([study])
    changed = stand_in(ds, EnhancedSRStorage)
    assert changed.SOPInstanceUID == stand_in_uid("2.25.2", EnhancedSRStorage)
    assert before.ReferencedSOPClassUID == EnhancedSRStorage
    assert before.ReferencedSOPInstanceUID == stand_in_uid("2.25.1", EnhancedSRStorage)
    assert stand_in_uid("2.25.1", EnhancedSRStorage) != stand_in_uid("2.25.1", ComprehensiveSRStorage)
