"""Priors: what a route gets that asks for them, from real peers and from one that does what a test says."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import Dataset
from typer.testing import CliRunner

from node.cli import app
from node.db import Signal, write
from node.studies import Arrival, arrive, signal_complete
from tests.node.listener.running import listening
from tests.node.pulling.dicomweb_server import Behaviour
from tests.node.pulling.prior_bench import (
    BEFORE,
    CURRENT,
    FIRST,
    LAST,
    OF_LAST,
    SAME_DAY,
    STRANGER,
    Site,
    changed,
    older_studies,
    part_10,
    site,
)
from tests.node.pulling.test_dimse_faults import Pacs, served
from tests.node.worker.bench import encoded, still
from tests.peers.dcmtk import dcmqrscp, storescu
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port, wait_until

pytestmark = pytest.mark.xdist_group("pulling")
PORT = free_port()  # where C-MOVE sends to
AGAIN = "1.2.4"  # a study at the next visit
WAYS = ("qr-get", "qr-move", "orthanc-get", "orthanc-move", "web")
Make = Callable[..., Site]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {str(ds.SOPInstanceUID): part_10(ds) for ds in older_studies()}


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    """A dcmqrscp and an Orthanc that have the older studies and know where to move to."""
    folder = tmp_path_factory.mktemp("peers")
    paths = [folder / f"{uid}.dcm" for uid in files]
    for path in paths:
        path.write_bytes(files[path.stem])
    extra = {"DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True}
    with ExitStack() as stack:
        port = stack.enter_context(dcmqrscp(folder, destinations={"ECHOCARE": PORT}))
        known = {"ECHOCARE": ("127.0.0.1", PORT)}
        there = stack.enter_context(orthanc(folder / "orthanc", modalities=known, extra=extra))
        assert storescu(port, paths, called="QRSCP").returncode == 0
        for path in paths:
            there.client.post("/instances", content=path.read_bytes()).raise_for_status()
        qr = {"kind": "dimse", "ae_title": "QRSCP", "host": "127.0.0.1", "port": port, "moves_to": PORT}
        yield {
            "qr-get": {**qr, "retrieve": "get"},
            "qr-move": {**qr, "retrieve": "move"},
            "orthanc-get": {**there.peer, "retrieve": "get"},
            "orthanc-move": {**there.peer, "retrieve": "move", "moves_to": PORT},
            "web": {"kind": "dicomweb", "url": f"http://127.0.0.1:{there.http_port}/dicom-web"},
        }


@pytest.fixture
def make(tmp_path: Path, database_url: str, server: Behaviour) -> Iterator[Make]:
    """A node with either database that asks the scripted server, or another peer."""
    with ExitStack() as stack:

        def made(pacs: dict[str, Any] | None = None, **priors: Any) -> Site:
            asked = pacs or {"kind": "dicomweb", "url": server.url, "response_timeout_s": 30}
            return stack.enter_context(site(tmp_path / "node", database_url, dict(asked), **priors))

        yield made


@pytest.mark.parametrize("way", WAYS)
def test_priors__by_every_way__newest_are_here_before_the_job_and_have_no_results(
    make: Make, peers: dict[str, Any], way: str
) -> None:
    node = make(peers[way])
    with listening(node.settings.data_dir, port=PORT, archive_dir=node.settings.archive_dir):
        node.closes()
        assert node.jobs() == ()
        assert node.fetches()
        assert len(node.jobs()) == 1
        assert node.priors() == {LAST: "here", BEFORE: "here"}
        assert node.has() == {CURRENT, LAST, BEFORE}
        node.settle()
        assert {job.study_uid for job in node.jobs()} == {CURRENT}
        assert {path.name for path in node.out.iterdir()} == {CURRENT}
        for uid, instances in ((LAST, 2), (BEFORE, 1)):
            prior = node.study(uid)
            assert prior is not None
            assert (prior.prior, prior.revisions, prior.instances) == (True, 0, instances)

        # The next study of the same patient: its priors are here, and what is here is not fetched again.
        before = len(node.events(LAST))
        node.closes(still(AGAIN, 1, StudyDate="20260105"))
        assert node.fetches()
        assert node.priors(AGAIN) == {SAME_DAY: "here", LAST: "here"}
        assert len(node.events(LAST)) == before


def test_priors__limits_of_the_route__are_kept(make: Make, server: Behaviour) -> None:
    node = make(most=1, within_days=20)
    node.closes()
    assert node.fetches()
    assert node.priors() == {}
    assert len(node.jobs()) == 1
    other = still("1.2.39", 1, StudyDate="20251210")
    node.closes(other)
    node.fetches()
    assert node.priors("1.2.39") == {LAST: "here"}
    assert {path.split("/")[1] for path in server.retrieved} == {LAST}


def test_priors__route_without_them__does_not_wait(tmp_path: Path, database_url: str, server: Behaviour) -> None:
    pacs = {"kind": "dicomweb", "url": server.url}
    with site(tmp_path / "node", database_url, pacs) as node:
        plain = node.settings.routes[0].model_copy(update={"name": "plain", "priors": None, "send_to": ()})
        node.settings = node.settings.model_copy(update={"routes": (*node.settings.routes, plain)})
        node.install(node.engine.identity)
        node.closes()
        assert [job.route for job in node.jobs()] == ["plain"]
        node.fetches()
        assert sorted(job.route for job in node.jobs()) == ["fetal", "plain"]


def test_priors__late_clip__is_not_asked_for_again(make: Make, server: Behaviour) -> None:
    node = make()
    node.closes()
    node.fetches()
    server.retrieved.clear()
    node.closes(still(CURRENT, 2))
    assert len(node.jobs()) == 2
    assert not node.fetches()
    assert server.retrieved == []


def test_priors__study_that_came_by_itself__is_taken_as_it_is(make: Make, server: Behaviour) -> None:
    node = make()
    node.closes(still(LAST, 1, StudyDate="20251201"))
    assert node.fetches()  # for that one, which has priors too
    node.closes()
    server.retrieved.clear()
    node.fetches()
    assert node.priors() == {LAST: "here", BEFORE: "here"}
    assert not [path for path in server.retrieved if LAST in path]
    own = node.study(LAST)
    assert own is not None
    assert (own.prior, own.revisions, own.instances) == (False, 1, 1)


def test_priors__peer_is_down__job_starts_at_once_and_says_why(make: Make) -> None:
    port = free_port()
    node = make({"kind": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": port})
    node.closes()
    node.fetches()
    assert len(node.jobs()) == 1
    assert f"127.0.0.1:{port}" in node.said()
    node.settle()
    assert node.delivered(CURRENT)


def test_priors__peer_refuses_in_words_that_no_database_holds__job_starts_and_the_peer_is_asked_again_later(
    make: Make,
) -> None:
    """As a PACS does that sends a comment from a buffer of fixed length, with what stood in it before."""

    def refuse(event: Any) -> Iterator[Any]:
        status = Dataset()
        status.Status, status.ErrorComment = 0xA700, "disk full\0before"
        yield status, None

    with served(Pacs([])) as pacs:
        pacs.answers["find"] = refuse
        node = make(pacs.peer)
        for study in (CURRENT, AGAIN):
            node.closes(still(study, 1))
            assert node.fetches()
            assert "disk full before" in node.said(study)
    assert {job.study_uid for job in node.jobs()} == {CURRENT, AGAIN}


def test_priors__peer_has_none__job_starts(make: Make, server: Behaviour) -> None:
    server.files.clear()
    node = make()
    node.closes()
    node.fetches()
    assert (len(node.jobs()), node.priors(), node.said()) == (1, {}, "")


def test_priors__half_of_one_comes__is_used_and_says_what_is_missing(make: Make, server: Behaviour) -> None:
    server.parts[f"{LAST}.1.2"] = b"this is no DICOM file" * 20
    node = make()
    node.closes()
    node.fetches()
    assert node.priors() == {LAST: "here", BEFORE: "here"}
    assert "the prefix DICM is missing" in node.said()
    assert "the prefix DICM is missing" in str(node.all_priors()[0].reason)
    assert len(node.jobs()) == 1


def test_priors__nothing_of_one_comes__has_failed(make: Make, server: Behaviour) -> None:
    server.parts[f"{BEFORE}.1.1"] = b"this is no DICOM file" * 20
    node = make()
    node.closes()
    node.fetches()
    assert node.priors() == {LAST: "here", BEFORE: "failed"}
    assert len(node.jobs()) == 1


@pytest.mark.parametrize(
    "changes",
    [{"PatientID": "SOMEBODY-ELSE"}, {"PatientID": ""}, {"IssuerOfPatientID": "OTHER HOSPITAL"}],
    ids=["another patient", "nobody", "another issuer"],
)
def test_priors__another_patients_images_come__are_refused_and_have_no_results(
    make: Make, server: Behaviour, changes: dict[str, str]
) -> None:
    uid = f"{LAST}.1.2"
    server.parts[uid] = changed(server.files[uid], **changes)
    node = make()
    node.closes(still(CURRENT, 1, IssuerOfPatientID="THIS HOSPITAL"))
    node.fetches()
    assert node.priors() == {LAST: "refused", BEFORE: "here"}
    (event,) = node.events(what="prior_refused")
    assert (event.details["prior"], "another patient" in str(event.details["reason"])) == (LAST, True)
    node.settle()
    assert {job.study_uid for job in node.jobs()} == {CURRENT}
    assert {path.name for path in node.out.iterdir()} == {CURRENT}


def test_priors__peer_sends_another_study_than_was_asked_for__is_not_kept_at_all(make: Make, server: Behaviour) -> None:
    server.parts[f"{BEFORE}.1.1"] = server.files[f"{STRANGER}.1.1"]
    node = make()
    node.closes()
    node.fetches()
    assert node.priors() == {LAST: "here", BEFORE: "failed"}
    assert "it was not asked for" in node.said()
    node.settle()
    assert node.has() == {CURRENT, LAST}
    assert {job.study_uid for job in node.jobs()} == {CURRENT}


def test_priors__peer_answers_with_ids_that_only_look_alike__are_left(make: Make, server: Behaviour) -> None:
    for uid in OF_LAST:
        server.files[uid] = changed(server.files[uid], PatientID="Phantom-0001")
    node = make()
    node.closes()
    node.fetches()
    assert node.priors() == {BEFORE: "here", FIRST: "here"}
    assert "1 studies that the peer answered are another patient's" in node.said()
    assert STRANGER not in node.has()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PatientID": ""}, "names no patient"),
        ({"PatientID": "A\\B"}, "has a backslash"),
        ({"StudyDate": ""}, "no date"),
    ],
)
def test_priors__study_does_not_say_what_to_ask_for__job_starts_without(
    make: Make, server: Behaviour, changes: dict[str, str], said: str
) -> None:
    node = make()
    node.closes(still(CURRENT, 1, **changes))
    node.fetches()
    assert said in node.said()
    assert (len(node.jobs()), server.retrieved) == (1, [])


def test_priors__peer_takes_too_long__job_starts_without_and_what_comes_later_is_still_a_prior(
    make: Make, server: Behaviour
) -> None:
    server.stall = threading.Event()
    node = make(wait_s=30)
    node.closes()
    with node.fetching():
        wait_until(server.stalled.is_set, 60, "half of an image came")
        node.scheduler.step()
        assert node.jobs() == ()
        node.later(31)
        node.scheduler.step()
        assert len(node.jobs()) == 1
        assert [each.details["source"] for each in node.events(what="priors_late")] == ["pacs"]
        node.settle()
        assert node.delivered(CURRENT)
        server.stall.set()
    node.later(1)
    node.settle()
    assert node.priors() == {LAST: "here"}
    assert "the time for it was over" in node.said()
    assert {job.study_uid for job in node.jobs()} == {CURRENT}


RUN = """
import sys
from pathlib import Path
from node.archive import Archive
from node.config import load_settings
from node.db import connect
from node.pulling import PriorFetcher
settings = load_settings(Path(sys.argv[1]), {})
PriorFetcher(settings, connect(settings.database), Archive(settings.archive_dir), "pacs").step()
"""


def written(node: Site, server: Behaviour) -> Path:
    """The node's configuration as a file."""
    config = node.settings.data_dir.parent / "echocare-node.yaml"
    sections = {
        "node": {"data_dir": "var", "min_free_bytes": 0},
        "database": node.settings.database,
        "peers": {"pacs": {"kind": "dicomweb", "url": server.url}},
        "routes": [{"name": "fetal", "task": "fetal-head", "priors": {}}],
    }
    config.write_text(yaml.safe_dump(sections))
    return config


