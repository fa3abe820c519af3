"""The record: append-only, whole lines alone count, one writer."""

from __future__ import annotations

import json

import pytest

from trainer.promote.errors import BadRecord, SiteBusy
from trainer.promote.record import RECORD, Record, Step, digest_of, entry, held, switching


def line(number: int, step: Step = Step.COHORT):
    return entry(step, "toy", f"run{number}", "me", inputs=f"in{number}", what={"number": number})


def test_record__read_again__gives_what_was_added_in_order(tmp_path):
    record = Record(tmp_path)
    added = [record.add(line(number)) for number in range(3)]
    assert Record(tmp_path).entries == tuple(added)
    assert Record(tmp_path).done("toy", "run1", Step.COHORT, "in1") == added[1]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_record__last_line_was_cut_off__never_happened_and_the_next_takes_its_place(cut, tmp_path):
    record = Record(tmp_path)
    first = record.add(line(0))
    record.add(line(1))
    path = tmp_path / RECORD
    path.write_bytes(path.read_bytes()[:-cut])
    again = Record(tmp_path)
    assert again.entries == (first,)
    third = again.add(line(2))
    assert Record(tmp_path).entries == (first, third)
    assert all(json.loads(each) for each in path.read_text().splitlines())


def test_record__damaged_before_its_end__is_refused_and_left_as_it_is(tmp_path):
    record = Record(tmp_path)
    record.add(line(0))
    record.add(line(1))
    path = tmp_path / RECORD
    damaged = path.read_bytes().replace(b'"run0"', b'"run0')
    path.write_bytes(damaged)
    with pytest.raises(BadRecord, match="line 1"):
        Record(tmp_path)
    assert path.read_bytes() == damaged


def test_open_run__after_its_end__is_none(tmp_path):
    record = Record(tmp_path)
    record.add(line(0))
    assert record.open_run("toy") == "run0"
    assert record.open_run("other") is None
    record.add(line(0, Step.REFUSED))
    assert record.open_run("toy") is None


def test_held__by_one__refuses_another_and_lets_the_next_in(tmp_path):
    with held(tmp_path), pytest.raises(SiteBusy), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_record__two_writers__no_line_is_lost_and_each_reads_the_others(tmp_path):
    one, other = Record(tmp_path), Record(tmp_path)
    added = [one.add(line(0)), other.add(line(1)), one.add(line(2))]
    assert one.entries == tuple(added)
    assert Record(tmp_path).entries == tuple(added)


def test_switching__while_a_run_is_held__does_not_wait(tmp_path):
    with held(tmp_path), switching(tmp_path):
        pass


def test_digest__of_other_inputs__is_another():
    assert digest_of("a", {"x": 1, "y": 2}) == digest_of("a", {"y": 2, "x": 1})
    assert digest_of("a", {"x": 1}) != digest_of("a", {"x": 2})
