"""What a handle remembers of a table's versions: each is opened once, and is what it was."""

from __future__ import annotations

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from featurectl.offline import opened_versions
from featurectl.offline.opened_versions import OpenedVersions


@pytest.fixture
def table(tmp_path):
    """A table of three versions, each with a row more."""
    for number in range(3):
        write_deltalake(str(tmp_path / "t"), pl.DataFrame({"a": [number]}), mode="append")
    return OpenedVersions(location=str(tmp_path / "t"))


def rows(found: DeltaTable) -> int:
    return found.count()


def test_a_version_stays_what_it_was_when_the_table_grows(table):
    before = table.at(2)
    assert (rows(table.newest()), rows(before)) == (3, 3)
    write_deltalake(table.location, pl.DataFrame({"a": [3]}), mode="append")
    assert (rows(table.newest()), rows(before), rows(table.at(2)), rows(table.at(0))) == (4, 3, 3, 1)


def test_a_version_is_read_from_the_log_once(table, monkeypatch):
    made = []
    monkeypatch.setattr(
        opened_versions, "DeltaTable", lambda *of, **how: made.append(how.get("version")) or DeltaTable(*of, **how)
    )
    for _ in range(5):
        assert [rows(table.at(number)) for number in (0, 1, 2)] == [1, 2, 3]
        assert rows(table.newest()) == 3
    assert made == [0, 1, 2, None]


def test_no_more_than_a_few_versions_are_remembered(table):
    for number in range(3, 9):
        write_deltalake(table.location, pl.DataFrame({"a": [number]}), mode="append")
    assert [rows(table.at(number)) for number in range(9)] == list(range(1, 10))
    assert len(table._at) == opened_versions._MOST  # noqa: SLF001  # memory is what it is about


def test_a_table_that_is_not_there_is_none_that_was_opened(tmp_path):
    table = OpenedVersions(location=str(tmp_path / "t"))
    for ask in (table.newest, lambda: table.at(0)):
        with pytest.raises(TableNotFoundError):
            ask()
    write_deltalake(table.location, pl.DataFrame({"a": [1]}))
    assert rows(table.newest()) == rows(table.at(0)) == 1