def test_priors__killed_in_the_middle__goes_on_and_what_came_before_is_a_prior_too(
    make: Make, server: Behaviour
) -> None:
    server.files[f"{LAST}.1.3"] = part_10(still(LAST, 3, StudyDate="20251201"))
    node = make()
    node.closes()
    server.stall = threading.Event()
    process = subprocess.Popen([sys.executable, "-c", RUN, str(written(node, server))])
    try:
        wait_until(server.stalled.is_set, 200, "half of a study came")
        wait_until(lambda: bool(list(node.archive.incoming())), 60, "an image is safe")
    finally:
        process.kill()
        process.wait()
    server.stall.set()
    server.stall = None
    node.settle()  # what came is indexed, long before the peer is asked again
    assert node.jobs() == ()
    came = node.study(LAST)
    assert came is not None
    assert (came.prior, came.instances) == (True, 1)

    node.install(node.engine.identity)  # a new scheduler, as at a start
    node.scheduler.start()
    node.scheduler.step()
    node.fetches()
    assert node.priors() == {LAST: "here", BEFORE: "here"}
    node.settle()
    assert {job.study_uid for job in node.jobs()} == {CURRENT}


def test_priors__source_that_no_route_asks_any_more__is_not_waited_for_at_the_next_start(make: Make) -> None:
    node = make()
    node.closes()
    route = node.settings.routes[0].model_copy(update={"priors": None})
    node.settings = node.settings.model_copy(update={"routes": (route,)})
    node.install(node.engine.identity)
    node.scheduler.start()
    node.later(0.01)
    node.scheduler.step()
    assert "no route asks this peer any more" in node.said()
    assert len(node.jobs()) == 1


