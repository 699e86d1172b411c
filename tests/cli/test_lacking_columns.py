"""Files of a pattern of which one lacks a column that is declared, and another has it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: user, keys: {user: string}}]
sources:
  - name: orders
    path: data/*.FORMAT
    event_time: at
    columns: {user: string, at: timestamp, amount: int64, tip: float64}
feature_views:
  - {name: latest, entity: user, source: orders, features: [amount, tip]}
  - {name: amounts, entity: user, source: orders, features: [amount]}
"""
WHOLE = {"user": ["a"], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "amount": [2], "tip": [0.5]}
OLD = {"user": ["b"], "at": [datetime(2026, 1, 2, tzinfo=UTC)], "amount": [3]}


@pytest.fixture(params=["csv", "parquet", "ndjson"])
def write(request, tmp_path, monkeypatch):
    """Write a file of the source, in one format."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS.replace("FORMAT", request.param))

    def written(name, columns):
        frame = pl.DataFrame(columns)
        if request.param != "parquet":
            frame = frame.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
        getattr(frame, f"write_{request.param}")(Path("data") / f"{name}.{request.param}")
        return request.param

    return written


def materialize(capsys, *words):
    capsys.readouterr()
    code = main(["materialize", *words, "-o", "json"])
    out, err = capsys.readouterr()
    return code, json.loads(out)["result"]["views"], [line for line in err.splitlines() if "no column" in line]


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("columns", ["declared", "learned"])
def test_a_column_that_a_file_lacks_is_null_in_its_rows(write, capsys, columns):
    form = write("1", OLD)
    write("2", WHOLE)
    if columns == "learned":
        text = Path("o.yaml").read_text()
        Path("o.yaml").write_text("".join(line for line in text.splitlines(keepends=True) if "columns:" not in line))
    assert main(["validate", "-q"]) == 0
    assert main(["apply", "--auto-approve", "-q"]) == 0
    for words in (), ("--full",):
        code, views, warned = materialize(capsys, *words)
        assert (code, {view["error"] for view in views}) == (0, {None})
        said = f"warning: source orders: data/1.{form} has no column 'tip', which other files have; it is null there"
        assert warned == ([said] if columns == "declared" and form != "ndjson" else [])
        for user, tip in (("a", 0.5), ("b", None)):
            assert main(["get", "latest", f"user={user}", "-q", "-o", "json"]) == 0
            assert json.loads(capsys.readouterr().out)["result"]["features"]["tip"]["value"] == tip


@pytest.mark.sample(1)
def test_a_new_file_that_lacks_what_a_view_reads_is_refused_at_first(write, capsys):
    write("1", WHOLE)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert materialize(capsys)[0] == 0
    form = write("2", OLD)
    code, views, _ = materialize(capsys)
    errors = {view["view"]: view["error"] and view["error"]["message"] for view in views}
    if form == "ndjson":  # an object without a key says null
        assert (code, set(errors.values())) == (0, {None})
        return
    said = f"source orders, file data/2.{form} has no column 'tip'"
    assert (code, errors) == (1, {"amounts": None, "latest": said})
    assert materialize(capsys, "--full")[0] == 0


def test_a_column_that_no_file_has_is_an_error(write, capsys):
    write("2", OLD)
    form = write("1", OLD)
    assert main(["validate", "-q"]) == (0 if form == "ndjson" else 1)
    if form == "ndjson":
        return
    assert "FC503" in capsys.readouterr().err
    assert main(["validate", "-q", "--no-data"]) == 0
    Path("data", f"1.{form}").unlink()
    write("2", WHOLE)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    write("2", OLD)
    code, views, _ = materialize(capsys)
    assert (code, {view["error"]["code"] for view in views}) == (1, {"FC503"})
