"""Wrong data: the source, the file, the column, how many values, the first bad row; exit 1; tables stay as before."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime

import polars as pl
import pytest

DECLARED = "    columns: {customer: string, ordered_at: timestamp, amount: float64}\n"
HEAD = "customer,ordered_at,amount\n"
ROW = "a,2026-01-01T00:00:00Z,1\n"


def read_from(shop, where, *, declared=True):
    """Let the source orders read from somewhere else."""
    shop.change("objects.yaml", "    path: data/orders.csv\n", f"    {where}\n")
    if not declared:
        shop.change("objects.yaml", DECLARED, "")


def applied(shop):
    assert shop.run("apply", "--auto-approve").code == 0
    return shop


BAD = "error[FC504]: source orders, file data/orders.csv: column "
BOTH = "  = affects last_order@1, spend@1\n"
BAD_CSV = [
    ("no file", None, "error[FC501]: source orders: no file matches data/orders.csv\n"),
    ("an empty file", "", "error[FC502]: source orders, file data/orders.csv can't be read: empty CSV\n"),
    ("a missing column", "customer,ordered_at\na,2026-01-01T00:00:00Z\n",
     "error[FC503]: source orders, file data/orders.csv has no column 'amount'\n  = columns: customer, ordered_at\n"),
    ("a missing time", "customer,amount\na,1\n",
     ("error[FC503]: source orders, file data/orders.csv has no column 'ordered_at', which `event_time` names\n"
      "  = columns: amount, customer\n")),
    ("a column twice", "customer,ordered_at,amount,amount\na,2026-01-01T00:00:00Z,1,2\n",
     "error[FC502]: source orders, file data/orders.csv has two columns 'amount'\n"),
    ("bad values", f"{HEAD}{ROW}a,2026-01-01T00:00:00Z,x7\na,2026-01-01T00:00:00Z,y\n",
     f"{BAD}'amount' has 2 values that can't be read as float64; first in line 3: 'x7'\n"),
    ("a bad time", f"{HEAD}{ROW}a,yesterday,1\n",
     f"{BAD}'ordered_at' has 1 value that can't be read as timestamp; first in line 3: 'yesterday'\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in BAD_CSV], ids=[case[0] for case in BAD_CSV])
@pytest.mark.sample(4)
def test_a_bad_csv_is_named_and_the_tables_stay(live, text, said):
    (live.root / "data/orders.csv").unlink()
    if text is not None:
        live.write("data/orders.csv", text)
    assert live.fails(1, "materialize", "-q") == said + BOTH
    assert live.fails(1, "materialize", "--full", "-q") == said + BOTH


def test_a_time_that_no_calendar_holds_loses_no_rows_beside_it(live):
    """Polars panics at it and lets the rows end there, as if the others had not been."""
    times = pl.Series([0, 10**18, 1]).cast(pl.Datetime("ms", "UTC"))
    rows = pl.DataFrame({"customer": ["a", "b", "c"], "ordered_at": times, "amount": [1.0, 2.0, 3.0]})
    rows.write_parquet(live.root / "data/far.parquet")
    read_from(live, "path: data/far.parquet", declared=False)
    assert live.run("apply", "--auto-approve").code == 0
    said = live.fails(1, "materialize", "-q")
    assert said.endswith("error[FC502]: source orders can't be read: a thread of Polars panicked, so that not all rows "
                         "came\n" + BOTH)  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in BAD_CSV], ids=[case[0] for case in BAD_CSV])
def test_a_bad_csv_makes_no_first_table(shop, text, said):
    applied(shop)
    (shop.root / "data/orders.csv").unlink()
    if text is not None:
        shop.write("data/orders.csv", text)
    assert shop.fails(1, "materialize", "-q") == said + BOTH
    assert not list((shop.root / ".featurectl/offline").rglob("*.parquet"))
    assert not list((shop.root / ".featurectl/offline").rglob("_delta_log"))


def test_a_source_that_fails_leaves_the_views_of_others_whole(shop):
    shop.change("objects.yaml", "source: orders, features: [amount]", "source: asks, features: [n]")
    applied(shop)
    (shop.root / "data/asks.csv").unlink()
    ran = shop.run("materialize")
    assert ran.code == 1
    rows = [line.split("  ") for line in ran.out.splitlines()]
    assert [(row[0], row[1]) for row in rows[1:3]] == [("last_order@1", "FAILED"), ("spend@1", "")]
    assert ran.out.endswith("\n1 of 2 tables changed, 36 rows written, 3 online rows sent, 1 view failed.\n")
    assert ran.err.endswith("error[FC501]: source asks: no file matches data/asks.csv\n  = affects last_order@1\n")
    assert shop.run("get", "spend", "customer=a").code == 0
    assert "last_order  -                 -     -                 ERROR  not materialized yet" in shop.run("status").out


def test_no_parquet_is_found_by_validate_where_it_must_tell_the_columns(shop):
    read_from(shop, "path: data/orders.parquet", declared=False)
    said = shop.fails(1, "validate")
    assert said.startswith("objects.yaml:5:11: error[FC501]: source orders: no file matches data/orders.parquet\n")
    assert shop.run("validate", "--no-data").code == 0
    shop.write("data/orders.parquet", "no table at all")
    said = shop.fails(1, "apply", "--auto-approve")
    assert said.startswith("objects.yaml:5:11: error[FC502]: source orders, file data/orders.parquet can't be read: ")


def test_an_unreadable_parquet_with_declared_columns_is_found_on_reading(shop):
    read_from(shop, "path: data/orders.parquet")
    applied(shop)
    shop.write("data/orders.parquet", "no table at all")
    assert shop.fails(1, "materialize", "-q").startswith(
        "error[FC502]: source orders, file data/orders.parquet can't be read: "
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"customer": ["a"], "ordered_at": [5], "amount": [1.0]},
      'objects.yaml:6:17: error[FC312]: "ordered_at" is int64, must be a timestamp or a date'),
     ({"customer": [7], "ordered_at": [datetime(2026, 1, 1)], "amount": [1.0]},
      'error[FC309]: key "customer" is string, column "customer" of source "orders" is int64'),
     ({"customer": ["a"], "ordered_at": [datetime(2026, 1, 1)], "amount": ["x"]},
      "error[FC305]: sum takes numbers and booleans, not string"),
     ({"customer": ["a"], "ordered_at": [datetime(2026, 1, 1)]}, 'error[FC301]: no column "amount"')],
)  # fmt: skip
def test_types_of_a_parquet_are_checked_by_validate(shop, columns, said):
    read_from(shop, "path: data/orders.parquet", declared=False)
    pl.DataFrame(columns).write_parquet("data/orders.parquet")
    assert said in shop.fails(1, "validate")


def test_broken_json_lines_are_named(shop):
    read_from(shop, "path: data/orders.ndjson")
    shop.write("data/orders.ndjson", '{"customer": "a"\n{]')
    applied(shop)
    assert shop.fails(1, "materialize", "-q").startswith(
        "error[FC502]: source orders, file data/orders.ndjson can't be read"
    )


def test_a_query_that_fails_and_one_without_a_column_are_named(shop):
    with closing(sqlite3.connect("x.db")) as database, database:
        database.execute("create table orders (customer, ordered_at)")
    database.close()
    read_from(shop, 'sql: {url: "sqlite:///x.db", query: "select * frm orders"}')
    applied(shop)
    said = 'error[FC508]: source orders, its query fails: near "frm": syntax error\n'
    assert shop.fails(1, "materialize", "-q") == said + BOTH
    shop.change("objects.yaml", "frm", "from")
    applied(shop)
    said = "error[FC503]: source orders, its query has no column 'amount'\n  = columns: customer, ordered_at\n"
    assert shop.fails(1, "materialize", "-q") == said + BOTH.replace("@1", "@2")


def test_rows_with_a_null_key_or_time_are_dropped_and_counted(shop):
    shop.write("data/orders.csv", f"{HEAD},2026-01-01T00:00:00Z,1\na,,2\nb,,2\nb,2026-01-01T00:00:00Z,3\n")
    applied(shop)
    ran = shop.run("materialize")
    assert ran.code == 0
    assert "spend@1: 2 rows dropped: null event_time\nspend@1: 1 row dropped: null key\n" in ran.out
    rows = [line.split() for line in shop.run("status").out.splitlines()]
    assert ["spend", "2026-01-01", "00:00", "7", "d", "-", "OK", "1", "1", "1", "2026-01-08", "00:00"] in rows


def test_rows_whose_key_is_too_long_are_dropped_and_counted_with_the_first(shop):
    rows = "".join(f"{'k' * (9_000 + n)},2026-01-0{n}T00:00:00Z,{n}\n" for n in (1, 2))
    shop.write("data/orders.csv", f"{HEAD}b,2026-01-01T00:00:00Z,3\n{rows}")
    applied(shop)
    ran = shop.run("materialize")
    first = f"customer={'k' * 40}... (9,001 characters), ordered_at=2026-01-01T00:00:00Z"
    assert f"spend@1: 2 rows dropped: key of more than 1,024 bytes (first: {first})\n" in ran.out
    assert "count_7d       0      NOT_FOUND" in shop.run("get", "spend", f"customer={'k' * 9_001}").out
    shop.write("spine.csv", f"customer,event_time\nb,2026-01-02\n{'k' * 9_001},2026-01-02\n")
    assert shop.run("training-set", "--features", "spend:count_7d", "--spine", "spine.csv", "--out", "x.csv").code == 0
    assert pl.read_csv("x.csv")["count_7d"].to_list() == [1, 0]


def test_an_empty_source_makes_an_empty_table(shop):
    shop.write("data/orders.csv", HEAD)
    applied(shop)
    assert shop.run("materialize").code == 0
    said = shop.run("get", "spend", "customer=a").out
    assert "count_7d       0      NOT_FOUND" in said
    assert "amount_sum_7d  null   NOT_FOUND" in said
    assert shop.run("training-set", "pays", "--out", "x.csv").code == 0
    assert shop.run("status").code == 0


@pytest.mark.long
def test_naive_timestamps_are_utc_or_in_the_time_zone_of_the_source(shop):
    shop.write("data/orders.csv", f"{HEAD}a,2026-01-05 12:00:00,1\n")
    applied(shop)
    shop.run("materialize")
    assert "last event 2026-01-05 12:00" in shop.run("get", "last_order", "customer=a", "--offline").out
    shop.change(
        "objects.yaml", "    event_time: ordered_at\n", "    event_time: ordered_at\n    timezone: America/New_York\n"
    )
    applied(shop)
    shop.run("materialize")
    assert "last event 2026-01-05 17:00" in shop.run("get", "last_order", "customer=a", "--offline").out


SPINES = [
    ("no key", "at,n\n2026-01-05T00:00:00Z,1\n",
     "error[FC506]: spine file s.csv has no column 'customer', a key of view spend\n  = its columns: at, n\n"),
    ("no time", "customer,n\na,1\n", "error[FC506]: spine file s.csv has no column 'at' for the time of a row\n"),
    ("no request column", "customer,at\na,2026-01-05T00:00:00Z\n",
     "error[FC506]: spine file s.csv has no column 'n'\n"),
    ("a bad request value", "customer,at,n\na,2026-01-05T00:00:00Z,1\nb,2026-01-05T00:00:00Z,1.5\n",
     ("error[FC504]: spine file s.csv: request column n is float64, must be int64: 1 of 2 values does not fit; first "
     "at row 2: 1.5\n")),
    ("a bad time", "customer,at,n\na,2026-01-05T00:00:00Z,1\nb,soon,1\nc,later,1\n",
     ("error[FC504]: spine file s.csv: column at is string, must be timestamp: 2 of 3 values do not fit; first at row "
     "2: 'soon'\n")),
    ("a number as time", "customer,at,n\na,1.5,1\n",
     "error[FC504]: spine file s.csv: column at is float64, must be a timestamp or a date\n"),
    ("a column twice", "customer,at,n,n\na,2026-01-05T00:00:00Z,1,2\n", "file s.csv has two columns 'n'\n"),
    ("an empty file", "", "file s.csv can't be read: empty CSV\n"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), [case[1:] for case in SPINES], ids=[case[0] for case in SPINES])
@pytest.mark.sample(4)
def test_a_bad_spine_is_named_and_nothing_is_written(live, text, said):
    live.write("s.csv", text)
    for command in ("training-set", "score"):
        assert said in live.fails(1, command, "pays", "--spine", "s.csv", "--out", "x.csv")


def test_a_spine_with_the_name_of_what_is_made_is_refused(live):
    live.write("s.csv", "customer,at,n,count_7d,score\na,2026-01-05T00:00:00Z,1,7,8\n")
    said = live.fails(1, "training-set", "pays", "--spine", "s.csv", "--out", "x.csv")
    assert "error[FC516]: spine file s.csv has a column 'count_7d', the name of a feature\n" in said
    assert "'spend:count_7d as spend_' among features asked for by name" in said
    said = live.fails(1, "score", "pays", "--spine", "s.csv", "--out", "x.csv")
    assert "error[FC516]: spine file s.csv has a column 'score', the name of an output\n" in said


def test_a_spine_file_may_be_empty_and_hold_null_keys_and_times(live):
    live.write("s.csv", "customer,at,n\n")
    assert live.run("score", "pays", "--spine", "s.csv", "--out", "x.csv").code == 0
    assert (live.root / "x.csv").read_text() == "customer,at,n,score,model_version\n"
    live.write("s.csv", "customer,at,n\n,2026-01-07T00:00:00Z,1\na,,2\na,2026-01-07T00:00:00Z,3\n")
    assert live.run("training-set", "pays", "--spine", "s.csv", "--out", "x.csv").code == 0
    assert pl.read_csv("x.csv")["count_7d"].to_list() == [None, None, 12]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("lightgbm.LGBMClassifier", "lightgbm.LGBMKlassifier",
      "error[FC513]: estimator lightgbm.LGBMKlassifier can't be imported: "),
     ("lightgbm.LGBMClassifier", "lightgbn.LGBMClassifier",
      "error[FC513]: estimator lightgbn.LGBMClassifier can't be imported: No module named 'lightgbn'\n"),
     ("lightgbm.LGBMClassifier", "collections.Counter",
      "error[FC513]: estimator collections.Counter has no fit and pre"),
     ("n_estimators: 2", "n_estimators: 2, objective: nonsense",
      "could not be fitted: Unknown objective type name: nons"),
     ("n_estimators: 2", "n_estimators: many", "could not be fitted: "),
     ("{source: asks, time: at", "{source: asks, time: at, where: n > 99",
      "error[FC515]: model pays: no rows to train on")],
)  # fmt: skip
@pytest.mark.sample(3)
def test_a_model_that_can_not_be_trained_registers_no_version(live, old, new, said):
    live.change("objects.yaml", old, new)
    applied(live)
    assert said in live.fails(1, "train", "pays")
    assert live.run("models", "list").out.count("\n") == 2


@pytest.mark.parametrize("where", ["path: orders.parquet", "path: orders.ndjson"])
def test_a_column_of_a_type_that_the_language_lacks_is_not_called_missing(shop, where):
    """A struct, an array of arrays, a time of day: it is there, and can't be read."""
    frame = pl.DataFrame({"customer": ["a"], "ordered_at": ["2026-01-01T00:00:00Z"], "amount": [{"net": 1.5}]})
    frame.with_columns(pl.col("ordered_at").str.to_datetime(time_zone="UTC")).write_parquet(
        shop.root / "orders.parquet"
    )
    frame.write_ndjson(shop.root / "orders.ndjson")
    read_from(shop, where, declared=False)
    told = 'column "amount" is struct, which the language has no type for'
    if where.endswith("parquet"):
        ran = shop.run("validate")
        assert (ran.code, ran.err.count(f"error[FC301]: {told}")) == (1, 2)
        assert "= take out of it what is needed before" in ran.err
        return
    applied(shop)
    assert told in shop.fails(1, "materialize", "-q")


def test_a_clock_of_a_type_that_the_language_lacks_is_told_with_it(shop):
    frame = pl.DataFrame({"customer": ["a"], "ordered_at": [{"day": 1}], "amount": [1.5]})
    frame.write_ndjson(shop.root / "orders.ndjson")
    read_from(shop, "path: orders.ndjson", declared=False)
    applied(shop)
    assert shop.run("materialize", "-q").code == 1
