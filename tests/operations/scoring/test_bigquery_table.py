"""Scores go into a table of BigQuery: all of them or none, in the place of those before."""

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
from tests.servers.bigquery import run_in_bigquery


def rows_of(url: str, root, query: str = "select * from scores") -> pl.DataFrame:
    """Return rows of BigQuery as they are read from a source."""
    source = Source(name="s", format="sql", sql=SqlQuery(url=url, query=query), event_time=None)
    reader = SqlReader(source=source, root=root, url=url)
    return split_kept(reader.scan_kept(reader.parts()).collect())[1]


def manifests(url: str, table: str = "scores") -> list[dict]:
    """Return the manifests beside a table."""
    return [json.loads(text) for (text,) in run_in_bigquery(url, f"select manifest from {table}_manifest")]


def out(url: str, table: str = "scores") -> str:
    """Return the URL of a table in a dataset."""
    return url.replace("?", f"/{table}?")


def to(url: str, table: str = "scores"):
    """Return a table as the destination of scores."""
    return open_destination(out(url, table), "m")


@pytest.mark.guests
def test_values_of_all_types_come_back_as_they_were(bigquery_url, tmp_path):
    rows = pl.DataFrame(
        {
            "b": [True, None], "i": [-(2**63), 2**63 - 1], "small": [1, None], "wide": [2**64 - 1, 0],
            "f": [math.nan, 0.1], "d": [Decimal("-1.25"), None], "s": ["ä'\"\n", None], "kind": ["x", "y"],
            "bytes": [b"\x00\xff", None], "day": [date.min, date.max], "at": [datetime(2024, 1, 1, 1), None],  # noqa: DTZ001
            "z": [datetime(2024, 3, 31, 1, 30, tzinfo=UTC), None], "nothing": [None, None],
        },
        schema={
            "b": pl.Boolean, "i": pl.Int64, "small": pl.Int8, "wide": pl.UInt64, "f": pl.Float64,
            "d": pl.Decimal(10, 2), "s": pl.String, "kind": pl.Categorical, "bytes": pl.Binary, "day": pl.Date,
            "at": pl.Datetime("us"), "z": pl.Datetime("us", "Europe/Berlin"), "nothing": pl.Null,
        },
    )  # fmt: skip
    to(bigquery_url).write(frames_of(rows), {"run": "ä'"})
    number = pl.Decimal(38, 9)
    wanted = rows.cast({
        "small": pl.Int64, "wide": number, "d": number, "kind": pl.String, "nothing": pl.String,
        "z": pl.Datetime("us", "UTC"),
    })  # fmt: skip
    assert_frame_equal(rows_of(bigquery_url, tmp_path), wanted, check_row_order=False)
    assert [manifest["run"] for manifest in manifests(bigquery_url)] == ["ä'"]


@pytest.mark.guests
def test_rows_in_many_frames_take_the_place_of_those_before(bigquery_url, tmp_path):
    def frames(*sizes: int) -> Frames:
        made = [pl.DataFrame({"k": range(size)}, schema={"k": pl.Int64}) for size in sizes]
        return Frames(schema=made[0].schema, height=sum(sizes), read=lambda: iter(made))

    for number, sizes in enumerate([(3, 0, 2, 70), (1,), (0,), (5, 5)]):
        to(bigquery_url).write(frames(*sizes), {"run": number})
        found = rows_of(bigquery_url, tmp_path)["k"].to_list()
        assert sorted(found) == sorted(n for size in sizes for n in range(size))
        assert [manifest["run"] for manifest in manifests(bigquery_url)] == [number]


@pytest.mark.guests
def test_rows_that_end_in_the_middle_change_nothing(bigquery_url, tmp_path):
    def read():
        yield pl.DataFrame({"k": [2]})
        raise StoreError("the spine is gone")

    of = to(bigquery_url)
    of.write(frames_of(pl.DataFrame({"k": [1]})), {"run": 1})
    with pytest.raises(StoreError, match="the spine is gone"):
        of.write(Frames(schema=pl.Schema({"k": pl.Int64}), height=2, read=read), {"run": 2})
    assert rows_of(bigquery_url, tmp_path)["k"].to_list() == [1]
    assert [manifest["run"] for manifest in manifests(bigquery_url)] == [1]


