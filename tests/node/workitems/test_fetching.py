"""Work items on studies that the node does not hold: fetched from configured peers, and from nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydicom import Dataset

from node.api import make_application
from node.archive import Archive
from node.workitems import WorkitemFetcher
from tests.node.listener.running import listening
from tests.node.pulling.dicomweb_server import Behaviour, dicomweb
from tests.node.pulling.prior_bench import part_10
from tests.node.pulling.prior_bench import site as prior_site
from tests.node.worker.bench import Bench, still
from tests.node.workitems.items import inputs
from tests.node.workitems.test_http import UID
from tests.node.workitems.test_performing import Site as PerformingSite
from tests.peers.dcmtk import dcmqrscp, storescu
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port

pytestmark = pytest.mark.xdist_group("pulling")
STUDY = "1.2.3"
PORT = free_port()
REASON = "ProcedureStepProgressInformationSequence"


def images() -> list[Dataset]:
    return [still(STUDY, 1), still(STUDY, 2), still(STUDY, 3, SeriesInstanceUID=f"{STUDY}.7")]


def had_at(*titles: str, url: str = "", series: str | None = None, of: tuple[str, ...] = ()) -> list[Dataset]:
    """Inputs of the study, with where they can be had."""
    found = inputs(STUDY, series, *of)
    found.DICOMRetrievalSequence = []
    for title in titles:
        each = Dataset()
        each.RetrieveAETitle = title
        found.DICOMRetrievalSequence.append(each)
    if url:
        each = Dataset()
        each.RetrieveURL = url
        found.WADORSRetrievalSequence = [each]
    return [found]


class Site(PerformingSite):
    """A node with peers, driven by hand; its clock is the real one, and can be moved on."""

    def __init__(self, bench: Bench, http: TestClient) -> None:
        super().__init__(bench, http)
        self.kept = Archive(bench.settings.archive_dir)
        self.fetchers = [
            WorkitemFetcher(bench.settings, bench.database, self.kept, name, clock=lambda: bench.now)
            for name in bench.settings.askable
        ]

    def works(self) -> None:
        """Everything happens that will: items are claimed, images fetched and looked at."""
        self.bench.settle()
        for fetcher in self.fetchers:
            fetcher.step()
        self.bench.settle()

    def words(self) -> str:
        return str(self.progress().get("ProcedureStepProgressDescription") or "")


class ClockedBench(Bench):
    """Its clock goes by itself."""

    _moved = timedelta(0)

    @property
    def now(self) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + self._moved

    @now.setter
    def now(self, at: datetime) -> None:
        self._moved = at - datetime.now(UTC)


@pytest.fixture
def make(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def site(peers: dict[str, Any], **sections: Any) -> Site:
            out = {"kind": "folder", "path": str(tmp_path / "out")}
            workitems = {"send_to": ["out"], **sections.pop("workitems", {})}
            given = {"routes": [], "peers": {"out": out, **peers}, "workitems": workitems, **sections}
            bench = ClockedBench(tmp_path, database_url, **given)
            stack.callback(bench.close)
            http = TestClient(
                make_application(bench.settings, bench.database),
                base_url="http://127.0.0.1",
                client=("127.0.0.1", 50000),
            )
            made = Site(bench, stack.enter_context(http))
            stack.callback(made.kept.close)
            return made

        yield site


@pytest.fixture
def files() -> dict[str, bytes]:
    return {str(ds.SOPInstanceUID): part_10(ds) for ds in images()}


@pytest.mark.parametrize("way", ["qr-get", "orthanc-move", "web", "rest"])
def test_item__study_is_at_a_real_peer__is_fetched_and_done(
    make: Callable[..., Site], tmp_path: Path, way: str
) -> None:
    paths = [tmp_path / f"{ds.SOPInstanceUID}.dcm" for ds in images()]
    for path, ds in zip(paths, images(), strict=True):
        path.write_bytes(part_10(ds))
    with ExitStack() as stack:
        if way == "qr-get":
            port = stack.enter_context(dcmqrscp(tmp_path, destinations={"ECHOCARE": PORT}))
            assert storescu(port, paths, called="QRSCP").returncode == 0
            peer: dict[str, Any] = {"kind": "dimse", "ae_title": "QRSCP", "host": "127.0.0.1", "port": port}
            where = had_at("SOMEWHERE", "QRSCP")
        else:
            extra = {"DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True}
            known = {"ECHOCARE": ("127.0.0.1", PORT)}
            there = stack.enter_context(orthanc(tmp_path / "orthanc", modalities=known, extra=extra))
            for path in paths:
                there.client.post("/instances", content=path.read_bytes()).raise_for_status()
            root = f"http://127.0.0.1:{there.http_port}"
            where = had_at(url=f"{root}/dicom-web/studies/{STUDY}")
            if way == "orthanc-move":
                peer, where = {**there.peer, "retrieve": "move"}, had_at("ORTHANC")
            else:
                kinds = {"web": ("dicomweb", f"{root}/dicom-web"), "rest": ("orthanc", root)}
                peer = dict(zip(("kind", "url"), kinds[way], strict=True))
        site = make({"pacs": peer}, listener={"dicom_port": PORT})
        with listening(site.bench.settings.data_dir, port=PORT, archive_dir=site.bench.settings.archive_dir):
            site.assign(InputInformationSequence=where)
            site.works()
        assert site.state() == "COMPLETED", site.words()
        assert len(site.jobs()) == 3
        assert site.outputs() == site.results() != set()
        assert "workitem.fetched" in site.happened()


def test_item__series_named__is_fetched_alone(make: Callable[..., Site], server: Behaviour) -> None:
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.assign(InputInformationSequence=had_at(url=f"{server.url}/studies/{STUDY}", series=f"{STUDY}.7"))
    site.works()
    assert (site.state(), len(site.jobs())) == ("COMPLETED", 1)
    assert server.retrieved == [f"studies/{STUDY}/series/{STUDY}.7"]


def test_item__one_of_its_instances_is_not_here__is_fetched(make: Callable[..., Site], server: Behaviour) -> None:
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.receive_ds(images()[0])
    site.settle()
    of = (f"{STUDY}.1.1", f"{STUDY}.1.2")
    site.assign(InputInformationSequence=had_at(url=server.url, series=f"{STUDY}.1", of=of))
    site.works()
    assert (site.state(), len(site.jobs())) == ("COMPLETED", 2)


def test_item__study_is_here__nobody_is_asked(make: Callable[..., Site], server: Behaviour) -> None:
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.receive_ds(images()[0])
    site.settle()
    site.assign(InputInformationSequence=had_at(url=server.url))
    site.works()
    assert (site.state(), server.retrieved) == ("COMPLETED", [])


@pytest.mark.parametrize(
    "stranger",
    [
        "http://127.0.0.1:{port}/dicom-web-evil/studies/1.2.3",
        "http://127.0.0.1:{port}/other/../dicom-web/studies/1.2.3",
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/dicom-web/studies/1.2.3",
        "http://127.0.0.1:1/dicom-web/studies/1.2.3",
        "http://web@evil.example:{port}/dicom-web/studies/1.2.3",
        "http://127.0.0.1:{port}@evil.example/dicom-web/studies/1.2.3",
        "file:///etc/passwd",
        "http://[",
    ],
)
def test_item__address_is_no_configured_peers__is_never_called_and_the_item_says_so(
    make: Callable[..., Site], server: Behaviour, stranger: str
) -> None:
    site = make({"web": {"kind": "dicomweb", "url": server.url}}, workitems={"wait_s": 30})
    site.assign(InputInformationSequence=had_at("UNKNOWN", url=stranger.format(port=server.port)))
    site.works()
    assert (site.state(), server.retrieved) == ("IN PROGRESS", [])
    assert "no configured peer has the AE title or DICOMweb address" in site.words()
    site.later(31)
    site.works()
    assert (site.state(), server.retrieved) == ("CANCELED", [])
    assert "did not come within 30 s; they are not fetched: no configured peer" in site.progress().ReasonForCancellation


def test_item__images_are_sent_though_its_address_is_unknown__is_done(make: Callable[..., Site]) -> None:
    site = make({})
    site.assign(InputInformationSequence=had_at("UNKNOWN"))
    site.works()
    site.receive_ds(images()[0])
    site.works()
    assert site.state() == "COMPLETED"


def test_item__peer_is_down__is_asked_again_and_the_item_cancelled_with_the_reason(make: Callable[..., Site]) -> None:
    port = free_port()
    peer = {"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    site = make({"pacs": peer}, workitems={"wait_s": 3600})
    site.assign(InputInformationSequence=had_at("PACS"))
    site.works()
    assert site.state() == "IN PROGRESS"
    assert (f"127.0.0.1:{port}" in site.words(), "tried again" in site.words()) == (True, True)
    site.later(400)
    site.works()
    assert site.happened().count("workitem.not_fetched") >= 2
    site.later(3600)
    site.works()
    assert site.state() == "CANCELED"
    (progress,) = site.client.content()[REASON].value
    assert progress.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110523"
    assert f"127.0.0.1:{port}" in progress.ReasonForCancellation


def test_item__first_peer_is_down__the_next_that_it_names_is_asked(
    make: Callable[..., Site], server: Behaviour
) -> None:
    peer = {"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": free_port()}
    site = make({"pacs": peer, "web": {"kind": "dicomweb", "url": server.url}})
    site.assign(InputInformationSequence=had_at("PACS", url=server.url))
    for _ in range(3):
        site.works()
        site.later(10)
    assert (site.state(), len(site.jobs())) == ("COMPLETED", 3)


def test_item__half_of_the_study_comes__waits_for_the_rest(make: Callable[..., Site], server: Behaviour) -> None:
    server.parts[f"{STUDY}.1.2"] = b"this is no DICOM file" * 20
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.assign(InputInformationSequence=had_at(url=server.url))
    site.works()
    assert (site.state(), site.jobs()) == ("IN PROGRESS", ())
    assert "the prefix DICM is missing" in site.words()
    server.parts.clear()
    site.later(10)
    site.works()
    assert (site.state(), len(site.jobs())) == ("COMPLETED", 3)


def test_item__peer_has_no_such_study__says_so(make: Callable[..., Site], server: Behaviour) -> None:
    server.files.clear()
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.assign(InputInformationSequence=had_at(url=server.url))
    site.works()
    assert (site.state(), "has no images of it" in site.words()) == ("IN PROGRESS", True)


def test_item__cancelled_while_its_images_are_fetched__stays_cancelled(
    make: Callable[..., Site], server: Behaviour
) -> None:
    site = make({"web": {"kind": "dicomweb", "url": server.url}})
    site.assign(InputInformationSequence=had_at(url=server.url))
    site.settle()
    server.before_retrieval = lambda _: site.client.post(f"/{UID}/cancelrequest", b"") and None
    site.works()
    assert (site.state(), site.jobs()) == ("CANCELED", ())


def test_item__study_is_here_as_a_prior__is_taken_as_a_study_of_its_own(tmp_path: Path, database_url: str) -> None:
    from tests.node.pulling.prior_bench import LAST, older_studies

    with dicomweb({str(ds.SOPInstanceUID): part_10(ds) for ds in older_studies()}) as server:
        pacs = {"kind": "dicomweb", "url": server.url}
        with prior_site(tmp_path / "node", database_url, pacs) as node:
            node.closes()
            node.fetches()
            node.settle()
            http = TestClient(
                make_application(node.settings, node.database),
                base_url="http://127.0.0.1",
                client=("127.0.0.1", 50000),
            )
            with http:
                site = PerformingSite(node, http)
                site.assign(study=LAST)
                for _ in range(3):
                    node.settle()
                    node.fetches()
                assert site.state() == "COMPLETED"
            own = node.study(LAST)
            assert own is not None
            assert (own.prior, own.revisions) == (False, 1)
            assert site.outputs() <= site.results()
