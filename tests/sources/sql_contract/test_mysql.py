"""MariaDB is read by rows of PyMySQL: the values of each type, its two kinds of times, and only a few rows at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
import sqlalchemy as sa

from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.source import Source
from featurectl.sources.open import open_source
from featurectl.sources.sql.connections import chosen_driver
from tests.sources.sql_contract.kinds import MARIADB, Database, values
from tests.sources.sql_contract.test_continued import make

pytestmark = pytest.mark.guests
ID = "123e4567-e89b-12d3-a456-426614174000"
# Each type with the type of Polars that it is read as, and values as they are written in SQL and read.
COLUMNS: dict[str, tuple] = {
    "boolean": (pl.Int64, ("true", 1), ("false", 0)),
    "tinyint": (pl.Int64, ("-128", -128), ("127", 127)),
    "tinyint unsigned": (pl.Int64, ("0", 0), ("255", 255)),
    "smallint": (pl.Int64, ("-32768", -32768), ("7", 7)),
    "mediumint": (pl.Int64, ("-8388608", -8388608), ("7", 7)),
    "int": (pl.Int64, ("-2147483648", -(2**31)), ("7", 7)),
    "int(5) zerofill": (pl.Int64, ("42", 42), ("0", 0)),
    "bigint": (pl.Int64, ("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1)),
    "bigint unsigned": (pl.Int64, ("0", 0), ("9223372036854775807", 2**63 - 1)),
    "year": (pl.Int64, ("2024", 2024), ("1901", 1901)),
    "float": (pl.Float64, ("0.1", 0.1), ("-1.5", -1.5)),
    "double": (pl.Float64, ("0.1", 0.1), ("1.7976931348623157e308", 1.7976931348623157e308)),
    "decimal(9,3)": (pl.Decimal(9, 3), ("-999999.999", Decimal("-999999.999")), ("0.001", Decimal("0.001"))),
    "decimal(9,3) unsigned": (pl.Decimal(9, 3), ("999999.999", Decimal("999999.999")), ("0", Decimal(0))),
    "decimal(20,0)": (pl.Decimal(20, 0), ("99999999999999999999", Decimal(99999999999999999999)), ("0", Decimal(0))),
    "decimal(38,10)": (pl.Decimal(38, 10), ("0.0000000001", Decimal("0.0000000001")), ("-1", Decimal(-1))),
    "char(5)": (pl.String, ("'ä '", "ä"), ("''", "")),
    "varchar(9)": (pl.String, ("'€😀 '", "€😀 "), ("''", "")),
    "text": (pl.String, ("'a\\nb'", "a\nb"), ("''", "")),
    "enum('low','o''k')": (pl.String, ("'low'", "low"), ("'o''k'", "o'k")),
    "set('a','b')": (pl.String, ("'a,b'", "a,b"), ("''", "")),
    "uuid": (pl.String, (f"'{ID}'", ID), (f"'{ID.upper()}'", ID)),
    "inet6": (pl.String, ("'::1'", "::1"), ("'1::'", "1::")),
    "json": (pl.String, ("'{\"a\": 1.10}'", '{"a": 1.10}'), ("'[]'", "[]")),
    "binary(2)": (pl.Binary, ("x'00ff'", b"\x00\xff"), ("x'01'", b"\x01\x00")),
    "blob": (pl.Binary, ("x'ff'", b"\xff"), ("''", b"")),
    "bit(9)": (pl.Binary, ("b'100000001'", b"\x01\x01"), ("0", b"\x00\x00")),
    "date": (pl.Date, ("'1000-01-01'", date(1000, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))),
    "datetime": (pl.Datetime("us"), ("'1000-01-01'", datetime(1000, 1, 1)), ("'2024-03-31 02:30'", datetime(2024, 3, 31, 2, 30))),  # noqa: DTZ001, E501
    "datetime(6)": (pl.Datetime("us"), ("'9999-12-31 23:59:59.999999'", datetime.max), ("'2024-01-01'", datetime(2024, 1, 1))),  # noqa: DTZ001, DTZ901, E501
    "timestamp(6) null": (
        pl.Datetime("us", "UTC"),
        ("'2024-10-27 00:30:00.000001'", datetime(2024, 10, 27, 0, 30, 0, 1, tzinfo=UTC)),
        ("'1970-01-01 00:00:01'", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    ),
}  # fmt: skip


@pytest.fixture
def database(tmp_path, monkeypatch, mariadb_url):
    return Database(MARIADB, tmp_path, mariadb_url, monkeypatch)


@pytest.fixture
def filled(database):
    names = [f"c{i}" for i in range(len(COLUMNS))]
    kinds = ", ".join(f"{name} {kind}" for name, kind in zip(names, COLUMNS, strict=True))
    written = [", ".join(row[place][0] for row in COLUMNS.values()) for place in (1, 2)]
    rows = [*written, ", ".join(["null"] * len(names))]
    create = f"create table t (n int primary key, {kinds}) default charset utf8mb4"
    inserts = (f"insert into t values ({i}, {row})" for i, row in enumerate(rows))
    for statement in (create, *inserts):
        database.run(statement.replace("%", "%%"))
    return database


def wanted() -> pl.DataFrame:
    return pl.DataFrame(
        [pl.Series(f"c{i}", [row[1][1], row[2][1], None], dtype=row[0]) for i, row in enumerate(COLUMNS.values())]
    )


def test_rows_are_of_the_types_and_values_that_the_columns_have(filled):
    found = filled.raw("select * from t order by n").drop("n")
    assert dict(zip(COLUMNS, found.dtypes, strict=True)) == {kind: row[0] for kind, row in COLUMNS.items()}
    for kind, name in zip(COLUMNS, found.columns, strict=True):
        assert found[name].to_list() == wanted()[name].to_list(), kind


def test_rows_are_those_of_the_same_rows_in_parquet(filled):
    plain = wanted()
    plain.with_row_index("n").cast({"n": pl.Int64}).write_parquet(filled.root / "t.parquet")
    source = Source(name="orders", format="parquet", path="t.parquet", event_time=None, timezone="Europe/Berlin")
    files = open_source(source, filled.root)
    expected = files.scan(files.parts()).collect()
    found = filled.read("select * from t order by n", timezone="Europe/Berlin")
    assert found.schema == expected.schema
    assert found.equals(expected, null_equal=True)


def test_types_are_those_without_rows_and_of_expressions(filled):
    columns = (
        "n, sum(c4) as a, avg(c3) as b, count(*) as c, max(c27) as d, concat(c15, 'x') as e, c0 = 1 as f, null as g"
    )
    types = filled.read(f"select {columns} from t group by n").schema
    assert filled.read(f"select {columns} from t where n > 9 group by n").schema == types
    assert (types["a"], types["c"], types["e"], types["f"]) == (pl.Decimal(30, 0), pl.Int64, pl.String, pl.Int64)


@pytest.mark.parametrize(("made", "said"), [
    ("cast('0000-00-00' as date)", "it has a date that is none, '0000-00-00'"),
    ("cast('2024-02-00' as date)", "it has a date that is none, '2024-02-00'"),
    ("cast('0000-00-00' as datetime)", "it has a date that is none, '0000-00-00 00:00:00'"),
    ("cast(18446744073709551615 as unsigned)", "it has whole numbers beyond 64 bits"),
    ("cast(1e40 as decimal(45,0))", "it has decimals of more than 38 digits"),
])  # fmt: skip
def test_what_no_cell_can_hold_is_an_error_that_names_the_column(database, made, said):
    with pytest.raises(DataError, match=f"source orders, its query: column 'b' can't be read: {said}") as caught:
        database.read(values("1", made))
    assert caught.value.code == "FC504"


def test_dates_of_zeros_become_null_as_the_hint_says(database):
    database.run("create table t (at datetime)", "insert into t values ('0000-00-00'), ('2024-01-01')")
    with pytest.raises(DataError) as caught:
        database.read("select at from t")
    _, made = caught.value.hint.split(": ")
    found = database.read(f"select {made} as at from t order by 1")
    assert found["at"].to_list() == [None, datetime(2024, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("kind", ["timestamp(6)", "datetime(6)"])
def test_since_is_the_same_instant_for_either_kind_of_times(database, kind, zone):
    database.run(f"create table t (i int, seen {kind} default now())")
    database.run(*(f"insert into t values ({i}, '2024-07-01 0{i}:00')" for i in range(1, 10)))
    keys = {"timezone": zone, "event_time": "seen"}
    hours = 4 if (zone, kind) == ("America/New_York", "datetime(6)") else 0
    query = "select i, seen, '100%%' like '%' as c from t where seen >= :since order by i"
    since = datetime(2024, 7, 1, 5 + hours, tzinfo=UTC)
    found = database.read(query, since, **keys)
    assert found["i"].to_list() == [5, 6, 7, 8, 9]
    assert found["seen"][0] == since
    assert database.read(query, since + timedelta(microseconds=1), **keys)["i"].to_list() == [6, 7, 8, 9]
    assert database.read(query, **keys).height == 9


def test_the_time_zone_of_the_server_changes_nothing(filled, mariadb_server):
    before = filled.read("select * from t order by n")
    mariadb_server.run("set global time_zone = '+05:30'")
    try:
        assert filled.read("select * from t order by n").equals(before, null_equal=True)
        assert filled.read("select hour(now()) - hour(utc_timestamp()) as a").rows() == [(0,)]
    finally:
        mariadb_server.run("set global time_zone = system")


def test_names_come_as_they_are_written(database):
    database.run(
        'create table t ("MixedCase" int, "ä x" int, "a:b" int, "50%%" int)', "insert into t values (1, 2, 3, 4)"
    )
    assert database.read("select * from t").to_dicts() == [{"MixedCase": 1, "ä x": 2, "a:b": 3, "50%": 4}]


@pytest.mark.parametrize(
    "query",
    [
        "select 1 as a; drop table t",
        "set @@session.transaction_read_only = 0; select 1",
        "create temporary table u as select 1 as a",
    ],
)
def test_a_query_does_nothing_but_read(database, query):
    database.run("create table t (a int)")
    with pytest.raises(DataError) as caught:
        database.read(query)
    assert caught.value.code == "FC508"


def test_columns_are_checked_without_reading_rows(database, mariadb_server):
    database.run("create table t (a int, b text)", "insert into t values (1, 'x'), (2, 'y')")
    query = "select a, b from t order by a"
    before = handlers(mariadb_server)
    database.reader(query, columns={"a": "int64", "b": "string"}, columns_declared=True).check_columns()
    assert handlers(mariadb_server) == before
    database.read(query)
    assert handlers(mariadb_server) >= before + 2
    with pytest.raises(DataError, match="column 'a'") as caught:
        database.reader(query, columns={"a": "date", "b": "string"}, columns_declared=True).check_columns()
    assert caught.value.code == "FC504"


def handlers(server) -> int:
    """Return how many rows of tables the server has read for anybody but the tables that tell it."""
    rows = server.run("select sum(rows_read) from information_schema.table_statistics where table_name = 't'")
    return int(rows[0][0] or 0)


def test_a_driver_that_is_missing_is_said_with_its_extra(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    for url in (database.url, database.url.replace("mysql", "mariadb"), database.url.replace("mysql", "mysql+pymysql")):
        database.url = url
        with pytest.raises(StoreError, match="no driver for m") as caught:
            database.read("select 1 as a")
        assert (caught.value.code, caught.value.hint) == ("FC605", "pip install 'featurectl[mysql]'")


def test_every_way_to_write_the_address_is_read(database):
    for scheme in ("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"):
        database.url = database.url.replace(database.url.partition(":")[0], scheme, 1)
        assert str(chosen_driver(sa.make_url(database.url))).partition("+")[2]
        assert database.read("select 1 as a").rows() == [(1,)]


def test_no_connection_and_no_thread_is_left(database, mariadb_server):
    before = threading.active_count()
    database.read("select seq as a from seq_1_to_100000")
    reader = database.reader("select seq as a, rpad('', 2000, 'x') as b from seq_1_to_10000000")
    reader.check_columns()
    assert threading.active_count() <= before  # one of the test before may end meanwhile
    others = "select count(*) from information_schema.processlist where user = 'root' and id <> connection_id()"
    limit = threading.Event()
    while mariadb_server.run(others) != [(0,)]:
        limit.wait(0.05)


MEMORY = """
import resource, sys
from pathlib import Path
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.sql.reader import SqlReader
query = "select seq as i, rpad('', 200, 'x') as name, seq / 3.0 as part from seq_1_to_{rows}"
source = Source(name="orders", format="sql", sql=SqlQuery(url=sys.argv[1], query=query), event_time=None)
reader = SqlReader(source=source, root=Path(sys.argv[2]), url=sys.argv[1])
import polars as pl
rows = reader.scan(reader.parts()).select(pl.len(), pl.col("i").sum()).collect(engine="streaming").rows()
print(*rows[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_million_rows_take_little_more_memory_than_a_few(database, mariadb_url):
    peaks = []
    for rows in (1_000, 1_000_000):
        code = MEMORY.replace("{rows}", str(rows))
        command = [sys.executable, "-c", code, mariadb_url, str(database.root)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert said[:2] == [str(rows), str(rows * (rows + 1) // 2)]
        peaks.append(int(said[2]))
    assert peaks[1] - peaks[0] < 300  # MiB; all rows as Python's are 700


OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: s, sql: {url: "URL", query: "select k, seen, n from t where seen >= :since"}, event_time: seen,
     columns: {k: string, seen: timestamp, n: KIND}}
feature_views:
  - {name: v, entity: key, source: s, features: [n]}
"""


def test_plan_finds_a_wrong_type_without_reading_a_row(database, mariadb_server, capsys, monkeypatch):
    database.run("create table t (k text, seen timestamp, n int)", "insert into t values ('a', '2026-01-01', 1)")
    text = OBJECTS.replace("URL", database.url)
    shop = make(database.root / "shop", "", text.replace("KIND", "int64"), capsys, monkeypatch)
    before = handlers(mariadb_server)
    assert "0 failed" not in shop.run("plan", "--check-sources").err
    (shop.root / "o.yaml").write_text(text.replace("KIND", "date"))
    said = shop.run("plan", "--check-sources", code=1)
    assert "column 'n' is int64" in said.out + said.err
    assert handlers(mariadb_server) == before
    (shop.root / "o.yaml").write_text(text.replace("KIND", "int64").replace("mysql://", "mysq://"))
    said = shop.run("validate", code=1)
    assert 'did you mean "mysql"?' in said.out + said.err