@pytest.mark.parametrize("bytes_differ", [False, True], ids=["the same bytes", "other bytes under its UID"])
def test_prior__sent_by_a_modality_later__is_a_study_of_its_own(make: Make, *, bytes_differ: bool) -> None:
    node = make()
    node.closes()
    node.fetches()
    changes = {"InstitutionName": "as the modality had it"} if bytes_differ else {}
    node.closes(still(BEFORE, 1, StudyDate="20250601", **changes))
    own = node.study(BEFORE)
    assert own is not None
    assert (own.prior, own.revisions, bool(own.conflicts)) == (False, 1, bytes_differ)
    assert [each.what for each in node.events(BEFORE)][-2:] == ["study.closed", "study.priors_asked"]
    node.fetches()
    assert node.priors(BEFORE) == {FIRST: "here"}
    node.settle()
    assert {job.study_uid for job in node.jobs()} == {CURRENT, BEFORE}
    assert node.delivered(BEFORE)
    assert node.priors() == {LAST: "here", BEFORE: "here"}


def test_prior__modality_sends_another_image_while_it_is_fetched__is_a_study_of_its_own(
    make: Make, server: Behaviour
) -> None:
    server.stall = threading.Event()
    node = make()
    node.closes()
    with node.fetching():
        wait_until(server.stalled.is_set, 60, "half of it came")
        node.receive_ds(still(LAST, 7, StudyDate="20251201"))
        node.scheduler.step()
        server.stall.set()
    node.later(1)
    node.settle()
    own = node.study(LAST)
    assert own is not None
    assert (own.prior, own.instances) == (False, 3)


