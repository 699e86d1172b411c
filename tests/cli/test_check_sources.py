"""`plan --check-sources`: columns that are missing or of another type are told before anything is materialized."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import duckdb
import pytest

from tests.cli.test_plan_apply_history import OBJECTS, PROJECT, run

MORE = OBJECTS.replace(
    "feature_views:",
    """\
  - name: visits
    sql: {url: "sqlite:///shop.db", query: "select customer, at from visits"}
    columns: {customer: string, at: timestamp}
  - name: stock
    sql: {url: "postgresql://ana:${PASSWORD}@127.0.0.1:1/shop?connect_timeout=2", query: "select 1 as item"}
    columns: {item: int64}
feature_views:""",
)


@pytest.fixture
def repo(tmp_path, monkeypatch):
    root = tmp_path / "shop"
    (root / "data").mkdir(parents=True)
    (root / "data" / "orders.csv").write_text("customer,ordered_at,amount\nann,no instant,1.5\n")
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS)
    with closing(sqlite3.connect(root / "shop.db")) as made:
        made.execute("create table visits (customer text, seen_at text)")
    monkeypatch.chdir(root)
    return root


@pytest.mark.usefixtures("repo")
def test_sources_that_have_their_columns_change_nothing_of_a_plan(capsys):
    code, out, err = run(capsys, "plan", "--check-sources")
    assert (code, err) == (0, "1 source asked for columns, 0 failed\n")
    assert out == run(capsys, "plan")[1]
    found = json.loads(run(capsys, "plan", "--check-sources", "-o", "json")[1])["result"]
    assert found["checked_sources"] == ["orders"]


def test_each_source_that_fails_is_told_and_the_gravest_decides(repo, capsys, monkeypatch):
    (repo / "data" / "orders.csv").write_text("customer,ordered_at,amonut\nann,no instant,1.5\n")
    (repo / "objects.yaml").write_text(MORE)
    monkeypatch.setenv("PASSWORD", "secret")
    code, out, err = run(capsys, "plan", "--check-sources", "--out", "p.json")
    assert code == 69, err
    assert "Plan: 5 to add" in out
    assert (repo / "p.json").exists()
    assert "source orders, file data/orders.csv has no column 'amount'" in err
    assert "error[FC508]: source visits, its query fails: no such column: at\n" in err
    assert "source stock: postgresql://127.0.0.1:1/shop can't be read" in err
    assert "secret" not in out + err
    (repo / "objects.yaml").write_text(
        MORE.partition("  - name: stock")[0] + "feature_views:" + OBJECTS.partition("feature_views:")[2]
    )
    assert run(capsys, "plan", "--check-sources")[0] == 1


TOLD = """
entities: [{name: rider, keys: {rider: string}}]
sources:
  - name: trips
    sql: {url: "duckdb:///shop.duckdb", query: "select rider, seen, fare, 'x' as word from trips"}
    event_time: seen
feature_views:
  - {name: fares, entity: rider, source: trips, features: [fare]}
  - {name: fees, entity: rider, source: trips, features: [fee]}
  - {name: words, entity: rider, source: trips, aggregates: [{op: sum, column: word, windows: [7d]}]}
"""


def test_a_decimal_of_fewer_digits_than_the_source_has_is_told(repo, capsys):
    with closing(duckdb.connect(repo / "shop.duckdb")) as made:
        made.execute("create table trips (rider text, seen timestamp, fare decimal(12,4), fee decimal(9,2))")
    columns = "{rider: string, seen: timestamp, fare: 'decimal(10,2)', fee: 'decimal(12,2)'}"
    text = TOLD.replace("event_time: seen", f"event_time: seen\n    columns: {columns}").partition("  - {name: words")[
        0
    ]
    (repo / "trips.yaml").write_text(text.replace(", 'x' as word", ", fee"))
    code, out, err = run(capsys, "plan", "--check-sources")
    assert (code, "Plan: " in out) == (0, True), err
    assert "source trips: column 'fare' is decimal(12,4), and declared decimal(10,2): materialize ends with an" in err
    assert ("'fee'" in err, "2 sources asked for columns, 0 failed" in err) == (False, True)
    found = json.loads(run(capsys, "plan", "--check-sources", "-o", "json")[1])["result"]
    assert found["narrower_columns"] == {"trips": {"fare": {"is": "decimal(12,4)", "declared": "decimal(10,2)"}}}


def test_views_are_held_against_columns_that_only_a_query_tells(repo, capsys):
    with closing(duckdb.connect(repo / "shop.duckdb")) as made:
        made.execute("create table trips (rider text, seen timestamp, fare double)")
    (repo / "trips.yaml").write_text(TOLD)
    assert run(capsys, "validate")[0] == 0
    code, out, err = run(capsys, "plan", "--check-sources", "-q")
    assert (code, "Plan: 8 to add" in out) == (1, True), out
    assert 'error[FC503]: feature view "fees", input "fee": no column "fee"\n' in err
    assert 'error[FC504]: feature view "words", feature "word_sum_7d": ' in err
    assert "= affects view fees\n" in err
    assert "fares" not in err
    (repo / "more.yaml").write_text('sources: [{name: away, sql: {url: "${NOWHERE}", query: select 1 as a}}]')
    code, _, err = run(capsys, "plan", "--check-sources")
    assert (code, "3 sources asked for columns, 1 failed\n" in err) == (64, True), err
    assert ("variable NOWHERE is not set" in err, "= affects view fees\n" in err) == (True, True)
    (repo / "trips.yaml").write_text(TOLD.replace("event_time: seen", "event_time: fare"))
    _, _, err = run(capsys, "plan", "--check-sources")
    assert ("source trips" in err, "fees" in err) == (True, False), err
