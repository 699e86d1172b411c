"""Commands that work on what is applied do so although a data file of some source is gone."""

from __future__ import annotations

import json

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.prepared import make_once

FILES = {
    "featurectl.yaml": """\
project: shop
environments:
  dev:
    registry: sqlite:///.featurectl/registry.db
    offline: .featurectl/offline
    online: sqlite:///.featurectl/online.db
    now: 2026-01-02T00:00:00Z
""",
    "objects.yaml": """\
entities:
  - {name: customer, keys: {customer: string}}
sources:
  - {name: orders, path: data/orders.parquet, event_time: at, freshness: {error_after: 2d}}
  - {name: people, path: data/people.parquet}
feature_views:
  - {name: spend, entity: customer, source: orders, aggregates: [{op: count, windows: [7d]}]}
  - {name: profile, entity: customer, source: people, features: [city]}
""",
}


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A repository that was materialized, and then lost the file of its orders."""
    monkeypatch.chdir(tmp_path)
    make_once("a shop that lost its orders", tmp_path, lambda: fill(tmp_path))
    capsys.readouterr()
    return tmp_path


def fill(root):
    for name, text in FILES.items():
        (root / name).write_text(text)
    (root / "data").mkdir()
    orders = pl.DataFrame({"customer": ["ann"], "at": ["2026-01-01T00:00:00Z"]})
    orders.with_columns(pl.col("at").str.to_datetime(time_zone="UTC")).write_parquet(root / "data/orders.parquet")
    pl.DataFrame({"customer": ["ann"], "city": ["Oslo"]}).write_parquet(root / "data/people.parquet")
    assert main(["apply", "--auto-approve"]) == 0
    assert main(["materialize"]) == 0
    (root / "data/orders.parquet").unlink()


def run(capsys, *argv):
    code = main([*argv, "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("shop")
def test_status_says_which_source_is_gone_and_shows_the_others(capsys):
    code, document = run(capsys, "status")
    assert code == 1
    assert len(document["result"]["rows"]) == 3
    main(["status"])
    out = capsys.readouterr().out
    assert "orders (source)" in out
    assert "no file matches data/orders.parquet" in out


@pytest.mark.usefixtures("shop")
def test_values_are_read_online_and_offline(capsys):
    for words in (["spend"], ["profile"], ["spend", "--offline"]):
        code, document = run(capsys, "get", words[0], "customer=ann", *words[1:])
        assert (code, document["problems"]) == (0, [])


@pytest.mark.usefixtures("shop")
def test_the_views_of_other_sources_are_materialized_and_pushed(capsys):
    assert run(capsys, "materialize", "profile")[0] == 0
    code, document = run(capsys, "materialize")
    assert code == 1
    done = {view["view"]: view["error"] for view in document["result"]["views"]}
    assert done["profile"] is None
    assert done["spend"]["code"] == "FC501"
    assert run(capsys, "push")[0] == 0


@pytest.mark.usefixtures("shop")
def test_a_training_set_of_other_views_is_made(capsys):
    pl.DataFrame({"customer": ["ann"], "event_time": ["2026-01-01T12:00:00Z"]}).write_csv("spine.csv")
    assert run(capsys, "training-set", "--features", "spend:count_7d", "--spine", "spine.csv", "--out", "t.csv")[0] == 0


@pytest.mark.usefixtures("shop")
def test_what_plans_the_files_needs_them(capsys):
    for command in ("validate", "plan", "apply"):
        code, document = run(capsys, command)
        assert code == 1
        assert [p["code"] for p in document["problems"] if p["severity"] == "error"] == ["FC501"]


def test_a_saved_plan_needs_no_data(shop, capsys):
    file = shop / "data" / "orders.parquet"
    rows = pl.DataFrame(schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")})
    rows.write_parquet(file)
    text = (shop / "objects.yaml").read_text()
    (shop / "objects.yaml").write_text(text.replace("windows: [7d]", "windows: [7d, 30d]"))
    assert main(["plan", "--out", "p.json"]) == 0
    file.unlink()
    assert main(["apply", "p.json"]) == 0
    assert capsys.readouterr().out.endswith("Applied to dev, serial 2: 1 changed.\n")


def test_a_view_that_was_never_computed_keeps_no_other_from_being_pushed(shop, capsys):
    rows = pl.DataFrame(schema={"customer": pl.String, "at": pl.Datetime("us", "UTC")})
    rows.write_parquet(shop / "data" / "orders.parquet")
    with (shop / "objects.yaml").open("a") as file:
        file.write("  - {name: another, entity: customer, source: people, features: [city]}\n")
    assert main(["apply", "--auto-approve"]) == 0
    capsys.readouterr()
    code, document = run(capsys, "push")
    assert (code, [view["view"] for view in document["result"]["views"]]) == (1, ["profile", "spend"])
    assert main(["push"]) == 1
    out, err = capsys.readouterr()
    assert "profile" in out
    assert "error[FC510]: feature view another@1 has no offline table\n" in err


DECLARED = """\
entities:
  - {name: customer, keys: {customer: string}}
