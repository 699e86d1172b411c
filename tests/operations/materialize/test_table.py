"""A run knows the table that it finds: made by another definition, in an older form, or grown too large."""

import shutil
from dataclasses import replace

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.delta import DeltaStore
from featurectl.offline.rows import FrameRows
from featurectl.operations.materialize.dry_run import plan_view
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.table_increment import materialize_view
from featurectl.sources.open import open_source
from tests.definitions import LATEST, named
from tests.operations.materialize.test_view import FILES, SCHEMA, at, run, values, write


def test_a_table_of_the_same_number_and_another_definition_is_made_anew(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2), ("A", 20.0, 3, 4))
    assert values(run(tmp_path)[1]) == [1.0, 20.0]
    late = replace(LATEST, where=named("late", "arr_delay > 15").expression)
    made, table = run(tmp_path, view=late)
    assert (made.action, values(table)) == ("rebuild", [20.0])
    assert run(tmp_path, view=late)[0].action == "nothing"


def test_a_moved_source_is_read_anew_and_one_without_old_files_added_to(tmp_path):
    source = replace(FILES, available_at=None)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1))
    run(tmp_path, source=source)
    (tmp_path / "data" / "1.parquet").unlink()
    write(tmp_path, "2.parquet", ("A", 2.0, 2, 2))
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("append", [1.0, 2.0])
    (tmp_path / "data").rename(tmp_path / "moved")
    moved = replace(source, path="moved/*.parquet")
    with pytest.raises(DataError, match=r"1 row of 2024-01-01T01:00:00Z .* the source has another path"):
        run(tmp_path, source=moved)
    assert values(table) == [1.0, 2.0]
    made, table = run(tmp_path, source=moved, full=True)
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
    assert run(root, source=source, data_roots=[".."])[0].action == "first"
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere")
    monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere"))
    made, table = run(root, source=source, data_roots=[".."])
    assert (made.action, made.rows_read, values(table)) == ("nothing", 1, [1.0])
    (tmp_path / "data").rename(tmp_path / "before")
    write(tmp_path, "1.parquet", ("A", 2.0, 1, 1))
    monkeypatch.setenv("PLACE", str(tmp_path / "data"))
    made, table = run(root, source=source, data_roots=[".."])
    assert (made.action, values(table)) == ("rebuild", [2.0])


@pytest.mark.long
def test_a_table_that_grows_gets_more_buckets_and_its_rows_stay(tmp_path):
    table = DeltaStore(str(tmp_path / "offline"), "p", rows_per_bucket=3).table("latest", 1, LATEST.entity.keys)
    view, seen = replace(LATEST, source=FILES), []
    for n in range(12):
        write(tmp_path, f"{n:02}.parquet", ("ABCDEFGH"[n % 8], float(n), n, n), ("C", float(n), n, n))
        job = MaterializeRun(view=view, version=1, reader=open_source(FILES, tmp_path), table=table)
        assert materialize_view(PolarsEngine(1), job, at(99)).rows_written == 2
        seen.append((table.buckets(), table.coverage().rebuild_id))
    assert [buckets for buckets, _ in seen] == [1] * 3 + [4] * 9
    assert len({rebuild for _, rebuild in seen}) == 1
    whole, other = run(tmp_path, offline="other")
    assert whole.rows_written == 24
    assert table.read().equals(other.read())


def test_increments_order_ties_as_one_run_when_later_files_have_more(tmp_path):
    frame = pl.DataFrame([("A", "JFK", float(i), at(1), at(2)) for i in range(20)], schema=SCHEMA, orient="row")
    source = replace(FILES, columns=None, columns_declared=False)
    (tmp_path / "data").mkdir()
    frame.write_parquet(tmp_path / "data" / "1.parquet")
    run(tmp_path, source=source)
    later = frame.head(1).with_columns(extra=pl.lit("x"), arr_delay=pl.lit(99.0), known_at=pl.lit(at(3)))
    later.write_parquet(tmp_path / "data" / "2.parquet")
    stepwise = values(run(tmp_path, source=source)[1])
    assert stepwise == values(run(tmp_path, source=source, offline="whole")[1])
    assert stepwise[-1] == 99.0


