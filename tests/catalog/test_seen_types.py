"""Types that no file says are those of the data, once it was read: the registry has them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: user, keys: {user: int64}}]
sources: [{name: orders, path: orders.csv, event_time: at, select: {late: delay > 15}}]
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates:
      - {op: count, windows: [7d]}
      - {op: [mean, sum], column: amount, windows: [7d]}
      - {op: any, column: late, windows: [1d]}
    derived: [{name: each, expr: amount_sum_7d / count_7d}]
  - {name: latest, entity: user, source: orders, features: [shop, {name: days, expr: delay * 2}]}
"""
ROWS = "user,at,amount,delay,shop\n1,2026-01-07T00:00:00Z,2,20,a\n2,2026-01-07T00:00:00Z,3,2,b\n"
TYPES = {
    "latest:days": "int64", "latest:shop": "string", "spend:amount_mean_7d": "float64", "spend:amount_sum_7d": "int64",
    "spend:count_7d": "int64", "spend:each": "float64", "spend:late_any_1d": "bool",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS)
    (tmp_path / "orders.csv").write_text(ROWS)
    assert main(["apply", "--auto-approve", "-q"]) == 0

    def asked(*words):
        capsys.readouterr()
        assert main([*words, "-q", "-o", "json"]) == 0
        return json.loads(capsys.readouterr().out)["result"]

    return asked


def types(asked):
    return {
        item["name"]: item["type"] for item in sorted(asked("list", "features")["objects"], key=lambda i: i["name"])
    }


@pytest.mark.long
def test_list_show_and_search_say_the_types_of_what_was_read(shop, capsys):
    assert {name for name, dtype in types(shop).items() if dtype == "unknown"} == TYPES.keys() - {"spend:count_7d"}
    assert main(["materialize", "-q"]) == 0
    assert types(shop) == TYPES
    assert shop("search", "amount mean")["hits"][0]["type"] == "float64"
    (shown,) = shop("show", "spend:each")["objects"]
    assert shown["type"] == "float64"
    capsys.readouterr()
    assert main(["show", "source:orders", "-q"]) == 0
    assert "amount int64, at timestamp, delay int64, shop string, user int64, late bool" in capsys.readouterr().out
    assert main(["plan", "-q"]) == 0
    assert "No changes" in capsys.readouterr().out
    files = Path("o.yaml")
    declared = "columns: {user: int64, at: timestamp, amount: int64, delay: int64, shop: string}"
    files.write_text(OBJECTS.replace("event_time: at", f"event_time: at, {declared}"))
    assert {change["kind"] for change in shop("plan", "--out", "p.json")["changes"]} == {"metadata"}
    assert main(["apply", "p.json", "--auto-approve", "-q"]) == 0
    assert {view["action"] for view in shop("materialize")["views"]} == {"nothing"}


def test_types_are_those_of_the_last_table(shop, tmp_path):
    assert main(["materialize", "-q"]) == 0
    (tmp_path / "orders.csv").write_text(ROWS.replace(",2,20", ",2.5,20"))
    assert main(["materialize", "--full", "-q"]) == 0
    assert types(shop)["spend:amount_sum_7d"] == "float64"


def test_a_registry_that_takes_no_types_is_a_warning(shop, tmp_path, capsys):
    with closing(sqlite3.connect(tmp_path / "r.db")) as registry:
        registry.execute("create trigger full before insert on view_columns begin select raise(abort, 'full'); end")
        registry.commit()
    capsys.readouterr()
    assert main(["materialize"]) == 0
    assert "warning: the types of spend@1 are not kept: " in capsys.readouterr().err
    assert types(shop)["spend:each"] == "unknown"
