"""Nothing acknowledged is lost and no result comes twice, however often the node is killed with -9."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.killing import Plan, run


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_node__killed_a_hundred_times_in_a_run_of_twenty_studies__nothing_lost_and_nothing_twice(
    tmp_path: Path,
) -> None:
    account = run(tmp_path, Plan(studies=20, kills=100, seed=1), print)
    log = (tmp_path / "node.log").read_text(errors="replace")[-4000:]
    assert account.faults == [], f"{account.faults}\nthe end of the node's log:\n{log}"
    assert account.kills.total() == 100
    assert len(account.acknowledged) == 35
    assert account.results >= len(account.acknowledged)
    # The kills fell into work, not between it.
    assert account.acknowledged_between_kills >= 20
    assert account.results_between_kills >= 10
