"""A commit names no file that a loss of power could still take away: files and folders are synced before it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.offline.folder import FolderFiles
from featurectl.offline.rows import FrameRows
from featurectl.offline.sync import sync_names, sync_path
from tests.offline.table_rows import KEYS, table_rows


class Syncs:
    """What was synced, by its number in the file system, with the versions and the names that there were by then."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[int, set[str], set[str]]] = []
        self._folder, sync = folder, os.fsync
        monkeypatch.setattr(os, "fsync", lambda handle: (sync(handle), self._note(handle))[0])  # type: ignore[func-returns-value]

    def _note(self, handle: int) -> None:
        there = {str(path) for path in self._folder.rglob("*") if path.exists()}
        commits = {path for path in there if path.endswith(".json")}
        self.seen.append((os.fstat(handle).st_ino, commits, there))

    def before(self, path: Path, commit: Path) -> bool:
        """Return whether a file or folder was synced while there was no such commit yet."""
        return any(number == path.stat().st_ino and str(commit) not in commits for number, commits, _ in self.seen)

    def after(self, path: Path, name: Path) -> bool:
        """Return whether a file or folder was synced when this name was there."""
        return any(number == path.stat().st_ino and str(name) in there for number, _, there in self.seen)


@pytest.mark.parametrize("buckets", [1, 8])
def test_files_and_their_folders_are_synced_before_the_commit(tmp_path, monkeypatch, buckets):
    table = DeltaStore(str(tmp_path), "p", rows_per_bucket=64 // buckets).table("v", 1, KEYS)
    syncs = Syncs(tmp_path, monkeypatch)
    for version in range(3):
        there = set(tmp_path.rglob("*.parquet"))
        table.append(FrameRows(table_rows(64, 100 * version), KEYS), Coverage(parts={f"{version}": ""}))
        commit = tmp_path / f"p/v/v1/_delta_log/{version:020}.json"
        new = set(tmp_path.rglob("*.parquet")) - there
        assert new
        for file in new:
            assert syncs.before(file, commit)
            assert syncs.before(file.parent, commit)
            assert syncs.after(file.parent, file)  # the name of the whole file, not that of the part
            assert syncs.before(file.parents[1], commit)


def test_a_commit_and_the_folders_of_a_new_table_are_synced(tmp_path, monkeypatch):
    table = DeltaStore(str(tmp_path), "p").table("v", 1, KEYS)
    syncs = Syncs(tmp_path, monkeypatch)
    table.append(FrameRows(table_rows(9), KEYS), Coverage())
    commit = tmp_path / "p/v/v1/_delta_log/00000000000000000000.json"
    for path in (commit, *list(commit.parents)[:5]):
        assert syncs.after(path, commit), path


def test_a_file_that_a_run_left_is_synced_before_it_is_committed(tmp_path, monkeypatch):
    class Rows(FrameRows):
        mark = "the same in both runs"

    table = DeltaStore(str(tmp_path), "p").table("v", 1, KEYS)
    rows = Rows(table_rows(9), KEYS)
    monkeypatch.setattr("featurectl.offline.delta.ViewTable._log", lambda *_: 0)
    table.append(rows, Coverage())
    monkeypatch.undo()
    [left] = tmp_path.rglob("*.parquet")
    syncs = Syncs(tmp_path, monkeypatch)
    table.append(rows, Coverage())
    commit = tmp_path / "p/v/v1/_delta_log/00000000000000000000.json"
    assert syncs.before(left, commit)
    assert syncs.before(left.parent, commit)


def test_the_name_of_a_loose_file_is_synced(tmp_path, monkeypatch):
    syncs = Syncs(tmp_path, monkeypatch)
    FolderFiles(str(tmp_path)).write("models/m/x.txt", b"x")
    assert syncs.after(tmp_path / "models/m", tmp_path / "models/m/x.txt")


@pytest.mark.parametrize("remove", [lambda files, _: files.remove("runs/dev"), lambda _, folder: shutil.rmtree(folder)])
def test_folders_above_a_loose_file_are_synced_once_and_when_made_anew(tmp_path, monkeypatch, remove):
    files, folder = FolderFiles(str(tmp_path)), tmp_path / "runs/dev"
    files.write("runs/dev/1.json", b"a")
    syncs = Syncs(tmp_path, monkeypatch)
    files.write("runs/dev/2.json", b"b")
    assert syncs.after(folder, folder / "2.json")
    assert not syncs.after(tmp_path / "runs", folder)
    remove(files, folder)  # another process may do so, and the new folder often has the number of the old one
    files.write("runs/dev/3.json", b"c")
    assert syncs.after(folder, folder / "3.json")
    assert syncs.after(tmp_path / "runs", folder)


def test_a_folder_that_was_synced_up_to_another_one_is_synced_to_the_top(tmp_path, monkeypatch):
    FolderFiles(str(tmp_path / "runs")).write("dev/1.json", b"a")
    syncs = Syncs(tmp_path, monkeypatch)
    FolderFiles(str(tmp_path)).write("runs/dev/2.json", b"b")
    assert syncs.after(tmp_path, tmp_path / "runs")


def test_a_file_system_that_syncs_no_folders_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(_handle):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    (tmp_path / "inner").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="Invalid argument"):
            sync_path(tmp_path / "inner")
        sync_names(tmp_path / "inner", tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_names(tmp_path / "gone", tmp_path)
