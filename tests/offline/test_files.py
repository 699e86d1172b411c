"""A data file is there whole or not at all, whoever writes, reads or commits it at the moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from deltalake.transaction import AddAction

from featurectl.offline import files
from featurectl.offline.files import RunFiles
from featurectl.offline.rows import FrameRows
from tests.offline.table_rows import KEYS, table_rows

COLUMNS = ("carrier", "number", "event_time", "available_at", "tie_order", "delay")


def run_of(folder: Path, columns: Sequence[str] = COLUMNS) -> RunFiles:
    rows = FrameRows(table_rows(50), KEYS)  # type: ignore[arg-type]
    return RunFiles(location=str(folder), name="part-x", rows=rows, buckets=1, columns=columns)


def written(folder: Path) -> AddAction:
    return run_of(folder).write({})[0]


@pytest.mark.parametrize("many", [0, 1 << 30])
@pytest.mark.sample(1)
def test_every_bucket_with_rows_has_its_file_whether_or_not_others_wait(tmp_path, monkeypatch, many):
    monkeypatch.setattr(files, "_MANY_BYTES", many)
    rows = FrameRows(table_rows(50), KEYS)
    run = RunFiles(location=str(tmp_path), name="part-x", rows=rows, buckets=64, columns=COLUMNS)
    full = {b: frame for b in range(64) if (frame := rows.of(b, 64)).height}
    full[min(full)].write_parquet(tmp_path / "old.parquet")
    taken = run.write({min(full): [str(tmp_path / "old.parquet")]})
    assert 1 < len(full) < 64
    assert taken.keys() == full.keys()
    for bucket, action in taken.items():
        found = pl.read_parquet(tmp_path / action.path, hive_partitioning=False)
        rows = full[bucket].select(COLUMNS)
        if bucket == min(full):  # the same rows once more
            assert found.gather_every(2).equals(rows)
            assert found.gather_every(2, offset=1).equals(rows)
        else:
            assert found.equals(rows)


def test_a_file_replaces_a_half_one_at_once_and_its_readers_read_on(tmp_path):
    path = tmp_path / "bucket=0" / "part-x-0.parquet"
    path.parent.mkdir()
    path.write_bytes(half := b"PAR1 and no end")
    with path.open("rb") as reader:
        action = written(tmp_path)
        assert reader.read() == half
    assert action.size == path.stat().st_size
    assert pl.read_parquet(path, hive_partitioning=False).height == 50
    assert list(path.parent.iterdir()) == [path]


def test_a_whole_file_is_taken_as_it_is(tmp_path):
    first = written(tmp_path)
    path = tmp_path / first.path
    number = path.stat().st_ino
    again = written(tmp_path)
    assert (again.path, again.size, again.stats) == (first.path, first.size, first.stats)
    assert path.stat().st_ino == number


def test_a_write_that_fails_leaves_nothing(tmp_path):
    target = tmp_path / "bucket=0" / "part-x-0.parquet"
    target.mkdir(parents=True)  # no file can take its place
    with pytest.raises(OSError, match="part-x-0"):
        written(tmp_path)
    assert list(target.parent.iterdir()) == [target]
