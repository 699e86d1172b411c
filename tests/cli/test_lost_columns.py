"""A file without declared types that lost a column fails the views that read it; the others are computed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: dish, keys: {dish: string}}]
sources:
  - {name: menu, path: menu.csv}
  - {name: stock, path: stock.csv}
  - {name: meals, path: meals.csv, event_time: at}
feature_views:
  - {name: facts, entity: dish, source: menu, features: [{name: kind, expr: type}]}
  - {name: kept, entity: dish, source: stock, features: [pieces]}
models:
  - name: eaten
    spine: {source: meals, time: at, label: {name: late, entity: dish, source: meals, op: sum, column: n, horizon: 1d}}
    features: [{kept: [pieces]}]
  - {name: asked, spine: {source: meals, time: at, label: {name: n}}, features: [{kept: [pieces]}]}
notifiers: [{name: file, command: "sh -c 'cat >> told'"}]
alerts: [{name: failed, when: pipeline_failures > 0, severity: critical, notify: [file]}]
"""
MEALS = "dish,at,n\na,2026-01-01T00:00:00Z,1\na,2026-01-03T00:00:00Z,2\n"
LABEL = """error[FC503]: label late: source meals, meals.csv has no column 'n'
  = bring back the data as it was, or change the label; its columns: dish, at
"""


@pytest.mark.long
def test_a_lost_column_fails_its_views_on_record_and_no_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "menu.csv": "dish,type\na,soup\n", "meals.csv": MEALS}
    for name, text in {**files, "stock.csv": "dish,pieces\na,1\n"}.items():
        (tmp_path / name).write_text(text)
    for argv in (["apply", "--auto-approve"], ["materialize"]):
        assert main([*argv, "-q"]) == 0
    (tmp_path / "menu.csv").write_text("dish\na\n")
    (tmp_path / "stock.csv").write_text("dish,pieces\na,2\nb,3\n")
    capsys.readouterr()
    assert main(["materialize", "-q", "-o", "json"]) == 1
    done = json.loads(capsys.readouterr().out)
    assert done["result"]["views"][0]["error"]["message"] == (
        "source menu, menu.csv: column 'type' is gone, it was string before"
    )
    assert [(view["view"], view["error"] is None) for view in done["result"]["views"]] == [
        ("facts", False),
        ("kept", True),
    ]
    assert main(["status", "-q"]) == 1
    assert "facts" in capsys.readouterr().out
    assert main(["monitor", "check", "-q"]) == 1
    assert "failed  view:facts@1  firing" in capsys.readouterr().out
    assert main(["training-set", "eaten", "--out", "t.csv", "-q"]) == 0
    (tmp_path / "meals.csv").write_text("dish,at\na,2026-01-01T00:00:00Z\n")
    capsys.readouterr()
    assert main(["training-set", "eaten", "--out", "t.csv", "-q"]) == 1
    assert capsys.readouterr().err.endswith(LABEL)
    assert main(["training-set", "asked", "--out", "t.csv", "-q"]) == 1
    assert "spine source meals lacks a column of the label n\n  = n is not among its columns" in capsys.readouterr().err
    assert main(["push", "kept", "-q"]) == 0
    capsys.readouterr()
    assert main(["plan", "-q"]) == 1
    assert 'menu.csv has changed: column "type" is gone' in "".join(capsys.readouterr())


TABLE = """
entities: [{{name: dish, keys: {{dish: string}}}}]
sources: [{{name: sold, path: sold, format: {kind}, event_time: at}}]
feature_views: [{{name: prices, entity: dish, source: sold, features: [price]}}]
"""


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_a_table_whose_types_are_known_and_that_lost_a_column_says_which(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(TABLE.format(kind=kind))
    rows = pl.DataFrame({"dish": ["a"], "price": [1.5], "at": [datetime(2026, 1, 1, tzinfo=UTC)]})

    def write(frame):
        if kind == "delta":
            frame.write_delta("sold", mode="overwrite", delta_write_options={"schema_mode": "overwrite"})
        else:
            (tmp_path / "sold").mkdir(exist_ok=True)
            frame.write_parquet("sold/1.parquet")

    write(rows)
    for argv in (["apply", "--auto-approve"], ["materialize"]):
        assert main([*argv, "-q"]) == 0
    write(rows.rename({"price": "cost"}))
    capsys.readouterr()
    assert main(["materialize", "-q"]) == 1
    place = "sold/1.parquet" if kind == "parquet" else "sold"
    said = f"error[FC503]: source sold, {place}: column 'price' is gone, it was float64 before\n"
    assert capsys.readouterr().err.startswith(said)
    assert main(["plan", "-q"]) == 1
    assert 'sold has changed: column "price" is gone, it was float64' in "".join(capsys.readouterr())