@pytest.mark.guests
def test_a_table_that_can_not_take_the_columns_is_told_before(bigquery_url, tmp_path):
    run_in_bigquery(bigquery_url, "create table scores (mine int64)", "insert into scores values (7)")
    with pytest.raises(UsageError, match="table scores is there with other columns: k, mine"):
        to(bigquery_url).check_columns(pl.Schema({"k": pl.Int64()}))
    with pytest.raises(UsageError, match=r"column 'k' is List\(Int64\), which it can't hold"):
        to(bigquery_url, "new").check_columns(pl.Schema({"k": pl.List(pl.Int64())}))
    with pytest.raises(UsageError, match="column 'k' is there twice but for its case"):
        to(bigquery_url, "new").check_columns(pl.Schema({"k": pl.Int64(), "K": pl.Int64()}))
    to(bigquery_url).check_columns(pl.Schema({"Mine": pl.Int64()}))
    assert rows_of(bigquery_url, tmp_path)["mine"].to_list() == [7]


@pytest.mark.guests
def test_a_dataset_that_is_not_there_is_told_before(bigquery_server):
    with pytest.raises(UsageError, match=r"bigquery://shop-1/nowhere/scores can't be written: .*nowhere"):
        to(bigquery_server.url("nowhere")).check()


@pytest.mark.guests
def test_a_server_that_is_not_there_is_told(bigquery_server, monkeypatch):
    monkeypatch.setattr("featurectl.sources.sql.bigquery_client.ANSWER_S", 0.5)
    with pytest.raises(StoreError, match="can't be written: no connection") as caught:
        to(bigquery_server.url("d", port=9)).check()
    assert caught.value.code == "FC605"


def test_an_address_that_names_no_table_is_told_without_secrets():
    for wrong, said in (
        ("bigquery://shop/sales?credentials=canary-1", "into which table?"),
        ("bigquery://shop/sales/t?credential=canary-1", "no parameter of BigQuery is called 'credential'"),
        ("bigquery://shop/sales?table=t", "no parameter of BigQuery is called 'table'"),
    ):
        with pytest.raises(UsageError) as caught:
            open_destination(wrong, "m")
        assert said in str(caught.value)
        assert caught.value.hint == "bigquery://PROJECT/DATASET/TABLE"
        assert "canary-1" not in str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A repository, a spine of three ranges, and the file of a run that nobody killed."""
    return scored_shop(tmp_path_factory.mktemp("shop"))


@pytest.mark.guests
def test_a_run_that_is_killed_leaves_the_rows_before_or_its_own(made, bigquery_url, tmp_path):
    write_spine(tmp_path / "spine.parquet", 10, seed=2)
    before = ["score", "m", "-C", str(made), "--spine", str(tmp_path / "spine.parquet"), "-q", "--out"]
    wanted = pl.read_parquet(made / "expected.parquet")
    left = []
    for number in count(1):
        assert main([*before, out(bigquery_url)]) == 0
        code = killed("request sent", number, score_words(made, out(bigquery_url)))
        found = rows_of(bigquery_url, tmp_path)
        assert found.height == 10 or found["score"].sort().equals(wanted["score"].sort()), number
        left.append(found.height)
        assert main(score_words(made, out(bigquery_url))) == 0
        found = rows_of(bigquery_url, tmp_path)
        assert_frame_equal(found, wanted, check_row_order=False, check_dtypes=False, check_exact=True)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert left == sorted(left)
    assert {10, ROWS} == {*left}


@pytest.mark.guests
def test_a_job_that_has_loaded_its_rows_is_not_repeated(bigquery_url, tmp_path, monkeypatch):
    """The emulator gives uploads names of its own, so it is told here what BigQuery would say of a name."""
    from google.api_core.exceptions import Conflict
    from google.cloud.bigquery import Client

    load, begun = Client.load_table_from_file, {}

    def by_name(client, content, table, *, job_id, **given):
        if job_id in begun:
            raise Conflict(f"Already Exists: Job {job_id}")
        begun[job_id] = load(client, content, table, **given)
        client.update_table(described(client, table, given["job_config"]), ["description"])
        return begun[job_id]

    def described(client, table, job_config):
        made = client.get_table(table)
        made.description = job_config.destination_table_description
        return made

    monkeypatch.setattr(Client, "load_table_from_file", by_name)
    monkeypatch.setattr(Client, "get_job", lambda _, name, **__: begun[name])
    rows = frames_of(pl.DataFrame({"k": [1, 2]}))
    for _ in range(2):
        to(bigquery_url).write(rows, {"run": 1})
    assert len(begun) == 2  # rows and manifest
    assert rows_of(bigquery_url, tmp_path)["k"].to_list() == [1, 2]
    to(bigquery_url).write(frames_of(pl.DataFrame({"k": [3]})), {"run": 2})
    assert len(begun) == 4
    to(bigquery_url).write(rows, {"run": 1})  # somebody has replaced its rows meanwhile
    assert len(begun) == 6
    assert rows_of(bigquery_url, tmp_path)["k"].to_list() == [1, 2]
