"""One of a thing is called by its singular, wherever a command counts."""

from __future__ import annotations

import re

import pytest

from featurectl.cli.main import main

FILES = {
    "featurectl.yaml": """
project: one
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-08T00:00:00Z}
""",
    "one.yaml": """
entities: [{name: key, keys: {k: string}}]
sources:
  - {name: rows, path: rows.csv, event_time: at, columns: {k: string, at: timestamp, v: float64}}
feature_views:
  - {name: facts, entity: key, source: rows, features: [{name: value, expr: v}]}
models:
  - name: model
    spine: {source: rows, time: at}
    features: [{facts: [value]}]
""",
    "rows.csv": "k,at,v\na,2026-01-01T00:00:00Z,1\n,2026-01-01T00:00:00Z,2\n",
    "spine.csv": "k,at\na,2026-01-02T00:00:00Z\n",
}
PLURAL = re.compile(r"\b1 (online )?(rows|views|columns|inputs|files|tables|keys|versions|objects|changes|features)\b")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs a command in a repository of one row and returns its two streams."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    def ran(*words):
        capsys.readouterr()
        assert main([*words]) == 0
        out, err = capsys.readouterr()
        assert PLURAL.search(out + err) is None, out + err
        return out, err

    return ran


def test_one_row_of_one_view_is_counted_in_the_singular(run):
    assert "1 feature view" in run("validate")[0]
    run("plan")
    run("apply", "--auto-approve")
    out, err = run("materialize")
    assert "facts@1: 1 row dropped: null key" in out
    assert out.endswith("1 of 1 table changed, 1 row written, 1 online row sent.\n")
    assert "facts@1: 2 rows read, 1 pushed" in err
    out, err = run("training-set", "model", "--spine", "spine.csv", "--out", "one.csv")
    assert err.splitlines() == ["spine file spine.csv: 1 row", "joined 1 column of 1 view"]
    assert out == "one.csv: 1 row, 3 columns, 1 of them an input\ninputs: value\nothers: k, at\n"
    run("plan")
    run("status")
    run("push")


def test_none_and_many_are_plural(run):
    run("apply", "--auto-approve")
    run("materialize")
    out, _ = run("materialize")
    assert out.endswith("0 of 1 table changed, 0 rows written, 0 online rows sent.\n")
