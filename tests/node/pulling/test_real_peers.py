"""Pulling from real PACS, dcmqrscp and Orthanc, by every way that they have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.node.pulling.bench import CINE, FIRST, SECOND, Bench, bench, hearing, same_bytes, write_studies
from tests.peers.dcmtk import dcmqrscp, storescu
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port

pytestmark = pytest.mark.xdist_group("pulling")
PORT = free_port()  # where C-MOVE sends to
OF_FIRST = {"2.25.11", "2.25.12", "2.25.13", "2.25.14"}
WAYS = [("qr", "get"), ("qr", "move"), ("orthanc", "get"), ("orthanc", "move"), ("web", None)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_studies(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory, files: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """A dcmqrscp and an Orthanc that have both studies and know where to move to."""
    folder = tmp_path_factory.mktemp("peers")
    extra = {"DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True}
    with ExitStack() as stack:
        port = stack.enter_context(dcmqrscp(folder, "+xy", destinations={"ECHOCARE": PORT}))
        known = {"ECHOCARE": ("127.0.0.1", PORT)}
        there = stack.enter_context(orthanc(folder / "orthanc", modalities=known, extra=extra))
        assert storescu(port, list(files.values()), called="QRSCP").returncode == 0
        for path in files.values():
            there.client.post("/instances", content=path.read_bytes()).raise_for_status()
        yield {
            "qr": {"kind": "dimse", "ae_title": "QRSCP", "host": "127.0.0.1", "port": port},
            "orthanc": there.peer,
            "web": {"kind": "dicomweb", "url": f"http://127.0.0.1:{there.http_port}/dicom-web"},
            "rest": {"kind": "orthanc", "url": f"http://127.0.0.1:{there.http_port}"},
            "out": {"kind": "folder", "path": "out"},
        }


@pytest.fixture(params=WAYS, ids=lambda way: "-".join(filter(None, way)))
def way(request: pytest.FixtureRequest) -> list[str]:
    source, by = request.param
    return [source, *(["--by", by] if by else [])]


@pytest.fixture
def node(tmp_path: Path, migrated_sqlite: Path, peers: dict[str, Any]) -> Iterator[Bench]:
    with bench(tmp_path, migrated_sqlite, peers, listener={"dicom_port": PORT}) as made:
        yield made


def test_pull__study_by_every_way__is_here_as_it_was_stored_and_once(
    node: Bench, way: list[str], files: dict[str, Path]
) -> None:
    words = [*way, "--study-uid", FIRST]
    with hearing(node, PORT):
        listed = node.pull(*words, "--dry-run")
        assert (listed.exit_code, set(listed.studies[FIRST]["to_fetch"])) == (0, OF_FIRST)
        assert node.incoming() == []

        first = node.pull(*words)
        assert (first.exit_code, first.fetched, first.studies[FIRST]["state"]) == (0, 4, "complete"), first
        found = {each.sop_instance_uid: each for each in node.incoming()}
        assert set(found) == OF_FIRST
        assert [uid for uid, each in found.items() if not same_bytes(each, files[uid])] == []

        assert node.pull(*words).fetched == 0  # while they are not indexed yet
        assert node.index().new == 4
        again = node.pull(*words)
    assert (again.exit_code, again.fetched, again.studies[FIRST]["here"]) == (0, 0, 4)
    assert node.incoming() == []


def test_pull__part_of_a_series_is_here__fetches_the_rest_alone(node: Bench, way: list[str]) -> None:
    words = [*way, "--study-uid", FIRST, "--modality", "US"]
    with hearing(node, PORT):
        assert node.pull(*words).fetched == 3
        for each in node.incoming():
            if each.sop_instance_uid != "2.25.12":
                each.path.unlink()
        rest = node.pull(*words)
    assert (rest.exit_code, rest.fetched, rest.studies[FIRST]["here"]) == (0, 2, 1)
    assert sorted(each.sop_instance_uid for each in node.incoming()) == ["2.25.11", "2.25.12", "2.25.13"]


@pytest.mark.parametrize("way", [way for way in WAYS if way != ("qr", "move")], indirect=True)
def test_pull__compressed_cine__comes_in_its_own_transfer_syntax(
    node: Bench, way: list[str], files: dict[str, Path]
) -> None:
    # Not by C-MOVE from dcmqrscp: it moves either compressed or uncompressed images, as it was started.
    with hearing(node, PORT):
        assert node.pull(*way, "--accession", "A3").exit_code == 0
    assert [same_bytes(each, files["2.25.31"]) for each in node.incoming()] == [True]


QUERIES: dict[str, set[str]] = {
    "--patient-id ONE": {FIRST},
    "--patient-id TW?": {SECOND, CINE},
    "--accession A2": {SECOND},
    "--date 2026-03-01..2026-04-30": {FIRST},
    "--date 2026-03-02..": {SECOND},
    "--date ..2026-03-01 --modality OT": {FIRST},
    "--where StudyDescription=OB*": {FIRST},
    f"--study-uid {FIRST} --study-uid {SECOND}": {FIRST, SECOND},
    "--patient-id NOBODY": set(),
}


@pytest.mark.parametrize("source", ["qr", "orthanc", "web"])
def test_pull__query__finds_what_matches(node: Bench, source: str) -> None:
    by = [] if source == "web" else ["--by", "get"]
    found = {}
    for words in QUERIES:
        listed = node.pull(source, *words.split(), *by, "--dry-run")
        assert listed.exit_code == 0
        found[words] = {uid for uid, study in listed.studies.items() if study["instances"]}
    assert found == QUERIES


def test_pull__limit__takes_no_more_studies_and_says_that_there_are(node: Bench) -> None:
    listed = node.pull("qr", "--date", "2026-01-01..", "--limit", "1", "--dry-run")
    assert (len(listed.studies), listed.document["more"], listed.document["by"]) == (1, True, "C-GET")


def test_pull__peer_of_kind_orthanc__is_asked_by_its_dicomweb_plugin(node: Bench, files: dict[str, Path]) -> None:
    assert node.pull("rest", "--accession", "A2").exit_code == 0
    assert [same_bytes(each, files["2.25.21"]) for each in node.incoming()] == [True]


def test_pull__move_while_no_node_runs__says_so_and_asks_nothing(node: Bench) -> None:
    told = node.pull("qr", "--study-uid", FIRST, "--by", "move")
    assert told.exit_code == 1
    assert "start the node, or fetch by C-GET" in told.words


def test_pull__move_half_succeeds__names_what_is_missing_and_the_next_run_fetches_that(node: Bench) -> None:
    ultrasound = frozenset({"1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"})
    words = ["qr", "--study-uid", FIRST, "--by", "move"]
    with hearing(node, PORT, ultrasound):
        half = node.pull(*words)
    study = half.studies[FIRST]
    assert (half.exit_code, half.fetched, study["state"], study["missing"]) == (1, 3, "incomplete", ["2.25.14"])
    assert "1 images failed" in study["reason"]
    assert node.index().new == 3
    with hearing(node, PORT):
        rest = node.pull(*words)
    assert (rest.exit_code, rest.fetched, rest.studies[FIRST]["missing"]) == (0, 1, [])
    assert [each.sop_instance_uid for each in node.incoming()] == ["2.25.14"]


def test_pull__move_destination_unknown__says_what_to_enter_where(
    tmp_path: Path, migrated_sqlite: Path, files: dict[str, Path], peers: dict[str, Any]
) -> None:
    with bench(
        tmp_path / "node",
        migrated_sqlite,
        peers,
        node={"data_dir": "var", "ae_title": "STRANGER"},
        listener={"dicom_port": PORT},
    ) as made:
        with hearing(made, PORT):
            told = made.pull("qr", "--study-uid", SECOND, "--by", "move")
    assert told.exit_code == 1
    reason = told.studies[SECOND]["reason"]
    assert "0xA801, move destination unknown" in reason
    assert f"enter the AE title STRANGER there as a destination, with this machine's address and port {PORT}" in reason


def test_pull__gone_source__says_so(node: Bench) -> None:
    port = free_port()
    node.config.write_text(
        node.config.read_text().replace(str(node.settings.peers["qr"].port), str(port))  # type: ignore[union-attr]
    )
    told = node.pull("qr", "--study-uid", FIRST)
    assert (told.exit_code, f"127.0.0.1:{port}" in told.words) == (1, True)
