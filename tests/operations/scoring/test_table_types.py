"""A table of PostgreSQL that is there takes scores into columns of their types alone, which is said before scoring."""

from datetime import UTC, datetime

import polars as pl
import psycopg
import pytest

from featurectl.core.errors import UsageError
from featurectl.operations.outputs.frames import frames_of
from featurectl.operations.scoring.sql_table import open_table

ROWS = pl.DataFrame(
    {"k": ["a"], "at": [datetime(2024, 1, 1, tzinfo=UTC)], "n": [2], "score": [0.5], "ok": [True]},
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)
OTHERS = {
    "score integer": "score is INTEGER, and gets ", "k json": "k is JSON, and gets TEXT", "at text": "at is TEXT, ",
    "k mood": "k is mood, and gets TEXT", "n text": "n is TEXT, and gets BIGINT", "ok integer": "ok is INTEGER, ",
    "k uuid": "k is UUID, and gets TEXT", "at date": "at is DATE, ",
}  # fmt: skip
WIDER = ("k varchar(80)", "score numeric", "n numeric(20,2)", "score real", "n integer", "k code", "at timestamp")


@pytest.fixture
def table(postgres_url):
    """A table of scores, and what changes the type of a column of it."""
    to = open_table(f"{postgres_url}{'&' if '?' in postgres_url else '?'}table=scores")
    to.write(frames_of(ROWS), {})

    def change(column, kind):
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("create type mood as enum ('a')")
            connection.execute("create domain code as varchar(9)")
            connection.execute("delete from scores")
            connection.execute(f"alter table scores alter {column} type {kind} using null::{kind}".encode())
        return to

    return change


@pytest.mark.sample(3)
@pytest.mark.parametrize("other", OTHERS)
def test_a_column_that_does_not_take_the_values_is_named(table, other):
    to = table(*other.split(" "))
    with pytest.raises(UsageError, match="table scores is there with other columns: ") as caught:
        to.check_columns(ROWS.schema)
    assert OTHERS[other] in caught.value.message


@pytest.mark.sample(3)
@pytest.mark.parametrize("wider", WIDER)
def test_a_column_that_takes_the_values_is_filled(table, wider):
    to = table(*wider.split(" "))
    to.check_columns(ROWS.schema)
    to.write(frames_of(ROWS), {})
