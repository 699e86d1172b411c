"""A table begun by rows of SQLAlchemy, as MariaDB was read before, goes on as the one that is made now alone."""

from __future__ import annotations

from functools import partial

import pytest

from featurectl.sources.sql import drivers
from tests.sources.sql_contract.test_continued import assert_same, make, tables

pytestmark = pytest.mark.guests
OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources:
  - name: s
    sql: {url: "URL", query: "select * from t where KNOWN >= :since"}
    columns: {k: string, at: timestamp, known: timestamp, a: int64, c: float64, d: "decimal(9,3)", f: string, g: string,
      h: date, i: bool, j: string}
    event_time: at
    available_at: KNOWN
    tiebreak: [j, c]
    timezone: Europe/Berlin
    CLOCKS
feature_views:
  - {name: v, entity: key, source: s, features: [a, c, d, f, g, h, i, j]}
"""
TABLE = """
create table t (k varchar(9), at datetime(6), known datetime, a smallint, c double, d decimal(9,3), f uuid, g json,
  h date, i boolean, j text)
"""
INSERT = """
insert into t select concat('k', seq % 7), '2025-10-25 20:00' + interval seq * 3 minute,
  '2025-10-26 00:00' + interval seq minute, seq % 100, seq * 0.1e0, seq / 7,
  concat('00000000-0000-0000-0000-', lpad(seq, 12, '0')), json_object('n', seq), '2026-01-01' + interval seq % 9 day,
  seq % 2 = 0, if(seq % 11 = 0, null, repeat('x', seq % 5))
from seq_{}_to_{}
"""


CLOCKS = {"available": ("known", ""), "lateness": ("at", "lateness: 1h\n    dedup_key: [k, at, j]")}


@pytest.fixture
def mariadb(mariadb_url, mariadb_server):
    """Runs statements in the database of this test."""
    return partial(mariadb_server.run, name=mariadb_url.rpartition("/")[2])


@pytest.fixture
def shop_of(tmp_path, mariadb_url, capsys, monkeypatch):
    """Makes a repository of a name over the table t."""
    return lambda name, text: make(tmp_path / name, mariadb_url, text, capsys, monkeypatch)


@pytest.mark.parametrize(("known", "clocks"), CLOCKS.values(), ids=CLOCKS)
def test_a_table_begun_by_rows_goes_on(shop_of, mariadb, monkeypatch, known, clocks):
    text = OBJECTS.replace("KNOWN", known).replace("CLOCKS", clocks)
    text = text.replace("    available_at: at\n", "")
    mariadb(TABLE, INSERT.format(1, 500))
    begun = shop_of("begun", text)
    with monkeypatch.context() as patched:
        patched.setattr(drivers, "DRIVERS", {})
        begun.run("materialize")
    alone = shop_of("alone", text)
    alone.run("materialize")
    assert_same(tables(begun.root), tables(alone.root))
    mariadb(INSERT.format(490, 700))
    for shop in (begun, alone):
        monkeypatch.chdir(shop.root)
        did = shop.run("materialize").out.splitlines()[1].split()[1]
        assert did == "append"
    assert_same(tables(begun.root), tables(alone.root))
    assert max(frame.height for frame in tables(alone.root).values()) >= 700
