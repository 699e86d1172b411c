"""Scores go into a table of Snowflake: all of them or none, in the place of those before."""

from __future__ import annotations

import json
import math
import signal
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurectl.cli.main import main
from featurectl.core.errors import StoreError, UsageError
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.operations.outputs.frames import Frames, frames_of
from featurectl.operations.scoring.destination import open_destination
from featurectl.sources.original_columns import split_kept
from featurectl.sources.sql.reader import SqlReader
from tests.operations.scoring.killed import ROWS, killed, score_words, scored_shop
from tests.operations.scoring.shop import write_spine
from tests.servers.snowflake import PASSWORD, run_statements, snowflake_url

UTC_US = pl.Datetime("us", "UTC")


def rows_of(url: str, root, query: str = "select * from scores") -> pl.DataFrame:
    """Return rows of Snowflake as they are read from a source."""
    source = Source(name="s", format="sql", sql=SqlQuery(url=url, query=query), event_time=None)
    reader = SqlReader(source=source, root=root, url=url)
    return split_kept(reader.scan_kept(reader.parts()).collect())[1]


def manifests(url: str, table: str = "scores") -> list[object]:
    """Return the manifests beside a table."""
    (found,) = run_statements(url, f"select manifest as m from {table}_manifest")
    return [json.loads(row["M"]) for row in found]


def to(url: str, table: str = "scores"):
    """Return a table as the destination of scores."""
    return open_destination(f"{url}&table={table}", "m")


@pytest.mark.guests
def test_values_of_all_types_come_back_as_they_were(snowflake_url, tmp_path):
    rows = pl.DataFrame(
        {
            "b": [True, None], "i": [-(2**63), 2**63 - 1], "small": [1, None], "wide": [2**63 - 1, 0],
            "f": [math.nan, 0.1], "d": [Decimal("-1.25"), None], "s": ["ä'\"\n", None], "kind": ["x", "y"],
            "bytes": [b"\x00\xff", None], "day": [date.min, date.max], "at": [datetime(2024, 1, 1, 1), None],  # noqa: DTZ001
            "z": [datetime(2024, 3, 31, 1, 30, tzinfo=UTC), None], "nothing": [None, None],
        },
        schema={
            "b": pl.Boolean, "i": pl.Int64, "small": pl.Int8, "wide": pl.UInt64, "f": pl.Float64,
            "d": pl.Decimal(10, 2), "s": pl.String, "kind": pl.Categorical, "bytes": pl.Binary, "day": pl.Date,
            "at": pl.Datetime("us"), "z": UTC_US, "nothing": pl.Null,
        },
    )  # fmt: skip
    to(snowflake_url).write(frames_of(rows), {"run": "ä'"})
    wanted = rows.cast({"small": pl.Int64, "wide": pl.Int64, "kind": pl.String, "nothing": pl.String})
    assert_frame_equal(rows_of(snowflake_url, tmp_path), wanted, check_row_order=False)
    assert manifests(snowflake_url) == [{"run": "ä'"}]


@pytest.mark.guests
def test_rows_in_many_frames_take_the_place_of_those_before(snowflake_url, tmp_path):
    def frames(*sizes: int) -> Frames:
        made = [pl.DataFrame({"k": range(size)}, schema={"k": pl.Int64}) for size in sizes]
        return Frames(schema=made[0].schema, height=sum(sizes), read=lambda: iter(made))

    for number, sizes in enumerate([(3, 0, 2, 70), (1,), (0,), (5, 5)]):
        to(snowflake_url).write(frames(*sizes), {"run": number})
        found = rows_of(snowflake_url, tmp_path)["k"].to_list()
        assert sorted(found) == sorted(n for size in sizes for n in range(size))
        assert manifests(snowflake_url) == [{"run": number}]


@pytest.mark.guests
def test_a_table_in_another_schema_is_named_with_it(snowflake_url, tmp_path):
    run_statements(snowflake_url, "create schema other")
    to(snowflake_url, "other.Scores").write(frames_of(pl.DataFrame({"k": [7]})), {})
    assert rows_of(snowflake_url, tmp_path, 'select * from other."Scores"')["k"].to_list() == [7]


