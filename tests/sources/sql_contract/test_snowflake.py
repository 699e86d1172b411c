"""Snowflake by its protocol: names that fold, types as those of Parquet, logins, and a server that fails."""

from __future__ import annotations

import math
import os
import signal
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from polars.testing import assert_frame_equal

from featurectl.core.errors import DataError, FeaturectlError, StoreError
from featurectl.operations.outputs.frames import frames_of
from featurectl.operations.scoring.destination import open_destination
from featurectl.sources.sql.snowflake_session import SnowflakeSession
from tests.servers.pausing import hanging
from tests.servers.snowflake import PASSWORD, running_snowflake, snowflake_url
from tests.sources.sql_contract.kinds import SNOWFLAKE, Database
from tests.sources.sql_contract.test_continued import assert_same, make, tables

pytestmark = pytest.mark.guests
# Each type with what it is in Parquet, and two values.
COLUMNS = {
    "boolean": (pl.Boolean(), "true", True, "false", False),
    "int": (pl.Int64(), "-9223372036854775808", -(2**63), "9223372036854775807", 2**63 - 1),
    "number(5,0)": (pl.Int64(), "-99999", -99999, "1", 1),
    "number(10,2)": (pl.Decimal(10, 2), "-99999999.99", Decimal("-99999999.99"), "0.01", Decimal("0.01")),
    "number(38,10)": (pl.Decimal(38, 10), "0.0000000001", Decimal("0.0000000001"), "-1", Decimal(-1)),
    "float": (pl.Float64(), "0.1", 0.1, "'NaN'::float", math.nan),
    "double": (pl.Float64(), "'inf'::float", math.inf, "-1e300", -1e300),
    "varchar": (pl.String(), "''", "", "'ä€😀'", "ä€😀"),
    "char(3)": (pl.String(), "'a'", "a", "'abc'", "abc"),
    "binary": (pl.Binary(), "to_binary('', 'HEX')", b"", "to_binary('AAFF', 'HEX')", b"\xaa\xff"),
    "date": (pl.Date(), "'0001-01-01'", date.min, "'9999-12-31'", date.max),
    "time": (pl.Time(), "'00:00:00'", time.min, "'23:59:59.999999'", time.max),
    "timestamp_ntz": (
        pl.Datetime("us"), "'0001-01-01 00:00:00'", datetime(1, 1, 1),  # noqa: DTZ001  # it has no zone
        "'9999-12-31 23:59:59.999999'", datetime.max,  # noqa: DTZ901
    ),
    "timestamp_tz": (
        pl.Datetime("us", "UTC"), "'2024-03-31 03:30:00+02:00'", datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
        "'1960-01-01 00:00:00-08:00'", datetime(1960, 1, 1, 8, tzinfo=UTC),
    ),
    "timestamp_ltz": (
        pl.Datetime("us", "UTC"), "'2024-03-31 03:30:00'", datetime(2024, 3, 31, 3, 30, tzinfo=UTC),
        "'1960-01-01 00:00:00'", datetime(1960, 1, 1, tzinfo=UTC),
    ),
    "variant": (pl.String(), "parse_json('{\"a\":[1,null]}')", '{"a":[1,null]}', "parse_json('1.5')", "1.5"),
    "object": (pl.String(), "object_construct('a', 1)", '{"a":1}', "object_construct()", "{}"),
    "array": (pl.String(), "array_construct(1, null, 'x')", '[1,null,"x"]', "array_construct()", "[]"),
}  # fmt: skip


@pytest.fixture
def database(tmp_path, monkeypatch, snowflake_server):
    return Database(SNOWFLAKE, tmp_path, snowflake_server.url(), monkeypatch)


def test_rows_are_those_of_the_same_table_in_parquet(database):
    names = [f"c{i}" for i in range(len(COLUMNS))]
    kinds = ", ".join(f"{name} {kind}" for name, kind in zip(names, COLUMNS, strict=True))
    first, last = ([values[place] for values in COLUMNS.values()] for place in (1, 3))
    database.run(
        f"create table t (n int, {kinds})",
        *(f"insert into t select {n}, {', '.join(row)}" for n, row in enumerate((first, last, ["null"] * len(names)))),
    )
    wanted = {name: [values[2], values[4], None] for name, values in zip(names, COLUMNS.values(), strict=True)}
    types = {name: values[0] for name, values in zip(names, COLUMNS.values(), strict=True)}
    pl.DataFrame({"n": [0, 1, 2], **wanted}, schema={"n": pl.Int64(), **types}).write_parquet(database.root / "t")
    found, parquet = database.raw("select * from t order by n"), pl.read_parquet(database.root / "t")
    assert dict(found.schema) == dict(parquet.schema)
    assert_frame_equal(found, parquet, check_exact=True)
    untyped = {names[place] for place, kind in enumerate(COLUMNS) if kind in ("binary", "time")}
    assert database.reader("select * from t").columns().keys() == {"n", *names} - untyped


