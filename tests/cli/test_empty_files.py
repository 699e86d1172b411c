"""CSV files without rows beside others, and alone: they say nothing of the types of undeclared columns."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: days, path: "data/*.csv", event_time: at}]
feature_views:
  - {name: sums, entity: key, source: days, aggregates: [{op: sum, column: v, windows: [7d]}]}
"""
HEADER, ROWS = "k,at,v\n", "a,2026-01-01T00:00:00Z,1\na,2026-01-02T00:00:00Z,2\n"


@pytest.fixture
def days(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.csv").write_text(HEADER)
    assert main(["apply", "--auto-approve"]) == 0
    return tmp_path / "data"


def materialize(capsys, *more):
    """The exit code, and the view's part of the document."""
    capsys.readouterr()
    code = main(["materialize", "-o", "json", *more])
    (view,) = json.loads(capsys.readouterr().out)["result"]["views"]
    return code, view


@pytest.mark.long
def test_files_without_rows_say_nothing_of_types(days, capsys):
    code, view = materialize(capsys)
    said = "source days has no row yet: nothing says of which type 'v' is"
    assert (code, view["error"]["code"], view["error"]["message"]) == (1, "FC504", said)
    (days / "1.csv").write_text(HEADER + ROWS)
    assert materialize(capsys)[1]["rows_written"] == 2
    (days / "2.csv").write_text(HEADER)
    (days / "3.csv").write_text("")
    assert main(["materialize"]) == 0
    told = capsys.readouterr()
    assert "sums@1: data/2.csv has no row" in told.out
    assert "warning: source days: data/3.csv is empty, without even a header; it is left out" in told.err
    assert materialize(capsys)[1]["empty_parts"] == []
    (days / "3.csv").write_text(HEADER + "b,2026-01-03T00:00:00Z,3\n")
    assert materialize(capsys)[1]["rows_written"] == 1
    for name in ("1.csv", "3.csv"):
        (days / name).write_text(HEADER)
    code, view = materialize(capsys)
    assert (code, view["error"]["code"]) == (1, "FC501")
    code, view = materialize(capsys, "--full")
    assert (code, view["action"], view["empty_parts"]) == (0, "rebuild", ["data/1.csv", "data/2.csv", "data/3.csv"])
    (days / "4.csv").write_text(HEADER + ROWS)
    assert materialize(capsys)[1]["rows_written"] == 2
