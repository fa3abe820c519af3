"""Files appear whole, and a replay changes nothing."""

from __future__ import annotations

import hashlib

import pytest

from integration.results import UnwritableFolder, derived_uid, write_results
from tests.integration.results.sources import head_findings, lesion_findings, request_of, write_source


@pytest.mark.parametrize("frames", [1, 5], ids=["still", "cine"])
def test_write_results__replayed_from_a_fresh_reading__gives_the_same_bytes(tmp_path, frames):
    write_source(tmp_path / "source", frames=frames)
    written = []
    for run in ("one", "two"):
        source = write_source(tmp_path / f"source-{run}", frames=frames)
        (tmp_path / run).mkdir()
        findings = head_findings(source, frames=(frames,), best=frames) + lesion_findings(source)
        results = write_results(request_of(source, findings), tmp_path / run)
        written.append([(result.path.name, result.path.read_bytes()) for result in results])
        for result in results:
            assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
        assert {path.name for path in (tmp_path / run).iterdir()} == {result.path.name for result in results}
    assert written[0] == written[1]


def test_write_results__another_job__has_other_uids(tmp_path):
    source = write_source(tmp_path / "source")
    first = write_results(request_of(source, head_findings(source)), tmp_path)
    second = write_results(request_of(source, head_findings(source), job_identity="ff"), tmp_path)
    uids = {uid for result in (*first, *second) for uid in (result.sop_instance_uid, result.series_instance_uid)}
    assert len(uids) == 2 * (len(first) + len(second))


def test_write_results__folder_missing__is_an_error_worth_a_retry(tmp_path):
    source = write_source(tmp_path / "source")
    with pytest.raises(UnwritableFolder) as failed:
        write_results(request_of(source, head_findings(source)), tmp_path / "not-there")
    assert failed.value.retryable


def test_derived_uid__same_parts__same_valid_uid():
    from pydicom.uid import UID

    uid = derived_uid("ab", "SEG")
    assert uid == derived_uid("ab", "SEG") and UID(uid).is_valid and uid.startswith("2.25.")
    assert len({uid, derived_uid("ab", "SR"), derived_uid("ab", "SEG", "series"), derived_uid("ac", "SEG")}) == 4