def test_whole_numbers_beyond_64_bits_are_an_error_with_their_row(database, monkeypatch):
    monkeypatch.setattr("featurectl.sources.sql.snowflake.BATCH_ROWS", 1)
    query = f"select * from (select 1 as i, 7 as a union all select 2, {2**63} union all select 3, null) order by i"
    said = rf"'a' can't be read: it has whole numbers beyond 64 bits; first at row 2: {2**63}"
    with pytest.raises(DataError, match=said) as caught:
        database.read(query)
    assert (caught.value.code, caught.value.hint) == ("FC504", "cast it in the query: to double")
    declared = {"columns": {"a": "decimal(38,0)"}, "columns_declared": True}
    assert database.read(query, **declared)["a"].to_list() == [Decimal(7), Decimal(2**63), None]


def test_names_without_quotes_are_met_as_they_are_written(database):
    query = 'select 1 as amount, 2 as "Mixed", 3 as "lower", 4 as CamelCase, 5 as "two words", 6 as A_1'
    assert database.read(query).columns == ["amount", "Mixed", "lower", "camelcase", "two words", "a_1"]
    columns = {"AMOUNT": "int64", "Mixed": "int64", "camelCase": "float64", "lower": "string", "a_1": "int64"}
    found = database.read(query, columns=columns, columns_declared=True)
    assert found.select(list(columns)).rows() == [(1, 2, 4.0, "3", 6)]
    assert database.read("select '2024-01-01'::timestamp_ntz as seenAt", event_time="seenAt").columns == ["seenAt"]


def test_two_names_that_fold_alike_are_an_error(database):
    said = 'gives column \'a\' twice: "A" and "a" are one where names have no quotes'
    with pytest.raises(DataError, match=said) as caught:
        database.read('select 1 as "a", 2 as A')
    assert caught.value.code == "FC508"
    with pytest.raises(DataError, match="has no column 'b'"):
        database.read("select 1 as a", columns={"b": "int64"}, columns_declared=True)


def test_parts_of_documents_are_no_parameters(database):
    database.run("create table t (v variant)", "insert into t select parse_json('{\"since\": 5}')")
    assert database.read("select v:since::int as a from t").rows() == [(5,)]


def test_the_columns_are_checked_without_running_the_query(database):
    database.run("create table t (a int, seen timestamp_ntz)")
    keys = {"columns": {"a": "int64", "seen": "timestamp"}, "columns_declared": True, "event_time": "seen"}
    database.reader("select * from t where seen > :since", **keys).check_columns()
    with pytest.raises(DataError, match="column 'seen'") as caught:
        database.reader("select a, a > 1 as seen from t", **keys).check_columns()
    assert caught.value.code == "FC504"
    with pytest.raises(DataError, match="has no column 'seen'"):
        database.reader("select a from t", **keys).check_columns()


def test_columns_that_change_after_they_were_told_are_read_anew(database, monkeypatch):
    database.run("create table t (a int)", "insert into t values (1)")
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0, 0))
    described, changes = SnowflakeSession.describe, ["a to b", "b to c"]

    def changed(session, text):
        try:
            return described(session, text)
        finally:
            if changes:
                database.run(f"alter table t rename column {changes.pop(0)}")

    monkeypatch.setattr(SnowflakeSession, "describe", changed)
    assert database.read("select * from t").to_dicts() == [{"c": 1}]
    assert changes == []


@pytest.mark.parametrize("query", [
    "/* select */ delete from t", "-- select\ninsert into t values (2)", "call p()", "show tables",
    "execute immediate ''", "", "merge into t using t u on true when matched then delete",
])  # fmt: skip
def test_what_does_not_begin_as_a_query_is_refused(database, query):
    with pytest.raises(FeaturectlError, match="it does something else than to read") as caught:
        database.read(query)
    assert caught.value.code == "FC508"


def test_a_second_statement_is_refused(database):
    database.run("create table t (a int)", "insert into t values (1)")
    for query in ("select 1 as a; delete from t", "select 1 as a; drop table t; select 2 as a"):
        with pytest.raises(FeaturectlError, match="its query fails: it is more than one statement") as caught:
            database.read(query)
        assert caught.value.code == "FC508"
    assert database.read("select * from t;").rows() == [(1,)]


def test_queries_may_begin_with_comments_and_brackets(database):
    for query in (
        "// one\n/* two */ (select 1 as a)",
        "WITH t AS (SELECT 1 AS a) SELECT * FROM t",
        "((select 1 as a))",
    ):
        assert database.read(query).rows() == [(1,)]


