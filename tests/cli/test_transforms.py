"""Python transforms by the command line: registered with their text, computed, pushed, read, joined."""

from __future__ import annotations

import json

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.json_form import load_view
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.transform import materialize_transform
from featurectl.operations.views import view_table
from featurectl.workspace.open import open_workspace
from tests.cli.shop import PROJECT, write_shop

CODE = """import polars as pl


def running(orders):
    known = orders.sort("available_at")
    return known.with_columns(total=pl.col("amount").cum_sum().over("customer"))
"""
VIEW = """
  - name: sums
    entity: customer
    source: orders
    transform: "code/running.py:running"
    lookback: 400d
    features: [{name: total, type: float64}]
"""


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A repository with a transform, applied, as the current folder."""
    monkeypatch.chdir(write_shop(tmp_path))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "running.py").write_text(CODE)
    with (tmp_path / "views.yaml").open("a") as file:
        file.write(VIEW.lstrip("\n"))
    assert main(["plan", "-v"]) == 0
    out = capsys.readouterr().out
    assert "  sums        the latest row of running with event_time <= t and available_at <= t\n" in out
    assert main(["apply", "--auto-approve"]) == 0
    assert "FC402" not in capsys.readouterr().err
    return tmp_path


def run(capsys, *words, exit_code=0):
    capsys.readouterr()
    assert main([*words, "-q", "-o", "json"]) == exit_code
    return json.loads(capsys.readouterr().out)["result"]


def materialized(capsys, *words):
    (view,) = run(capsys, "materialize", "sums", *words)["views"]
    return view["action"], view["rows_read"]


def total(capsys, customer, *words):
    return run(capsys, "get", "sums", f"customer={customer}", *words)["features"]["total"]["value"]


def test_it_is_computed_once_and_then_with_what_is_new(shop, capsys):
    assert materialized(capsys, "--as-of", "2026-01-06T12:00:00Z") == ("first", 2)
    assert (total(capsys, "ana"), total(capsys, "ben")) == (10.5, 4.0)
    assert materialized(capsys, "--as-of", "2026-01-06T12:00:01Z") == ("nothing", 0)
    with (shop / "orders.csv").open("a") as file:
        file.write("ben,2026-01-07,2026-01-07T11:00:00Z,0.5\n")
    planned = run(capsys, "materialize", "sums", "--dry-run")["views"][0]
    assert planned["action"] == "rebuild"  # the file changed in place
    assert materialized(capsys) == ("rebuild", 4)
    assert (total(capsys, "ana"), total(capsys, "ben")) == (12.0, 4.5)
    assert run(capsys, "materialize", "sums", "--dry-run")["views"][0]["action"] == "nothing"


def test_a_training_set_takes_what_was_known_at_each_moment(shop, capsys):
    assert main(["materialize", "sums", "-q"]) == 0
    spine = "customer,event_time\nana,2026-01-06T10:00:00Z\nana,2026-01-07T10:00:00Z\nzoe,2026-01-07T10:00:00Z\n"
    (shop / "spine.csv").write_text(spine)
    words = ["--spine", "spine.csv", "--features", "sums:total", "--out", "made.parquet"]
    run(capsys, "training-set", *words)
    assert pl.read_parquet(shop / "made.parquet")["total"].to_list() == [10.5, 12.0, None]


@pytest.mark.long
def test_the_registered_text_runs_whatever_the_file_says(shop, capsys):
    (shop / "code" / "running.py").write_text(CODE.replace("cum_sum()", "cum_max()"))
    assert materialized(capsys) == ("first", 3)
    assert total(capsys, "ana") == 12.0
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert materialized(capsys) == ("first", 3)
    assert total(capsys, "ana") == 10.5
    with open_workspace(shop, None, None) as workspace:
        first = next(o for o in workspace.state().objects if (o.name, o.version) == ("sums", 1))
        view = load_view(first.definition)
        table = view_table(workspace.offline(), view, 1)
        job = MaterializeRun(view=view, version=1, reader=workspace.source(view.source), table=table)
        materialize_transform(PolarsEngine(1), job, workspace.now, full=True)
    assert sorted(table.read()["total"].to_list()) == [4.0, 10.5, 12.0]


def test_the_plan_says_why_an_unused_column_changes_rows(shop, capsys):
    file = shop / "views.yaml"
    before = "    event_time: ordered_at\n"
    file.write_text(file.read_text().replace(before, before + "    select: {doubled: amount * 2}\n"))
    changes = {item["name"]: item for item in run(capsys, "plan")["changes"]}
    assert changes["sums"]["kind"] == "breaking"
    given = "the transform is given every column of its sources, so column doubled of `select` may change its rows"
    assert given in changes["sums"]["notes"]
    assert all(given not in item["notes"] for name, item in changes.items() if name != "sums")


def test_a_failing_function_leaves_the_table_and_exits_1_with_no_traceback(shop, capsys):
    assert materialized(capsys, "--as-of", "2026-01-06T12:00:00Z") == ("first", 2)
    (shop / "code" / "running.py").write_text(CODE.replace('"amount"', '"amuont"'))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    assert main(["materialize", "sums"]) == 1
    err = capsys.readouterr().err
    assert "error[FC521]: code/running.py:4: running failed: ColumnNotFoundError: unable to find column" in err
    assert "Traceback" not in err
    assert list(shop.rglob("crash-*")) == []
    assert main(["materialize", "sums", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.usefixtures("shop")
def test_a_range_of_a_transform_has_no_end(capsys):
    capsys.readouterr()
    assert main(["materialize", "sums", "--until", "2026-01-01"]) == 64
    assert "--until: sums is of a transform, of which all that became known later" in capsys.readouterr().err
    assert main(["materialize", "sums", "-q"]) == 0
    for words in (("--dry-run",), ()):
        assert main(["materialize", "sums", "--since", "2026-01-01", "-q", *words]) == 0
        assert "sums@1  backfill" in capsys.readouterr().out


LATE = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: days/*.csv
    event_time: at
    available_at: seen
    columns: {customer: string, at: timestamp, seen: timestamp, amount: float64}
feature_views:
  - name: sums
    entity: customer
    source: orders
    transform: "running.py:running"
    lookback: 400d
    features: [{name: total, type: float64}]
"""


@pytest.mark.long
def test_late_rows_of_a_transform_are_told_of_until_since_takes_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(LATE)
    (tmp_path / "running.py").write_text(CODE)
    (tmp_path / "days").mkdir()
    head, row = "customer,at,seen,amount\n", "ana,2026-01-0{0}T10:00:00Z,2026-01-0{0}T11:00:00Z,{0}\n"
    (tmp_path / "days" / "6.csv").write_text(head + row.format(6))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert materialized(capsys)[0] == "first"
    (tmp_path / "days" / "5.csv").write_text(head + row.format(5))
    (made,) = run(capsys, "materialize")["views"]
    late = (made["action"], made["dropped"], made["late_since"])
    assert late == ("nothing", {"known before the watermark": 1}, "2026-01-05T10:00:00Z")
    since = "materialize sums --since 2026-01-05T10:00:00Z"
    assert main(["status"]) in (0, 1)
    assert f"1 late row left out: {since}" in capsys.readouterr().out
    assert main([*since.split(), "-q"]) == 0
    assert total(capsys, "ana") == 11.0
    (row_of_view,) = [row for row in run(capsys, "status")["rows"] if row["kind"] == "view"]
    assert (row_of_view["late_rows"], row_of_view["note"]) == (0, None)