sources:
  - {name: orders, path: data/order.csv, event_time: at, columns: {customer: string, at: timestamp}}
  - {name: visits, path: data/visits.csv, event_time: at, columns: {customer: string, at: timestamp}}
feature_views:
  - {name: spend, entity: customer, source: orders, aggregates: [{op: count, windows: [7d]}]}
  - {name: seen, entity: customer, source: visits, aggregates: [{op: count, windows: [7d]}]}
"""
NO_FILE = 'warning: source orders: no file matches data/order.csv (FC501; did you mean "data/orders.csv"?)\n'
NO_COLUMN = (
    'warning: source visits: data/visits.csv has no column "customer" '
    '(FC503; its header is one column: csv: {separator: ";"} of the source)\n'
)


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """A repository whose sources declare columns: one has a wrong path, one another separator."""
    (tmp_path / "featurectl.yaml").write_text(FILES["featurectl.yaml"])
    (tmp_path / "objects.yaml").write_text(DECLARED)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/orders.csv").write_text("customer,at\nann,2026-01-01\n")
    (tmp_path / "data/visits.csv").write_text("customer;at\nann;2026-01-01\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plan_and_apply_warn_of_data_that_is_not_there(declared, capsys):
    assert main(["plan", "-q"]) == 0
    assert capsys.readouterr().err == ""
    for words in (["plan"], ["apply", "--auto-approve"]):
        assert main(words) == 0
        assert capsys.readouterr().err == NO_FILE + NO_COLUMN
    assert main(["plan"]) == 0  # nothing that is planned reads them
    assert capsys.readouterr().err == ""
    text = (declared / "objects.yaml").read_text()
    (declared / "objects.yaml").write_text(text.replace("order.csv", "orders.csv").replace("7d]}]", "7d, 30d]}]"))
    assert main(["plan"]) == 0
    assert capsys.readouterr().err == NO_COLUMN


@pytest.mark.usefixtures("declared")
def test_materialize_names_the_separator_where_columns_are_declared(capsys):
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "seen", "-q"]) == 1
    assert '= its header is one column: csv: {separator: ";"} of the source\n' in capsys.readouterr().err


def test_a_pattern_whose_folder_is_another_is_named(declared, capsys):
    text = (declared / "objects.yaml").read_text()
    (declared / "objects.yaml").write_text(text.replace("data/order.csv", "dat/*/x.csv"))
    assert main(["plan"]) == 0
    assert 'no file matches dat/*/x.csv (FC501; did you mean "data/*/x.csv"?)' in capsys.readouterr().err


def test_a_column_that_a_later_file_has_is_no_warning(declared, capsys):
    text = (declared / "objects.yaml").read_text()
    text = text.replace("data/order.csv", "data/*.csv").replace("data/visits.csv", "data/*.csv")
    (declared / "objects.yaml").write_text(text)
    assert main(["plan"]) == 0
    assert capsys.readouterr().err == ""


def test_of_many_sources_without_data_three_are_named(declared, capsys):
    names = [f"s{i}" for i in range(5)]
    more = "".join(
        f"  - {{name: {n}, path: none/{n}.csv, event_time: at, columns: {{at: timestamp}}}}\n" for n in names
    )
    (declared / "objects.yaml").write_text("sources:\n" + more)
    assert main(["plan"]) == 0
    *three, last = capsys.readouterr().err.splitlines()
    assert [f"no file matches none/{name}.csv (FC501)" in line for name, line in zip(names, three, strict=False)] == [
        True
    ] * 3
    assert last == "warning: 2 more sources lack data or columns here: featurectl validate"
