"""A run knows the table that it finds: made by another definition, or grown too large for its buckets."""

import shutil
from dataclasses import replace

import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.materialize.view import Run, materialize_view
from featurectl.offline.delta import DeltaStore
from featurectl.sources.open import open_source
from tests.definitions import LATEST, named
from tests.materialize.test_view import FILES, at, run, values, write


def test_a_table_of_the_same_number_and_another_definition_is_made_anew(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 20.0, 3, 4))
    assert values(run(tmp_path)[1]) == [1.0, 20.0]
    late = replace(LATEST, where=named("late", "arr_delay > 15").expression)
    made, table = run(tmp_path, view=late)
    assert (made.action, values(table)) == ("rebuild", [20.0])
    assert run(tmp_path, view=late)[0].action == "nothing"


def test_a_source_that_moved_is_read_anew_and_one_whose_old_files_are_gone_is_added_to(tmp_path):
    source = replace(FILES, available_at=None)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1))
    run(tmp_path, source=source)
    (tmp_path / "data" / "1.parquet").unlink()
    write(tmp_path, "2.parquet", ("A", 2.0, 2, 2))
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("append", [1.0, 2.0])
    (tmp_path / "data").rename(tmp_path / "moved")
    made, table = run(tmp_path, source=replace(source, path="moved/*.parquet"))
    assert (made.action, values(table)) == ("rebuild", [2.0])
    made, _ = run(tmp_path, source=replace(source, path="moved"))
    assert made.action == "nothing"


@pytest.mark.parametrize("below", [True, False], ids=["below the root", "outside"])
def test_a_source_whose_variable_points_elsewhere_is_read_anew(tmp_path, monkeypatch, below):
    root = tmp_path / "root" if not below else tmp_path
    root.mkdir(exist_ok=True)
    source = replace(FILES, available_at=None, path="${PLACE}/*.parquet")
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1))
    monkeypatch.setenv("PLACE", str(tmp_path / "data"))
    assert run(root, source=source)[0].action == "rebuild"
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere")
    monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere"))
    made, table = run(root, source=source)
    assert (made.action, values(table)) == ("rebuild", [1.0])


def test_a_table_that_grows_gets_more_buckets_and_its_rows_stay(tmp_path):
    table = DeltaStore(str(tmp_path / "offline"), "p", rows_per_bucket=3).table("latest", 1, LATEST.entity.keys)
    view, seen = replace(LATEST, source=FILES), []
    for n in range(12):
        write(tmp_path, f"{n:02}.parquet", ("ABCDEFGH"[n % 8], float(n), n, n), ("C", float(n), n, n))
        job = Run(view=view, version=1, reader=open_source(FILES, tmp_path), table=table)
        assert materialize_view(PolarsEngine(1), job, at(99)).rows_written == 2
        seen.append((table.buckets(), table.coverage().rebuild_id))
    assert [buckets for buckets, _ in seen] == [1] * 3 + [4] * 9
    assert len({rebuild for _, rebuild in seen}) == 1
    whole, other = run(tmp_path, offline="other")
    assert whole.rows_written == 24
    assert table.read().equals(other.read())