def test_prior__somebody_calls_it_complete__is_a_study_of_its_own(make: Make) -> None:
    node = make()
    node.closes()
    node.fetches()
    for signal, own in ((Signal.IAN, False), (Signal.API, True)):
        with write(node.database) as connection:
            assert signal_complete(connection, LAST, signal, node.now) is own
        node.later(0.01)
        node.scheduler.step()
        found = node.study(LAST)
        assert found is not None
        assert (found.prior, found.revisions) == (not own, int(own))


def test_prior__pulled_by_somebody__is_a_study_of_its_own_though_nothing_has_to_be_fetched(
    make: Make, server: Behaviour
) -> None:
    node = make()
    node.closes()
    node.fetches()
    server.retrieved.clear()
    done = CliRunner().invoke(app, ["pull", "pacs", "--study-uid", LAST, "--config", str(written(node, server))])
    assert (done.exit_code, server.retrieved) == (0, [])
    node.later(0.01)
    node.scheduler.step()
    own = node.study(LAST)
    assert own is not None
    assert (own.prior, own.revisions) == (False, 1)


def test_prior__given_up_c_move_brings_an_image_late__is_a_prior_still(make: Make) -> None:
    """A PACS goes on with a C-MOVE of which the node heard nothing for too long."""
    from node.pulling.searches import begin_prior, end_prior, next_search

    node = make()
    node.closes()
    search = next_search(node.database, "pacs")
    assert search is not None
    now = datetime.now(UTC)
    begin_prior(node.database, search, LAST, None, now)
    end_prior(node.database, search, LAST, now + timedelta(seconds=600), "said nothing for 60 s")
    states = []
    for number, seconds in ((1, 599), (2, 601)):
        at = now + timedelta(seconds=seconds)
        with write(node.database) as connection:
            arrive(connection, _arrival(number, at), quiet_s=1, now=at)
        found = node.study(LAST)
        assert found is not None
        states.append((found.prior, found.state.value))
    assert states == [(True, "closed"), (False, "open")]


