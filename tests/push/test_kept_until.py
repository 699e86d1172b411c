"""How long a server keeps rows that no push sends again: a retention and a quarter, and for good where now was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from featurectl.cli.main import main
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.online.sqlite import SqliteStore
from featurectl.push import PushRequest
from tests.online.views import MemoryTable, at, latest, state_view

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
