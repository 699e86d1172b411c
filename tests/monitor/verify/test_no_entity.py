"""A view without an entity has one row in the online store; when that is gone, it is told as any other."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import polars as pl
import pytest

from tests.monitor.verify.injections import NOW
from tests.monitor.verify.shop import run, verified

FILES = {
    "featurectl.yaml": """
project: alone
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: "2026-01-08T00:00:00Z"}
""",
    "views.yaml": """
sources: [{name: s, path: s.parquet, event_time: at}]
feature_views:
  - {name: last, source: s, features: [x]}
  - {name: all, source: s, aggregates: [{column: x, op: sum, windows: [lifetime]}]}
""",
}


@pytest.mark.parametrize("view", ["last", "all"])
def test_the_row_of_a_view_without_an_entity_is_missed_when_it_is_gone(tmp_path, capsys, view):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    pl.DataFrame({"at": [NOW], "x": [1.5]}).write_parquet(tmp_path / "s.parquet")
    run(tmp_path, "apply", "--auto-approve")
    run(tmp_path, "materialize", "--as-of", "2026-01-09T00:00:00Z")
    assert verified(tmp_path, capsys, "--store")[0] == 0
    with closing(sqlite3.connect(tmp_path / "on.db")) as store, store:
        store.execute("delete from rows where view = (select id from views where view = ?)", [view])
    code, result = verified(tmp_path, capsys, "--store", view)
    assert code == 1
    if view == "last":
        assert result["views"][0]["missing"] == {"missing row": 1}
        assert result["views"][0]["example"] == "no row of the view"
