"""A spine keeps its rows and their order; cuts are by time and by a seeded share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.errors import DataError, UsageError
from featurectl.expressions.tree import Expression
from featurectl.sources.open import open_source
from featurectl.spec.definition import Source, Spine
from featurectl.training.spine import Cut, cut_spine, file_source, read_file_spine, read_source_spine

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def spine_file(folder: Path, name="spine.parquet", hours=(3, 1, 2, 1)) -> Path:
    frame = pl.DataFrame({"k": list("cab" + "a"), "event_time": [T0 + timedelta(hours=h) for h in hours]})
    path = folder / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return path


def read(path: Path, time="event_time"):
    return read_file_spine(open_source(file_source(path), path.parent), path, time)


@pytest.mark.parametrize("name", ["spine.parquet", "spine.csv"])
def test_a_file_is_read_in_its_order_with_its_repeats(tmp_path, name):
    spine = read(spine_file(tmp_path, name))
    assert spine.rows["k"].to_list() == ["c", "a", "b", "a"]
    assert [t.hour for t in spine.time] == [3, 1, 2, 1]


def test_a_file_without_the_models_time_column_is_asked_at_event_time(tmp_path):
    assert read(spine_file(tmp_path), time="decided_at").time_column == "event_time"


def test_a_file_without_any_time_is_refused(tmp_path):
    path = tmp_path / "s.parquet"
    pl.DataFrame({"k": ["a"]}).write_parquet(path)
    with pytest.raises(DataError, match=r"spine file s\.parquet has no column 'event_time'") as caught:
        read(path)
    assert (caught.value.code, caught.value.hint) == ("FC506", "its columns: k")


def test_a_time_that_is_no_time_is_refused(tmp_path):
    path = tmp_path / "s.parquet"
    pl.DataFrame({"event_time": [1]}).write_parquet(path)
    with pytest.raises(DataError, match="column event_time is int64, must be a timestamp or a date"):
        read(path)


@pytest.mark.parametrize(("name", "message"), [("s.xlsx", "what format is it"), ("s.csv", "no such file")])
def test_a_file_that_can_not_be_a_spine_is_wrong_usage(tmp_path, name, message):
    with pytest.raises(UsageError, match=message):
        file_source(tmp_path / name)


def test_a_cut_by_time_is_half_open_and_keeps_the_order(tmp_path):
    spine = read(spine_file(tmp_path))
    cut = cut_spine(spine, Cut(since=T0 + timedelta(hours=1), until=T0 + timedelta(hours=3)))
    assert cut.rows["k"].to_list() == ["a", "b", "a"]
    assert len(cut.time) == 3


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    path = tmp_path / "s.parquet"
    pl.DataFrame({"n": range(1000), "event_time": [T0] * 1000}).write_parquet(path)
    spine = read(path)
    first = cut_spine(spine, Cut(sample=0.1, seed=1)).rows["n"].to_list()
    assert first == cut_spine(spine, Cut(sample=0.1, seed=1)).rows["n"].to_list()
    assert first != cut_spine(spine, Cut(sample=0.1, seed=2)).rows["n"].to_list()
    assert 50 < len(first) < 150
    assert first == sorted(first)


def test_the_digest_tells_values_and_order(tmp_path):
    one = read(spine_file(tmp_path))
    assert one.sha256() == read(spine_file(tmp_path, "b.parquet")).sha256()
    assert one.sha256() != read(spine_file(tmp_path, "c.parquet", hours=(3, 1, 2, 2))).sha256()


def source_spine(tmp_path, where=None, **more):
    frame = pl.DataFrame({"k": ["b", "a", None, "b"], "v": [1, 2, 3, 1], "at": [T0, None, T0 + timedelta(hours=1), T0]})
    frame.write_parquet(tmp_path / "s.parquet")
    source = Source(name="s", format="parquet", path="s.parquet", event_time="at", **more)
    spine = Spine(source=source, time="at", where=None if where is None else Expression(where))
    return read_source_spine(open_source(source, tmp_path), spine)


def test_a_source_spine_keeps_rows_with_null_keys_and_times(tmp_path):
    spine = source_spine(tmp_path)
    assert spine.rows.columns == ["k", "v", "at"]
    assert spine.rows["k"].to_list() == ["b", "a", None, "b"]
    assert spine.time.null_count() == 1


def test_where_filters_the_spine(tmp_path):
    assert source_spine(tmp_path, where="v >= 2").rows["v"].to_list() == [2, 3]


def test_where_over_a_missing_column_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match='where of spine s: no column "w"') as caught:
        source_spine(tmp_path, where="w > 1")
    assert caught.value.code == "FC503"


def test_repeats_of_an_event_are_left_out_and_the_order_stays(tmp_path):
    spine = source_spine(tmp_path, dedup_key=("k", "v"))
    assert spine.rows["v"].to_list() == [1, 2, 3]
