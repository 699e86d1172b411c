"""Queries to a PostgreSQL through a PgBouncer that lends its connections for a transaction each."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from tests.servers.pgbouncer import started_pgbouncer
from tests.sources.sql_contract.kinds import ARROW, ROWS, postgres_database

pytestmark = pytest.mark.guests
SINCE = datetime(2026, 1, 2, tzinfo=UTC)
FILL = "insert into t select i, timestamptz '2026-01-01Z' + i * interval '1 hour' from generate_series(1, 5000) i"


@pytest.mark.parametrize("kind", [ARROW, ROWS])
def test_a_query_is_read_through_a_pool_of_transactions(tmp_path, postgres_url, monkeypatch, kind):
    with started_pgbouncer(postgres_url) as url:
        database = postgres_database(tmp_path, url, monkeypatch, kind)
        database.run("create table t (i int, at timestamptz)", FILL)
        for _ in range(3):
            rows = database.read("select i, at from t where at >= :since order by i", SINCE, timezone="Europe/Berlin")
            assert (rows.height, rows["i"].to_list()[:2]) == (4977, [24, 25])
            if kind == ARROW:
                database.was_read_as(arrow=True)
            with psycopg.connect(url, autocommit=True) as other:  # who has the connection next finds it as it was
                assert other.execute("show timezone").fetchone() != ("Europe/Berlin",)
                assert other.execute("show transaction_read_only").fetchone() == ("off",)
                assert not other.execute("select current_setting('featurectl.since', true)").fetchone()[0]
        database.run("alter table t alter i type bigint")
        assert database.read("select i from t").height == 5000
        database.reader("select i, at from t where at >= :since", columns=None).check_columns()
