"""A file that has other types than when it was applied is told once, by its name: what the files say was right."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: user, keys: {user: string}}]
sources: [{name: orders, path: orders.PARQUET, event_time: at, delay: 1h, select: {late: amount > 3}}]
feature_views:
  - {name: spend, entity: user, source: orders, aggregates: [{op: [mean, sum], column: amount, windows: [7d]}]}
  - {name: lately, entity: user, source: orders, features: [late]}
  - {name: shops, entity: user, source: orders, features: [shop]}
"""
ROWS = pl.DataFrame({"user": ["a"], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "amount": [2], "shop": ["s"]})
TOLD = 'orders.parquet has changed: column "amount" {}, it was int64 when it was applied'


@pytest.fixture
def asked(tmp_path, monkeypatch, capsys):
    """What commands answer in JSON, in a repository that was applied."""
    monkeypatch.chdir(tmp_path)
    ROWS.write_parquet(tmp_path / "orders.parquet")
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS.replace("PARQUET", "parquet"))
    assert main(["apply", "--auto-approve", "-q"]) == 0

    def ask(*words):
        capsys.readouterr()
        main([*words, "-q", "-o", "json"])
        return json.loads(capsys.readouterr().out)

    return ask


TEXTS = ROWS.with_columns(amount=pl.lit("2"))


@pytest.mark.parametrize(
    ("rows", "told", "following"),
    [(TEXTS, ["is string"], 3), (ROWS.drop("amount"), ["is gone"], 2), (TEXTS.drop("shop"), ["is string", "shop"], 3)],
)
def test_a_plan_names_the_file_and_the_column_and_then_what_follows(asked, tmp_path, rows, told, following):
    rows.write_parquet(tmp_path / "orders.parquet")
    (tmp_path / "wrong.yaml").write_text("feature_views: [{name: w, entity: user, source: orders, features: [usr]}]\n")
    shown = [problem for problem in asked("validate")["problems"] if problem["code"] in ("FC302", "FC305")]
    assert all('in orders.parquet "amount" is string' in problem["notes"][0] for problem in shown)
    assert len(shown) == (3 if told[0] == "is string" else 0)
    *changed, other = asked("plan")["problems"]
    assert [problem["code"] for problem in changed] == ["FC504"] * len(told)
    assert all(word in problem["message"] for word, problem in zip(told, changed, strict=True))
    assert (changed[0]["message"], changed[0]["path"]) == (TOLD.format(told[0]), "o.yaml")
    assert len(changed[0]["related"]) == following
    assert (other["path"], other["suggestion"]) == ("wrong.yaml", 'did you mean "user"?')


@pytest.mark.sample(1)
@pytest.mark.parametrize("path", ["orders.parquet", "parts/*.csv"])
def test_materialize_names_them_too(asked, tmp_path, path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "o.yaml").write_text(OBJECTS.replace("orders.PARQUET", path))
    ROWS.write_csv(tmp_path / "parts" / "1.csv")
    asked("apply", "--auto-approve")
    assert all(view["error"] is None for view in asked("materialize")["result"]["views"])
    TEXTS.write_parquet(tmp_path / "orders.parquet")
    TEXTS.with_columns(amount=pl.lit("two")).write_csv(tmp_path / "parts" / "2.csv")
    errors = [view["error"] for view in asked("materialize")["result"]["views"]]
    said = f"source orders, {path.replace('*', '2')}: column 'amount' is string, it was int64 before"
    assert [(error["code"], error["message"]) for error in errors] == [("FC504", said)] * 3
    assert all(error["hint"].startswith("bring back the data as it was, or change what reads am") for error in errors)


@pytest.mark.long
def test_whole_numbers_that_became_fractions_are_to_be_declared(asked, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "o.yaml").write_text(OBJECTS.replace("orders.PARQUET", "parts/*.csv"))
    ROWS.write_csv(tmp_path / "parts" / "1.csv")
    asked("apply", "--auto-approve")
    asked("materialize")
    ROWS.with_columns(amount=4.5).write_csv(tmp_path / "parts" / "2.csv")
    hints = [view["error"]["hint"] for view in asked("materialize")["result"]["views"] if view["error"]]
    assert hints
    assert all("declare `columns:` of the source with amount: float64, or change" in hint for hint in hints)


@pytest.mark.parametrize("dtype", ["float64", "string"])
def test_a_table_is_not_made_of_other_types_than_were_applied(asked, tmp_path, dtype):
    amount = pl.lit(2.5 if dtype == "float64" else "2")
    ROWS.with_columns(amount=amount).write_parquet(tmp_path / "orders.parquet")
    for words in (), ("--full",):
        views = {view["view"]: view["error"] for view in asked("materialize", *words)["result"]["views"]}
        said = f"source orders, orders.parquet: column 'amount' is {dtype}, it was int64 before"
        assert [views[name]["message"] for name in ("lately", "spend")] == [said] * 2


HELD_S = 20  # a registry that is held keeps a command that waits for it for longer


def test_errors_of_files_do_not_wait_for_a_registry_that_is_held(asked, tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.workspace.open._REGISTRY_WAIT_S", 0.1)
    TEXTS.write_parquet(tmp_path / "orders.parquet")
    with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as holder:
        holder.execute("pragma journal_mode = delete")
        holder.execute("begin exclusive")
        begin = time.monotonic()
        codes = {problem["code"] for problem in asked("plan")["problems"]}
        assert time.monotonic() - begin < HELD_S
        assert codes == {"FC302", "FC305"}
        holder.execute("rollback")
        assert {problem["code"] for problem in asked("plan")["problems"]} == {"FC504"}
