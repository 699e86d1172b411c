"""Views whose types only their data says are served without their offline tables: a push keeps types beside rows.

Nothing but the registry, the online store and the files of models is read by a server.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

import featurectl
from featurectl.offline.delta import DeltaStore
from tests.serving.clicks import run

FILES = {
    "featurectl.yaml": """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "${ONLINE:-sqlite:///on.db}", now: "2026-01-08T00:00:00Z"}
""",
    "views.yaml": """
entities: [{name: user, keys: {user: int64}}]
sources:
  - {name: orders, sql: {url: "sqlite:///rows.db", query: select * from orders}, event_time: at}
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates: [{op: sum, column: amount, windows: [7d]}, {op: last, column: city, windows: [7d]}]
    derived: [{name: twice, expr: amount_sum_7d * 2}]
    freshness: {error_after: 30d}
""",
}
ASKED = {"features": ["spend:*"], "entities": {"user": [1, 2]}}
VALUES = {"amount_sum_7d": [3.5, None], "city_last_7d": ["Oslo", None], "twice": [7.0, None]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("untyped")
    for name, text in FILES.items():
        (root / name).write_text(text)
    with closing(sqlite3.connect(root / "rows.db")) as rows:
        rows.execute("create table orders (user integer, at text, amount real, city text)")
        rows.execute("insert into orders values (1, '2026-01-07T00:00:00Z', 3.5, 'Oslo')")
        rows.commit()
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    return root


@pytest.fixture
def shop(made, tmp_path):
    return shutil.copytree(made, tmp_path / "shop")


@pytest.fixture
def no_table(monkeypatch):
    """An offline store that nobody may read."""

    def refuse(*_):
        raise AssertionError("a Delta table is read")

    monkeypatch.setattr(DeltaStore, "table", refuse)


def answered(client):
    answer = client.post("/v1/features", json=ASKED)
    assert answer.status_code == 200, answer.text
    return {name: column["values"] for name, column in answer.json()["features"].items()}


@pytest.mark.usefixtures("no_table")
def test_a_server_reads_no_offline_table(shop, opened):
    client = opened(shop, timeout_s=20.0)
    assert answered(client) == VALUES
    for path in ("/ready", "/fresh", "/v1/views", "/v1/models", "/metrics"):
        assert client.get(path).status_code == 200, path
    assert client.get("/ready").json()["warnings"] == []


@pytest.mark.usefixtures("no_table")
def test_applications_read_no_offline_table(shop):
    with featurectl.open_client(shop) as client:
        assert client.get(["spend:*"], {"user": [1, 2]}).values() == VALUES


def test_an_unpushed_view_of_unknown_types_is_refused_with_what_to_do(shop, opened):
    (shop / "on.db").unlink()
    run(shop, "apply", "--auto-approve")
    answer = opened(shop, timeout_s=20.0).post("/v1/features", json=ASKED)
    assert (answer.status_code, answer.json()["code"]) == (503, "FC511")
    assert "; featurectl materialize spend where it has no offline table yet" in answer.json()["hint"]
