"""Promotion and rollback under crashes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from models.packages import inventory, load_package
from tests.trainer.promote import made
from tests.trainer.promote.made import TASK
from trainer.promote import switching
from trainer.promote.record import Record, Step
from trainer.promote.settings import Site
from trainer.promote.status import statuses
from trainer.promote.storing import active
from trainer.promote.switching import promote, roll_back, settle, standing

MOST_STEPS = 60  # more than any of both takes


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    names = ("running/installed", "others/one", "others/two")
    return folder / "running", [made.package(folder / name, number) for number, name in enumerate(names)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Reading every tensor takes most of the time and is tested where packages are."""
    monkeypatch.setattr(switching, "verify", load_package)


def kill_at(monkeypatch, number: int, after: bool) -> list[int]:
    """End the process at one of the calls that change what is on the disk, before or after it."""
    seen = [0]

    def counted(act):
        def call(*args, **named):
            seen[0] += 1
            if seen[0] == number and not after:
                raise Killed
            done = act(*args, **named)
            if seen[0] == number:
                raise Killed
            return done

        return call

    for place, name in ((os, "replace"), (os, "fsync"), (Path, "symlink_to"), (Path, "unlink")):
        monkeypatch.setattr(place, name, counted(getattr(place, name)))
    return seen


def status_of(folder: Path):
    (status,) = statuses(Site(folder=folder))
    return status


def answering(folder: Path, installed: Path) -> str:
    """Digest of the package that a node would use."""
    found = inventory([installed, folder / "promoted"], "none").packages
    return next(each.identity.digest for each in found if each.identity.task == TASK)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("change", ["first", "second", "rollback", "last rollback"])
def test_switch__killed_at_any_step__old_or_new_is_active_and_the_record_tells_which(
    change, after, packages, tmp_path, monkeypatch
):
    home, (running, one, two) = packages
    base = tmp_path / "base"
    record = Record(base)
    if change != "first":
        promote(record, base / "promoted", one, running, "r1", "me", {})
    if change == "rollback":
        promote(record, base / "promoted", two, one, "r2", "me", {})
    old, new = {
        "first": (running, one),
        "second": (one, two),
        "rollback": (two, one),
        "last rollback": (one, running),
    }[change]
    base.mkdir(exist_ok=True)
    for number in range(1, MOST_STEPS):
        folder = tmp_path / f"{number}"
        shutil.copytree(base, folder, symlinks=True)
        with monkeypatch.context() as patch:
            kill_at(patch, number, after)
            try:
                if change in ("first", "second"):
                    promote(Record(folder), folder / "promoted", new, old, "r3", "me", {})
                else:
                    roll_back(Record(folder), folder / "promoted", TASK, "me")
                killed = False
            except Killed:
                killed = True
        now = answering(folder, home)
        assert now in {old.identity.digest, new.identity.digest}
        again = Record(folder)
        if again.entries:
            status = status_of(folder)
            assert (status.active or running.identity.digest) == now
            assert (status.warning is None) is (switching.unsettled(again, folder / "promoted", TASK) is None)
            settle(again, folder / "promoted", TASK, "the next command")
            last = Record(folder).last(TASK)
            assert (last.step is Step.INTERRUPTED) <= (now == old.identity.digest)
            assert status_of(folder).warning is None
            stack = standing(again, TASK)
            assert (stack[-1].digest if stack else running.identity.digest) == now
        if not killed:
            break
        shutil.rmtree(folder)
    assert now == new.identity.digest
    assert 4 < number < MOST_STEPS - 1


def test_rollback__of_the_second__restores_the_first_byte_for_byte(packages, tmp_path):
    _, (running, one, two) = packages
    record, promoted = Record(tmp_path), tmp_path / "promoted"
    promote(record, promoted, one, running, "r1", "me", {})
    before = made.bytes_of(promoted / TASK)
    assert before == made.bytes_of(one.path)
    promote(record, promoted, two, one, "r2", "me", {})
    assert made.bytes_of(promoted / TASK) == made.bytes_of(two.path)
    roll_back(record, promoted, TASK, "me")
    assert made.bytes_of(promoted / TASK) == before
    assert active(promoted, TASK) == standing(record, TASK)[-1].kept


def test_promoted__encoder_of_its_own__is_found_by_a_node_that_has_only_this_folder(packages, tmp_path):
    _, (running, one, _) = packages
    promote(Record(tmp_path), tmp_path / "promoted", one, running, "r1", "me", {})
    found = {each.identity.task: each for each in inventory([tmp_path / "promoted"], "none").packages}
    assert found[TASK].identity == one.identity
    assert found[TASK].encoder.path.is_relative_to(tmp_path / "promoted")


def test_status__link_was_changed_by_hand__warns(packages, tmp_path):
    _, (running, one, _) = packages
    promote(Record(tmp_path), tmp_path / "promoted", one, running, "r1", "me", {})
    (tmp_path / "promoted" / TASK).unlink()
    assert "by hand" in (status_of(tmp_path).warning or "")