def test_a_table_of_an_older_featurectl_is_made_anew(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    _, table = run(tmp_path)
    older = replace(table.coverage(), rows_mark=table.coverage().rows_mark.partition(":")[0])
    table.replace(FrameRows(table.read().with_columns(tie_order=pl.lit(0)), ["carrier"]), older)
    made, table = run(tmp_path)
    assert (made.action, run(tmp_path)[0].action) == ("rebuild", "nothing")
    assert table.read()["tie_order"].to_list() != [0]


WIDER = replace(LATEST, inputs=(*LATEST.inputs, named("late", "late")))


@pytest.mark.sample(1)
@pytest.mark.parametrize("source", [FILES, replace(FILES, available_at=None)], ids=["available_at", "files"])
def test_a_new_column_does_not_cost_the_rows_of_files_that_are_gone(tmp_path, source):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    write(tmp_path, "2.parquet", ("A", 20.0, 3, 4))
    before = run(tmp_path, source=source)[1].read()
    (tmp_path / "data" / "1.parquet").rename(tmp_path / "away.parquet")
    with pytest.raises(DataError, match=r"data/1\.parquet that the table of latest has read is gone") as told:
        run(tmp_path, view=WIDER, source=source)
    assert (told.value.code, "--full" in told.value.hint) == ("FC501", True)
    job = MaterializeRun(view=replace(WIDER, source=source), version=1, reader=open_source(source, tmp_path),
              table=DeltaStore(str(tmp_path / "offline"), "p").table("latest", 1, LATEST.entity.keys))  # fmt: skip
    with pytest.raises(DataError, match=r"1 row of 2024-01-01T01:00:00Z .* would lose them"):
        plan_view(job, at(99))
    assert job.table.read().equals(before)
    (tmp_path / "away.parquet").rename(tmp_path / "data" / "1.parquet")
    made, table = run(tmp_path, view=WIDER, source=source)
    assert (made.action, table.read().select("arr_delay", "late").rows()) == ("rebuild", [(1.0, False), (20.0, True)])


@pytest.mark.sample(1)
@pytest.mark.parametrize("moved", [False, True], ids=["changed in place", "moved"])
def test_a_table_is_not_made_anew_without_the_rows_of_a_file_that_is_gone(tmp_path, moved):
    source = replace(FILES, available_at=None)
    for name in "123":
        write(tmp_path, f"{name}.parquet", ("A", float(name), int(name), 0))
    _, table = run(tmp_path, source=source)
    (tmp_path / "data" / "1.parquet").rename(tmp_path / "away.parquet")
    if moved:
        (tmp_path / "data" / "2.parquet").unlink()
        write(tmp_path, "12.parquet", ("A", 2.0, 2, 0))
        source = replace(source, path="data/1*.parquet")
    else:
        write(tmp_path, "2.parquet", ("A", 2.0, 2, 0), ("A", 4.0, 4, 0))
    with pytest.raises(DataError, match=r"data/1\.parquet that the table of latest has read is gone") as told:
        run(tmp_path, source=source)
    assert ("another path" if moved else "changed in place") in told.value.message
    assert values(table) == [1.0, 2.0, 3.0]
    (tmp_path / "away.parquet").rename(tmp_path / "data" / "1.parquet")
    made, table = run(tmp_path, source=source)
    assert (made.action, values(table)) == ("rebuild", [1.0, 2.0] if moved else [1.0, 2.0, 3.0, 4.0])


def test_full_makes_the_wider_table_of_what_there_is(tmp_path):
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 2))
    write(tmp_path, "2.parquet", ("A", 20.0, 3, 4))
    run(tmp_path)
    (tmp_path / "data" / "1.parquet").unlink()
    made, table = run(tmp_path, view=WIDER, full=True)
    assert (made.action, values(table)) == ("rebuild", [20.0])
    assert run(tmp_path, view=WIDER)[0].action == "nothing"


def test_a_source_that_moved_and_has_a_new_column_is_read_anew(tmp_path):
    source = replace(FILES, available_at=None)
    write(tmp_path, "1.parquet", ("A", 1.0, 1, 1))
    run(tmp_path, source=source)
    (tmp_path / "data").rename(tmp_path / "moved")
    assert run(tmp_path, view=WIDER, source=replace(source, path="moved/*.parquet"))[0].action == "rebuild"
