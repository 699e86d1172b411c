"""A spine keeps its rows and their order; cuts are by time and by a seeded share."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import DataError, UsageError
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import Spine
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.operations.training.spine import (
    Cut,
    SpineClocks,
    cut_spine,
    file_source,
    read_file_spine,
    read_source_spine,
)
from featurectl.sources.open import open_source

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def spine_file(folder: Path, name="spine.parquet", hours=(3, 1, 2, 1)) -> Path:
    frame = pl.DataFrame({"k": list("cab" + "a"), "event_time": [T0 + timedelta(hours=h) for h in hours]})
    path = folder / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    return path


def read(path: Path, time="event_time"):
    return read_file_spine(open_source(file_source(path), path.parent), path, SpineClocks(times=(time, "event_time")))


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


def test_a_time_that_is_a_text_stays_a_text_and_is_read_as_an_instant(tmp_path):
    path = tmp_path / "s.parquet"
    texts = ["2024-01-01T02:00:00+01:00", None, "2024-01-01"]
    pl.DataFrame({"event_time": texts}).write_parquet(path)
    spine = read(path)
    assert spine.own["event_time"].to_list() == texts
    assert [t and t.hour for t in spine.time] == [1, None, 0]
    assert cut_spine(spine, Cut(since=T0 + timedelta(minutes=1))).own["event_time"].to_list() == texts[:1]


UNTYPED = {"took": [time(5), time(6)], "big": pl.Series([7, 2**63], dtype=pl.UInt64), "at": [T0, T0]}


@pytest.mark.parametrize("far", [pl.Series([10**18]).cast(pl.Datetime("ms")), pl.Series([2**31 - 1]).cast(pl.Date)])
def test_a_time_that_microseconds_do_not_reach_can_not_be_read(tmp_path, far):
    path = tmp_path / "spine.parquet"
    pl.DataFrame({"event_time": far}).write_parquet(path)
    with pytest.raises(DataError, match=r"spine .*spine\.parquet.* can't be read: .*out-of-range"):
        read_file_spine(open_source(file_source(path), tmp_path), path, SpineClocks())


def test_a_time_that_the_language_lacks_is_there_and_is_no_time(tmp_path):
    path = tmp_path / "s.parquet"
    pl.DataFrame(UNTYPED).write_parquet(path)
    with pytest.raises(DataError, match=r"spine file s\.parquet: column took is Time, must be a timestamp or a date"):
        read(path, time="took")


def test_a_column_to_cast_is_found_in_any_type_or_those_there_are_named(tmp_path):
    path = tmp_path / "s.parquet"
    pl.DataFrame(UNTYPED).write_parquet(path)
    spine = read(path, time="at")
    assert spine.rows.columns == ["at"]
    assert [spine.column(name).dtype for name in UNTYPED] == [pl.Time, pl.UInt64, pl.Datetime("us", "UTC")]
    with pytest.raises(DataError, match=r"spine file s\.parquet has no column 'k'") as caught:
        spine.column("k")
    assert (caught.value.code, caught.value.hint) == ("FC506", "its columns: took, big, at")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"where": "took is null"}, "where of spine s: column took is Time, a type that the language lacks"),
        (
            {"where": "big > 7"},
            "where of spine s: column big is UInt64, must be int64: 1 of 2 values does not fit; first",
        ),
        (
            {"select": "big > 7"},
            "source s: column big is UInt64, must be int64: 1 of 2 values does not fit; first at row 2",
        ),
        ({"select": "took is null"}, "source s: column took is Time, a type that the language lacks"),
        ({"select": "huge > 7"}, 'source "s", select "made": no column "huge"'),
        (
            {"dedup_key": ("big",)},
            "source s: column big is UInt64, must be int64: 1 of 2 values does not fit; first at row 2",
        ),
    ],
)
def test_what_an_expression_or_a_key_of_the_source_can_not_read_is_named(tmp_path, keys, message):
    pl.DataFrame(UNTYPED).write_parquet(tmp_path / "s.parquet")
    select = (
        (NamedExpression(name="made", expression=Expression(keys["select"]), dtype=None),) if "select" in keys else ()
    )
    source = Source(
        name="s",
        format="parquet",
        path="s.parquet",
        event_time="at",
        select=select,
        dedup_key=keys.get("dedup_key", ()),
    )
    spine = Spine(source=source, time="at", where=Expression(keys["where"]) if "where" in keys else None)
    with pytest.raises(DataError) as caught:
        read_source_spine(open_source(source, tmp_path), spine)
    assert caught.value.message.startswith(message)


def test_a_select_column_replaces_one_that_no_expression_can_read(tmp_path):
    pl.DataFrame(UNTYPED).write_parquet(tmp_path / "s.parquet")
    select = (NamedExpression(name="took", expression=Expression("at is null"), dtype="bool"),)
    source = Source(name="s", format="parquet", path="s.parquet", event_time="at", select=select)
    spine = read_source_spine(
        open_source(source, tmp_path), Spine(source=source, time="at", where=Expression("not took"))
    )
    assert list(spine.own.schema.items())[:2] == [("took", pl.Boolean()), ("big", pl.UInt64())]
    assert spine.own["took"].to_list() == [False, False]


def test_a_select_over_columns_whose_types_are_known_only_now_is_typed_now(tmp_path):
    (tmp_path / "s.ndjson").write_text('{"at": "2024-01-01T00:00:00Z", "n": 1, "o": {"p": 1}}\n')
    select = (NamedExpression(name="more", expression=Expression("n + 1"), dtype=None),)
    source = Source(name="s", format="ndjson", path="s.ndjson", event_time="at", select=select)
    spine = read_source_spine(open_source(source, tmp_path), Spine(source=source, time="at"))
    assert spine.own.to_dicts() == [{"at": "2024-01-01T00:00:00Z", "n": 1, "o": {"p": 1}, "more": 2}]


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