@pytest.mark.guests
def test_rows_that_end_in_the_middle_change_nothing(snowflake_url, tmp_path):
    def read():
        yield pl.DataFrame({"k": [2]})
        raise StoreError("the spine is gone")

    of = to(snowflake_url)
    of.write(frames_of(pl.DataFrame({"k": [1]})), {"run": 1})
    with pytest.raises(StoreError, match="the spine is gone"):
        of.write(Frames(schema=pl.Schema({"k": pl.Int64}), height=2, read=read), {"run": 2})
    assert rows_of(snowflake_url, tmp_path)["k"].to_list() == [1]
    assert manifests(snowflake_url) == [{"run": 1}]


@pytest.mark.guests
def test_a_table_that_can_not_take_the_columns_is_told_before(snowflake_url, tmp_path):
    run_statements(snowflake_url, "create table scores (mine int)", "insert into scores values (7)")
    with pytest.raises(UsageError, match="table scores is there with other columns: K, MINE"):
        to(snowflake_url).check_columns(pl.Schema({"k": pl.Int64()}))
    with pytest.raises(UsageError, match=r"column 'k' is List\(Int64\), which it can't hold"):
        to(snowflake_url, "new").check_columns(pl.Schema({"k": pl.List(pl.Int64())}))
    with pytest.raises(UsageError, match="column K is there twice where names have no quotes"):
        to(snowflake_url, "new").check_columns(pl.Schema({"k": pl.Int64(), "K": pl.Int64()}))
    assert rows_of(snowflake_url, tmp_path)["mine"].to_list() == [7]


def test_an_address_that_names_no_table_is_told_without_secrets():
    url = snowflake_url(1)
    for wrong, said in (
        (url, "into which table?"),
        (f"{url}&table=a..b", "into which table?"),
        (f"{url}&table=t&rol=x", "parameter 'rol'"),
        (f"{url}&table=t&private_key_file=no.p8", "can't be read: No such file"),
    ):
        with pytest.raises(UsageError) as caught:
            open_destination(wrong, "m")
        assert said in str(caught.value)
        assert PASSWORD not in str(caught.value)


@pytest.mark.long
def test_a_server_that_is_not_there_is_told_without_secrets(monkeypatch):
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.1)
    with pytest.raises(StoreError, match=r"t of snowflake://acct/shop/public can't be written: .*refused") as caught:
        to(snowflake_url(1), "t").check()
    assert caught.value.code == "FC605"
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, a spine of three ranges, and the file of a run that nobody killed."""
    return scored_shop(tmp_path_factory.mktemp("shop"))


@pytest.mark.guests
def test_a_run_that_is_killed_leaves_the_rows_before_or_its_own(made, snowflake_url, tmp_path):
    """A table of its own each time: fakesnow keeps the transactions of who is gone, and so their locks."""
    write_spine(tmp_path / "spine.parquet", 10, seed=2)
    before = ["score", "m", "-C", str(made), "--spine", str(tmp_path / "spine.parquet"), "-q", "--out"]
    assert main([*before, f"{snowflake_url}&table=first"]) == 0
    scores = pl.read_parquet(made / "expected.parquet")["score"].sort().to_list()
    left = []
    for number in count(1):
        table = f"scores_{number}"
        run_statements(snowflake_url, f"create table {table} as select * from first")
        code = killed("statement run", number, score_words(made, f"{snowflake_url}&table={table}"))
        rows = rows_of(snowflake_url, tmp_path, f"select score from {table} order by score")["score"].to_list()
        assert len(rows) == 10 or rows == scores, number
        left.append(len(rows))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert left == [10] * (len(left) - 2) + [ROWS] * 2
    assert len(left) > 8


@pytest.mark.guests
@pytest.mark.parametrize("number", [1, 3])
def test_a_run_that_was_killed_is_given_again_and_makes_its_rows(made, snowflake_url, tmp_path, number):
    wanted = pl.read_parquet(made / "expected.parquet")
    assert killed("statement run", number, score_words(made, f"{snowflake_url}&table=scores")) == -signal.SIGKILL
    for _ in range(2):
        assert main(score_words(made, f"{snowflake_url}&table=scores")) == 0
        found = rows_of(snowflake_url, tmp_path)
        assert_frame_equal(found, wanted, check_row_order=False, check_dtypes=False, check_exact=True)