def _arrival(number: int, at: datetime) -> Arrival:
    content = encoded(still(LAST, number))
    return Arrival(
        sop_instance_uid=f"{LAST}.1.{number}",
        study_uid=LAST,
        series_uid=f"{LAST}.1",
        sop_class="1.2.840.10008.5.1.4.1.1.6.1",
        transfer_syntax="1.2.840.10008.1.2.1",
        path=f"instances/{number}.dcm",
        sha256=f"{number}" * 64,
        bytes=len(content),
        calling_ae="PACS",
        called_ae="ECHOCARE",
        received_at=at,
    )


def test_priors__of_every_way__are_told_by_status(make: Make) -> None:
    from node.db import read
    from node.jobs import study_detail
    from node.overview import study_document

    node = make()
    node.closes()
    node.fetches()
    with read(node.database) as connection:
        detail, prior = study_detail(connection, CURRENT), study_detail(connection, LAST)
    assert detail is not None
    assert prior is not None
    document = study_document(detail)
    assert document["prior_list"] == [
        {"study_instance_uid": LAST, "source": "pacs", "state": "here", "reason": None},
        {"study_instance_uid": BEFORE, "source": "pacs", "state": "here", "reason": None},
    ]
    assert (document["prior"], study_document(prior)["prior"]) == (False, True)
