"""The shadow: what is proposed, and how agreement is read from a node."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import yaml

from integration.results import write_results
from models.findings import Category, Code, Quantity
from models.packages import inventory
from tests.integration.results.sources import (
    MALIGNANT,
    head_findings,
    lesion_findings,
    no_finding,
    request_of,
    write_source,
)
from tests.trainer.promote import made
from trainer.promote.answers import Said, differences, read_answers
from trainer.promote.errors import NodeSilent
from trainer.promote.settings import ShadowPart, Site
from trainer.promote.shadow import propose, watch, withdraw

LIMITS = (0.8, 0.1)
RUNNING, SHADOW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source") / "us.dcm", frames=3)


def answered(folder, source, findings):
    """What the node writes of findings, read back."""
    folder.mkdir()
    files = [each.path for each in write_results(request_of(source, findings), folder)]
    return files, read_answers(files)[source.sop_instance_uid]


def test_answers__of_results_as_the_node_writes_them__are_read_back(source, tmp_path):
    _, said = answered(tmp_path / "a", source, (*head_findings(source), *lesion_findings(source)))
    assert MALIGNANT.value in {code for codes in said.codes.values() for code in codes}
    assert sorted(values[0] for (_, _, unit), values in said.numbers.items() if unit == "mm")
    assert {mask.sum() > 0 for mask in said.masks.values()} == {True}
    assert differences(said, said, *LIMITS) == []


def test_answers__of_no_finding__say_nothing(source, tmp_path):
    _, silent = answered(tmp_path / "a", source, no_finding())
    _, loud = answered(tmp_path / "b", source, head_findings(source))
    assert not silent.anything
    assert differences(silent, silent, *LIMITS) == []
    assert differences(silent, loud, *LIMITS) == ["only one of both says anything"]


def changed(findings, **values):
    out = []
    for each in findings:
        if isinstance(each, Quantity) and "factor" in values:
            each = replace(each, value=each.value * values["factor"])
        if isinstance(each, Category) and "answer" in values:
            each = replace(each, value=values["answer"])
        out.append(each)
    return tuple(out)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"factor": 1.05}, []),
        ({"factor": 1.2}, ["another value"]),
        ({"answer": Code(value="30807003", scheme="SCT", meaning="Benign")}, ["another answer"]),
    ],
)
def test_differences__of_changed_findings__are_named(change, told, source, tmp_path):
    findings = (*head_findings(source), *lesion_findings(source))
    _, one = answered(tmp_path / "a", source, findings)
    _, other = answered(tmp_path / "b", source, changed(findings, **change))
    assert differences(one, other, *LIMITS) == told


def test_differences__of_moved_outlines__from_the_overlap_on():
    def said(left):
        mask = np.zeros((20, 40), bool)
        mask[:, left : left + 20] = True
        return Said(masks={("1", 1): mask})

    assert differences(said(0), said(2), *LIMITS) == []
    assert differences(said(0), said(8), *LIMITS) == ["another outline"]


@contextmanager
def node(documents):
    """An HTTP interface that answers with these documents."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = documents.get(self.path)
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def documents(files_by_job, states):
    jobs = [
        {"id": number, "state": states[number], "package_digest": digest.removeprefix("sha256:")}
        for number, digest in ((1, RUNNING), (2, SHADOW))
    ]
    results = [{"job": number, "path": str(file)} for number, files in files_by_job.items() for file in files]
    return {
        "/api/studies?limit=5": {"studies": [{"study_instance_uid": "1.2.3", "jobs": {"done": 2}}]},
        "/api/studies/1.2.3": {"job_list": jobs, "results": results},
    }


def test_watch__both_said_the_same__agree_and_jobs_that_are_not_done_do_not_count(source, tmp_path):
    one, _ = answered(tmp_path / "a", source, head_findings(source))
    other, _ = answered(tmp_path / "b", source, head_findings(source))
    files = {1: one, 2: other}
    with node(documents(files, {1: "done", 2: "done"})) as url:
        seen = watch(ShadowPart(node=url, results=tmp_path, studies=5), RUNNING, SHADOW)
    assert (seen.images, seen.agreed, seen.share) == (1, 1, 1.0)
    with node(documents(files, {1: "done", 2: "failed"})) as url:
        assert watch(ShadowPart(node=url, results=tmp_path, studies=5), RUNNING, SHADOW).images == 0


def test_watch__one_was_silent__does_not_agree_and_says_in_what(source, tmp_path):
    one, _ = answered(tmp_path / "a", source, head_findings(source))
    other, _ = answered(tmp_path / "b", source, no_finding())
    with node(documents({1: one, 2: other}, {1: "done", 2: "done"})) as url:
        seen = watch(ShadowPart(node=url, results=tmp_path, studies=5), RUNNING, SHADOW)
    assert (seen.images, seen.agreed) == (1, 0)
    assert seen.differences == {"only one of both says anything": 1}


def test_watch__result_file_is_elsewhere__says_which_key_to_mend(tmp_path):
    files = {1: ["gone.dcm"], 2: ["gone.dcm"]}
    with node(documents(files, {1: "done", 2: "done"})) as url, pytest.raises(NodeSilent, match=r"shadow\.results"):
        watch(ShadowPart(node=url, results=tmp_path, studies=5), RUNNING, SHADOW)


def test_proposal__of_a_candidate__is_a_shadow_route_to_a_package_that_a_node_finds(tmp_path):
    candidate = made.package(tmp_path / "packages" / "one", 1)
    place = Site(folder=tmp_path / "site", shadow=ShadowPart(when='view.organ == "breast"'))
    copy, file = propose(place, candidate)
    told = yaml.safe_load(file.read_text())
    (route,) = told["routes"]
    assert route["mode"] == "shadow"
    assert route["when"] == 'view.organ == "breast"'
    found = inventory([place.folder / "shadow"], "none")
    assert [each.identity for each in found.packages] == [copy.identity]
    assert found.packages[0].identity.task == route["task"] == "breast-lesion-candidate"
    assert found.packages[0].card.weights == candidate.card.weights
    withdraw(place, "breast-lesion")
    assert not inventory([place.folder / "shadow"], "none").packages
