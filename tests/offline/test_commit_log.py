"""Commits keep their own numbers, and a version its own coverage, whatever others commit meanwhile."""

from __future__ import annotations

import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from featurectl.offline.base import Coverage
from featurectl.offline.commit_log import all_entries, newest_entry
from featurectl.offline.delta import DeltaStore, ViewTable
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, table_rows


def commit(folder, name: str) -> None:
    properties = CommitProperties(custom_metadata={"name": name})
    write_deltalake(folder, pl.DataFrame({"a": [1]}), mode="append", commit_properties=properties)


@pytest.mark.parametrize("later", [0, 1, 3])
@pytest.mark.parametrize("version", [0, 2])
def test_entries_are_those_up_to_the_open_version(tmp_path, version, later):
    for number in range(version + 1):
        commit(tmp_path, f"c{number}")
    table = DeltaTable(tmp_path)
    for number in range(later):
        commit(tmp_path, f"later{number}")
    expected = [(number, f"c{number}") for number in range(version, -1, -1)]
    entry = newest_entry(table)
    assert entry is not None
    assert (entry["version"], entry["name"]) == expected[0]
    assert [(entry["version"], entry["name"]) for entry in all_entries(table)] == expected


def test_a_version_has_its_own_coverage_when_another_run_commits_meanwhile(tmp_path, monkeypatch):
    stored = [DeltaStore(str(tmp_path), "p").table("v", 1, KEYS) for _ in range(2)]
    stored[0].append(FrameRows(table_rows(5), KEYS), Coverage(parts={"a": "1"}))
    opened = ViewTable._open  # noqa: SLF001  # between it and the log another commits

    def open_late(table, *version):
        found = opened(table, *version)
        if table is reader:
            monkeypatch.setattr(ViewTable, "_open", opened)
            stored[1].append(FrameRows(table_rows(5, start=20), KEYS), Coverage(parts={"b": "2"}))
        return found

    reader = DeltaStore(str(tmp_path), "p").table("v", 1, KEYS)
    monkeypatch.setattr(ViewTable, "_open", open_late)
    assert reader.coverage() == Coverage(parts={"a": "1"})
    assert reader.coverage() == Coverage(parts={"b": "2"})
    assert reader.history() == [(0, Coverage(parts={"a": "1"})), (1, Coverage(parts={"b": "2"}))]