@pytest.mark.parametrize("form", ["pkcs8", "encrypted", "pkcs1"])
def test_a_key_pair_is_used_to_sign_in(database, form):
    key = rsa.generate_private_key(65537, 2048)
    shape = serialization.PrivateFormat.TraditionalOpenSSL if form == "pkcs1" else serialization.PrivateFormat.PKCS8
    cipher = (
        serialization.BestAvailableEncryption(b"pass%phrase") if form == "encrypted" else serialization.NoEncryption()
    )
    (database.root / "key.p8").write_bytes(key.private_bytes(serialization.Encoding.PEM, shape, cipher))
    phrase = "&private_key_file_pwd=pass%25phrase" if form == "encrypted" else ""
    database.url = database.url.replace(f":{PASSWORD}", "") + f"&private_key_file=key.p8{phrase}"
    assert database.read("select 1 as a").rows() == [(1,)]


def test_a_token_is_used_to_sign_in(database):
    url = database.url.replace(f":{PASSWORD}", "")
    for login in ("token=canary-token", "token=canary-token&authenticator=programmatic_access_token"):
        database.url = f"{url}&{login}"
        assert database.read("select 1 as a").rows() == [(1,)]


@pytest.fixture
def impatient(monkeypatch):
    """Wait little for a server."""
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", 0.5)
    monkeypatch.setattr("featurectl.sources.sql.snowflake_server.CONNECT_S", 1)
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0.05, 0.05))


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_is_an_error(tmp_path, monkeypatch):
    with running_snowflake() as server:
        database = Database(SNOWFLAKE, tmp_path, server.url(), monkeypatch)
        assert database.read("select 1 as a").rows() == [(1,)]
        with hanging(server.pid), pytest.raises(StoreError, match=r"no answer within 0\.5 s, nor to another") as caught:
            database.read("select 1 as a")
        assert caught.value.code == "FC605"
        assert database.read("select 1 as a").rows() == [(1,)]


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_an_error_without_secrets(tmp_path, monkeypatch, capfd):
    database = Database(SNOWFLAKE, tmp_path, snowflake_url(1), monkeypatch)
    with pytest.raises(StoreError, match="source orders: snowflake://acct/shop/public can't be read: ") as caught:
        database.read("select 1 as a")
    assert caught.value.code == "FC605"
    assert "refused" in caught.value.message
    assert PASSWORD not in f"{caught.value} {caught.value.__cause__} {capfd.readouterr()}"


def test_a_query_that_runs_is_ended_by_an_interrupt(database):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in the background
    endless = "select count(*) as n from range(10000000) a(i), range(10000000) b(j) where i * j % 7 = 3"
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            database.read(endless)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)


VIEW = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    SOURCE
    columns: {k: string, seen: timestamp, known: timestamp, n: int64, f: float64, d: "decimal(12,2)", e: "decimal(9,1)",
      s: string, day: date, ok: bool}
    event_time: seen
    available_at: known
    tiebreak: [s, f]
    dedup_key: [k, seen, s]
    timezone: Europe/Berlin
feature_views:
  - {name: v, entity: key, source: s, features: [n, f, d, e, s, day, ok]}
"""


def test_a_table_is_that_of_the_same_rows_in_parquet_hashes_included(snowflake_url, tmp_path, capsys, monkeypatch):
    count = range(500)
    begin = datetime(2025, 10, 26)  # noqa: DTZ001  # a clock of the source, on a day of 25 hours
    rows = pl.DataFrame(
        {
            "k": [f"k{n % 7}" for n in count], "seen": [begin + timedelta(minutes=n // 3) for n in count],
            "known": [begin.replace(tzinfo=UTC) + timedelta(minutes=n, microseconds=n) for n in count],
            "n": [None if n == 5 else n * 2**50 for n in count], "f": [math.nan if n == 7 else n / 7 for n in count],
            "d": [Decimal(n) / 4 for n in count], "e": [None if n == 9 else n for n in count],
            "s": ["x'ä" * (n % 5) for n in count], "day": [date(2026, 1, 1 + n % 9) for n in count],
            "ok": [n % 2 == 0 for n in count],
        },
        schema={
            "k": pl.String, "seen": pl.Datetime("us"), "known": pl.Datetime("us", "UTC"), "n": pl.Int64,
            "f": pl.Float64, "d": pl.Decimal(12, 2), "e": pl.Int64, "s": pl.String, "day": pl.Date, "ok": pl.Boolean,
        },
    )  # fmt: skip
    open_destination(f"{snowflake_url}&table=t", "rows").write(frames_of(rows), {})
    monkeypatch.setenv("PW", PASSWORD)
    url, query = snowflake_url.replace(PASSWORD, "${PW}"), "select * from t where known >= :since order by known"
    made = []
    for name, source in (("sql", f'sql: {{url: "{url}", query: "{query}"}}'), ("parquet", "path: rows.parquet")):
        shop = make(tmp_path / name, "", VIEW.replace("SOURCE", source), capsys, monkeypatch)
        rows.write_parquet(shop.root / "rows.parquet")
        shop.run("materialize")
        made.append(tables(shop.root))
    assert_same(*made)
    assert max(frame.height for frame in made[0].values()) >= 500
