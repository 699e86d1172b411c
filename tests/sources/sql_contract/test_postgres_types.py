"""What ADBC gives of each type of PostgreSQL equals what rows of psycopg are read as: cells and types."""

# ruff: noqa: DTZ001  # times without a zone are what is tested

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.sources.sql import postgres
from tests.sources.sql_contract.kinds import postgres_database, same, values

LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)  # of either kind
WIDE = Decimal("9" * 28 + "." + "9" * 10)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
FLOAT = st.one_of(st.floats(width=64), st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324]))
FLOAT4 = st.one_of(st.floats(width=32), st.sampled_from([math.nan, math.inf, 1e-45]))
DOCUMENT = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)), max_leaves=5,
)  # fmt: skip
MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
# Each type that is read as Arrow, with values of it.
VALUES = {
    "bool": st.booleans(),
    "bytea": st.binary(max_size=8),
    "name": TEXT,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "text": TEXT,
    "varchar(12)": TEXT,
    "char(12)": TEXT,
    "real": FLOAT4,
    "double precision": FLOAT,
    "numeric": st.one_of(st.decimals(), st.decimals(-100, 100, places=3)).filter(
        lambda value: str(value) != "-NaN" and not value.is_snan()
    ),
    "numeric(38,10)": st.decimals(-(10**27), 10**27, places=10, allow_nan=False, allow_infinity=False),
    "numeric(5,2)": st.decimals(-999, 999, places=2, allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": MOMENT,
    "timestamptz": MOMENT.map(lambda at: at.replace(tzinfo=UTC)),
    "uuid": st.uuids(),
    "json": DOCUMENT.map(lambda value: json.dumps(value, ensure_ascii=False)),
    "jsonb": DOCUMENT.map(json.dumps).filter(lambda text: "\\u0000" not in text),
    "mood": st.sampled_from(["sad", "o'k", "ü"]),
}
# Those that are read by rows, for Arrow does not tell all of them.
BY_ROWS = {
    "oid": "1::oid", "char": "'x'::\"char\"", "money": "1.5::money", "interval": "interval '1 month'",
    "inet": "'10.0.0.1'::inet", "bit": "b'101'", "xml": "'<a/>'::xml", "range": "int4range(1, 3)",
    "integers": "array[1, null, 3]", "texts": "array['a']", "numerics": "array[1.5]", "composite": "row(1, 'a')",
    "time with a zone": "'10:00+02'::timetz", "own": "'(1,2)'::pair", "void": "'x'::void",
}  # fmt: skip
TABLES = st.lists(st.tuples(*(st.none() | each for each in VALUES.values())), max_size=6)


@pytest.fixture
def database(tmp_path, postgres_url, monkeypatch):
    made = postgres_database(tmp_path, postgres_url, monkeypatch)
    made.run("create type mood as enum ('sad', 'o''k', 'ü')", "create type pair as (x int, y int)")
    return made


def check_equal(database, rows) -> None:
    columns = [f"c{i}" for i in range(len(VALUES))]
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("drop table if exists t")
        kinds = ", ".join(f"{name} {kind}" for name, kind in zip(columns, VALUES, strict=True))
        connection.execute(f"create table t (id serial, {kinds})")
        marks = ", ".join(f"%s::{kind}" for kind in VALUES)
        connection.cursor().executemany(f"insert into t ({', '.join(columns)}) values ({marks})", rows)
    query = "select * from t order by id"
    found = database.raw(query)
    database.was_read_as(arrow=True)
    with database.by_rows():
        wanted = database.raw(query)
    assert found.height == len(rows)
    assert same(found, wanted), (found.schema, wanted.schema, found.rows(), wanted.rows())


@pytest.mark.long
def test_random_rows_of_all_types_are_those_of_psycopg(database):
    @settings(max_examples=60)
    @given(TABLES)
    def check(rows):
        check_equal(database, rows)

    check()


def test_extreme_rows_of_all_types_are_those_of_psycopg(database):
    least = {
        "bool": False, "bytea": b"", "name": "", "bigint": -(2**63), "smallint": -(2**15), "integer": -(2**31),
        "text": "", "varchar(12)": "", "char(12)": "", "real": -3.4028235e38,
        "double precision": -1.7976931348623157e308,
        "numeric": Decimal("-1e300"), "numeric(38,10)": WIDE.copy_negate(),
        "numeric(5,2)": Decimal("-999.99"), "date": date.min, "time": time.min,
        "timestamp": datetime(1, 1, 1), "timestamptz": datetime(1, 1, 1, tzinfo=UTC), "uuid": uuid.UUID(int=0),
        "json": "null", "jsonb": '{"b": 1, "a": [1.10, null]}', "mood": "sad",
    }  # fmt: skip
    most = {
        "bool": True, "bytea": bytes(range(256)), "name": "ä€😀", "bigint": 2**63 - 1, "smallint": 2**15 - 1,
        "integer": 2**31 - 1, "text": "ä€😀\n\t\\N", "varchar(12)": "\u2028", "char(12)": "ä  ", "real": 1e-45,
        "double precision": math.nan, "numeric": Decimal("NaN"), "numeric(38,10)": WIDE,
        "numeric(5,2)": Decimal("0.01"), "date": date.max, "time": time.max,
        "timestamp": LAST, "timestamptz": LAST.replace(tzinfo=UTC), "uuid": uuid.UUID(int=2**128 - 1),
        "json": '{"ä": 1, "a": 2, "a": 1e400}', "jsonb": '"text"', "mood": "o'k",
    }  # fmt: skip
    check_equal(database, [[each[kind] for kind in VALUES] for each in (least, most)] + [[None] * len(VALUES)])
    check_equal(database, [])


@pytest.mark.long
def test_a_semicolon_at_its_end_keeps_no_query_from_arrow(database):
    for text in ("select 1 as a;", "select 1 as a ;\n", "select 1 as a -- the end;"):
        assert database.read(text).rows() == [(1,)]
        database.was_read_as(arrow=True)


@pytest.mark.sample(3)
@pytest.mark.parametrize("text", BY_ROWS.values(), ids=BY_ROWS)
def test_what_arrow_does_not_tell_whole_is_read_by_rows(database, text):
    found = database.raw(values("1", text))
    database.was_read_as(arrow=False)
    with database.by_rows():
        assert same(found, database.raw(values("1", text)))


@pytest.mark.sample(3)
@pytest.mark.parametrize("text", [
    "'infinity'::date", "'-infinity'::date", "'infinity'::timestamptz", "'-infinity'::timestamp", "'24:00'::time",
    "'0044-03-15 BC'::date", "'294276-12-31'::timestamp", "'10000-01-01'::date", "'NaN'::numeric(5,2)",
])  # fmt: skip
def test_what_no_cell_can_hold_is_an_error_that_names_the_column(database, text):
    with pytest.raises(DataError, match="source orders, its query: column 'b' can't be read: it has ") as caught:
        database.raw(values("1", text))
    assert caught.value.code == "FC504"
    database.was_read_as(arrow=True)
    with database.by_rows(), pytest.raises(DataError, match="column 'b' can't be read: it has ") as caught:
        database.raw(values("1", text))
    assert caught.value.code == "FC504"


@pytest.mark.sample(3)
@pytest.mark.parametrize("text", [
    "'infinity'::timestamptz", "array['-infinity'::date]", "tsrange('2024-01-01', 'infinity')", "'24:00+02'::timetz",
    "'10000-01-01'::timestamp", "'0044-03-15 BC'::date",
])  # fmt: skip
def test_times_that_python_lacks_name_their_column_in_rows_too(database, text):
    query = f"select '2024-01-01'::date as a, array[1, 2] as b, {text} as c union all select '2024-01-02', null, null"
    with pytest.raises(DataError, match=r"its query: column 'c' can't be read: it has (a|the) time") as caught:
        database.raw(query)
    assert caught.value.code == "FC504"
    database.was_read_as(arrow=False)


@pytest.mark.long
def test_texts_of_another_encoding_are_read_as_they_are(database):
    url = database.url.rsplit("/", 1)[0]
    name = f"latin_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
        try:
            database.url = f"{url}/{name}"
            database.run("create table t (a text)", "insert into t values ('äß')")
            assert database.raw("select * from t").rows() == [("äß",)]
            database.was_read_as(arrow=True)
        finally:
            connection.execute(f"drop database {name} with (force)")


@pytest.mark.long
def test_columns_that_change_after_they_were_told_are_read_anew(database, monkeypatch):
    database.run("create table t (a int, b numeric(5,2))", "insert into t values (1, 1.25)")
    monkeypatch.setattr("featurectl.sources.begun_again.RETRY_S", (0, 0))
    described, changes = postgres.describe, ["a type text", "b type numeric(7,3)"]

    def changed(query, since):
        try:
            return described(query, since)
        finally:
            if changes:
                database.run(f"alter table t alter {changes.pop()}")

    monkeypatch.setattr(postgres, "describe", changed)
    assert database.raw("select * from t").rows() == [("1", Decimal("1.250"))]
    assert database.arrow == [False, False, True]


@pytest.mark.long
def test_fractions_are_exact(database):
    query = "select g::real / 7 as a, (g / 7.0)::numeric as b from generate_series(1, 5000) g"
    found = database.raw(query)
    with database.by_rows():
        assert same(found, database.raw(query))
