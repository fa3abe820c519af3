from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydicom import dcmread

from node.archive import Archive, NotWritable, OutOfSpace, Unfileable
from node.archive.durable import FolderSync
from node.archive.space import MOST_AGE_S, FreeSpace
from tests.node.archive.samples import data_set_bytes, encoded, meta_of, still


def names(archive: Archive) -> list[str]:
    return sorted(path.suffix for path in (archive.root / "incoming").iterdir())


def test_receipt__committed__holds_the_bytes_and_who_sent_them(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    body = encoded(still())
    receipt = archive.begin(meta_of(still()))
    receipt.write(body[:100])
    receipt.write(memoryview(body)[100:])
    path = receipt.commit()
    assert data_set_bytes(path) == body
    assert list(archive.incoming()) == [path]
    ds = dcmread(path)
    assert ds.file_meta.SourceApplicationEntityTitle == "US1"
    assert ds.file_meta.ReceivingApplicationEntityTitle == "ECHOCARE"
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_receipt__before_commit__is_no_received_file(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    receipt = archive.begin(meta_of(still()))
    receipt.write(encoded(still()))
    assert list(archive.incoming()) == []
    receipt.abort()
    assert names(archive) == []


def test_receipt__commit__syncs_file_and_folder_before_anyone_may_file_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path / "archive")
    receipt = archive.begin(meta_of(still()))
    done: list[str] = []
    listed: list[int] = []
    for name in ("rename", "fdatasync", "fsync"):
        real = getattr(os, name)

        def watched(*args: object, real: object = real, name: str = name) -> object:
            listed.append(len(list(archive.incoming())))
            done.append(name)
            return real(*args)  # type: ignore[operator]  # one of three functions of os

        monkeypatch.setattr(os, name, watched)
    receipt.commit()
    assert done == ["rename", "fdatasync", "fsync"]
    assert listed == [0, 0, 0]
    assert len(list(archive.incoming())) == 1


def test_receipt__torn_by_a_power_cut__goes_to_quarantine_with_the_reason(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    receipt = archive.begin(meta_of(still()))
    receipt.write(encoded(still()))
    path = receipt.commit()
    os.truncate(path, path.stat().st_size - 50)
    with pytest.raises(Unfileable, match="power"):
        archive.file_away(path)
    assert (tmp_path / "archive" / "quarantine" / path.name).exists()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EROFS, NotWritable),
        (errno.EACCES, NotWritable),
        (errno.EIO, NotWritable),
    ],
)
@pytest.mark.parametrize("step", ["write", "fdatasync", "rename", "fsync"])
def test_receipt__system_call_fails__nothing_is_left_and_error_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, expected: type[Exception]
) -> None:
    archive = Archive(tmp_path / "archive")
    receipt = archive.begin(meta_of(still()))

    def failing(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, step, failing)
    with pytest.raises(expected):
        try:
            receipt.write(encoded(still()))
            receipt.commit()
        finally:
            receipt.abort()
    monkeypatch.undo()
    assert names(archive) == []


def test_archive__less_free_than_reserve__receives_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive", min_free_bytes=10**9, measure=lambda _: 10**9 - 1)
    with pytest.raises(OutOfSpace, match="min_free_bytes"):
        archive.begin(meta_of(still()))
    assert names(archive) == []


def test_receipt__space_runs_out_while_writing__stops_before_the_disk_is_full(tmp_path: Path) -> None:
    free = [10**9]
    archive = Archive(tmp_path / "archive", min_free_bytes=10**8, measure=lambda _: free[0])
    receipt = archive.begin(meta_of(still()))
    free[0] = 10**7
    pause = threading.Event()
    pause.wait(MOST_AGE_S)  # the measure may be this old
    with pytest.raises(OutOfSpace):
        for _ in range(40):
            receipt.write(bytes(2**20))
    receipt.abort()


def test_space__measured_lately__is_not_measured_again(tmp_path: Path) -> None:
    calls: list[Path] = []

    def measure(folder: Path) -> int:
        calls.append(folder)
        return 1

    space = FreeSpace(tmp_path, 1, measure)
    for _ in range(50):
        space.require()
    assert len(calls) == 1


def test_archive__folder_is_a_file__says_what_to_mend(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")
    with pytest.raises(NotWritable, match="archive folder"):
        Archive(tmp_path / "archive")


WRITE_FOREVER = """
import sys
from pathlib import Path
from node.archive import Archive, FileMeta
archive = Archive(Path(sys.argv[1]))
meta = FileMeta(sop_class_uid="1.2", sop_instance_uid="1.2.3", transfer_syntax_uid="1.2.840.10008.1.2.1",
                calling_ae="A", called_ae="B")
receipt = archive.begin(meta)
receipt.write(bytes(1000))
print("writing", flush=True)
sys.stdin.read()
"""


def test_stale_parts__process_was_killed__are_removed_and_live_ones_stay(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    living = archive.begin(meta_of(still()))
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(tmp_path / "archive")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        assert archive.remove_stale_parts() == 0
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert names(archive) == [".part", ".part"]
    assert archive.remove_stale_parts() == 1
    living.write(encoded(still()))
    assert living.commit().exists()


def test_folder_sync__many_at_once__fewer_syncs_than_calls_and_none_returns_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_sync = FolderSync(tmp_path)
    entered, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []

    def slow_sync(descriptor: int) -> None:
        syncs.append(len(syncs))
        entered.set()
        go_on.wait(10)

    monkeypatch.setattr(os, "fsync", slow_sync)
    first = threading.Thread(target=folder_sync.sync)
    first.start()
    assert entered.wait(10)
    others = [threading.Thread(target=folder_sync.sync) for _ in range(8)]
    for thread in others:
        thread.start()
    go_on.set()
    for thread in [first, *others]:
        thread.join(10)
        assert not thread.is_alive()
    # Those who came during the first sync cannot rely on it; one more serves them all, or two if some came late.
    assert 2 <= len(syncs) <= 3


def test_folder_sync__fails__every_waiter_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_sync = FolderSync(tmp_path)

    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", failing)
    faults: list[OSError] = []

    def sync() -> None:
        try:
            folder_sync.sync()
        except OSError as error:
            faults.append(error)

    threads = [threading.Thread(target=sync) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(faults) == 5
