"""How long a server keeps rows that no push sends again: a retention and a quarter, or for good where now was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from featurectl.cli.main import main
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import PushRequest, push_view
from tests.online.views import MemoryTable, at, latest, push_request, state_view, table

DAY_US = 86_400_000_000
PROFILE = replace(state_view([latest("amount", "int64")]), retention_us=8 * DAY_US)


def request_of(tmp_path, view, clock):
    return PushRequest(
        engine=PolarsEngine(),
        view=view,
        version=1,
        table=MemoryTable(view.keys, 1),
        store=SqliteStore(tmp_path / "online.db"),
        project="p",
        env="dev",
        now=at(0),
        clock=clock,
    )


@pytest.mark.parametrize(
    ("view", "clock", "kept_until"),
    [
        (PROFILE, at(0), at(240)),
        (PROFILE, None, None),
        (replace(PROFILE, retention_us=None), at(0), None),
        (replace(PROFILE, source=replace(PROFILE.source, event_time=None)), at(0), None),
    ],
)
def test_rows_are_kept_for_a_retention_and_a_quarter(tmp_path, view, clock, kept_until):
    request = request_of(tmp_path, view, clock)
    assert request.kept_until == kept_until
    request.store.close()


def test_rows_of_an_unchanged_table_are_sent_again_while_they_are_stored(tmp_path):
    rows, store = table(PROFILE, [("a", 0, None, {"amount": 1})], {"amount": "int64"}), SqliteStore(tmp_path / "a.db")
    longer, kept = replace(PROFILE, retention_us=80 * DAY_US), replace(PROFILE, retention_us=None)

    def sent(view, day):
        return push_view(replace(push_request(store, view, rows, 24 * day), clock=at(24 * day))).rows_sent

    assert [sent(PROFILE, day) for day in (0, 1, 2, 2.5, 4, 12, 13)] == [1, 0, 0, 1, 0, 1, 0]
    assert [sent(longer, day) for day in (14, 15, 33, 35)] == [1, 0, 0, 1]
    assert [sent(PROFILE, 36), sent(PROFILE, 60)] == [0, 0]  # the store keeps them longer than it has to
    assert [sent(kept, day) for day in (61, 62, 500)] == [1, 0, 0]
    assert [sent(PROFILE, 501), sent(longer, 600)] == [0, 0]
    store.close()


def test_rows_that_have_an_end_get_none_where_now_is_given(tmp_path):
    rows, store = table(PROFILE, [("a", 0, None, {"amount": 1})], {"amount": "int64"}), SqliteStore(tmp_path / "a.db")
    push_view(replace(push_request(store, PROFILE, rows, 0), clock=at(0)))
    assert [push_view(push_request(store, PROFILE, rows, hours)).rows_sent for hours in (1, 1, 2)] == [1, 0, 0]
    store.close()


def test_a_push_of_some_rows_leaves_the_first_end_in_the_record(tmp_path):
    rows = table(PROFILE, [("a", 0, None, {"amount": 1}), ("b", 24, None, {"amount": 1})], {"amount": "int64"})
    store = SqliteStore(tmp_path / "a.db")
    sent = [
        push_view(replace(push_request(store, PROFILE, rows, 24 * day), clock=at(24 * day))).rows_sent
        for day in (0, 1, 2.5)
    ]
    assert sent == [1, 1, 2]
    store.close()


PROJECT = """project: keep
environments:
  dev: {{registry: "sqlite:///.featurectl/registry.db", offline: .featurectl/offline, online: "{url}"}}
"""
OBJECTS = """entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: orders.csv
    event_time: at
    timezone: UTC
    columns: {customer: string, at: timestamp, n: int64}
feature_views:
  - {name: kept, entity: customer, source: orders, features: [n]}
  - {name: bounded, entity: customer, source: orders, retention: 8d, features: [n]}
"""


def lives_s(url, project="keep"):
    """Return how long the row of each view still has to live, in seconds; -1: for good."""
    with redis.Redis.from_url(url) as client:
        key = f"{project}/dev:{{s1:a}}"
        found = client.execute_command("HTTL", key, "FIELDS", 2, "kept@1", "bounded@1")
        client.delete(key, f"{project}/dev")
    return found


@pytest.mark.sample(1)
@pytest.mark.parametrize("given", [False, True])
def test_the_server_is_told_unless_now_was_given(tmp_path, monkeypatch, redis_url, given):
    (tmp_path / "featurectl.yaml").write_text(PROJECT.format(url=redis_url))
    (tmp_path / "views.yaml").write_text(OBJECTS)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (tmp_path / "orders.csv").write_text(f"customer,at,n\na,{yesterday:%Y-%m-%dT%H:%M:%SZ},1\n")
    words = ["--as-of", f"{yesterday:%Y-%m-%dT%H:%M:%SZ}"] if given else []
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "-q", *words]) == 0
    kept, life_s = lives_s(redis_url)
    assert kept == -1
    assert life_s == -1 if given else 9 * 86_400 < life_s <= 10 * 86_400


@pytest.mark.long
def test_a_longer_retention_keeps_rows_that_no_push_would_send(tmp_path, monkeypatch, redis_url):
    (tmp_path / "featurectl.yaml").write_text(PROJECT.format(url=redis_url).replace("keep", "longer"))
    (tmp_path / "orders.csv").write_text(
        f"customer,at,n\na,{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ},1\n"
    )
    monkeypatch.chdir(tmp_path)
    found = []
    for retention in ("retention: 8d, ", "retention: 365d, ", ""):
        (tmp_path / "views.yaml").write_text(OBJECTS.replace("retention: 8d, ", retention))
        assert main(["apply", "--auto-approve", "-q"]) == 0
        assert main(["materialize", "-q"]) == 0
        with redis.Redis.from_url(redis_url) as client:
            found += client.execute_command("HTTL", "longer/dev:{s1:a}", "FIELDS", 1, "bounded@1")
    lives_s(redis_url, "longer")
    assert [round(life_s / 86_400) for life_s in found] == [10, 456, 0]
