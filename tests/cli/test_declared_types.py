"""Types that are declared of a source: metadata where they say what the data says, or nothing was made of it yet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

ORDERS = "{user: string, at: timestamp, amount: int64}"
RATES = "{day: timestamp, rate: float64, bank: string}"
OBJECTS = """
entities: [{name: user, keys: {user: string}}]
sources:
  - {name: orders, path: orders.csv, event_time: at, columns: ORDERS}
  - {name: rates, path: rates.csv, event_time: day, columns: RATES}
feature_views:
  - {name: latest, entity: user, source: orders, features: [amount]}
  - name: paid
    entity: user
    source: [orders, rates]
    transform: "paid.py:paid"
    features: [{name: sum, type: float64}]
"""
CODE = """import polars as pl


def paid(orders, rates):
    paid = orders.join_asof(rates.sort("event_time"), on="event_time")
    return paid.with_columns(sum=pl.col("amount") * pl.col("rate"))
"""
ROWS = "user,at,amount\na,2026-01-01T00:00:00Z,2\nb,2026-01-02T00:00:00Z,3\n"
RATE_ROWS = "day,rate,bank\n2025-12-31T00:00:00Z,1.5,x\n"


def write_objects(orders: str = "", rates: str = "") -> None:
    """Write the objects, with `columns:` where they are given."""
    text = OBJECTS
    for name, columns in (("ORDERS", orders), ("RATES", rates)):
        text = text.replace(name, columns) if columns else text.replace(f", columns: {name}", "")
    Path("o.yaml").write_text(text)


@pytest.fixture
def asked(tmp_path, monkeypatch, capsys):
    """What commands answer in JSON, in a repository that was applied."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "orders.csv": ROWS, "rates.csv": RATE_ROWS, "paid.py": CODE}.items():
        (tmp_path / name).write_text(text)
    write_objects()
    assert main(["apply", "--auto-approve", "-q"]) == 0

    def ask(*words):
        capsys.readouterr()
        main([*words, "-q", "-o", "json"])
        return json.loads(capsys.readouterr().out)["result"]

    return ask


def kinds(plan):
    return {change["name"]: change["kind"] for change in plan["changes"] if change["object"] == "feature_view"}


def test_types_of_a_transforms_sources_that_the_data_has_are_metadata(asked):
    assert [view["error"] for view in asked("materialize")["views"]] == [None, None]
    write_objects(ORDERS, RATES)
    assert kinds(asked("plan")) == {"latest": "metadata", "paid": "metadata"}
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert {(view["version"], view["action"]) for view in asked("materialize")["views"]} == {(1, "nothing")}
    assert kinds(asked("plan")) == {}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("orders", "rates", "field", "sides"),
    [
        (ORDERS.replace("int64", "float64"), RATES, "source.columns.amount", ("int64", "float64")),
        (ORDERS, RATES.replace("rate: float64", "rate: string"), "source.rates.columns.rate", ("float64", "string")),
        (ORDERS, RATES.replace(", bank: string", ""), "source.rates.columns.bank", ("string", "-")),
    ],
)
def test_other_types_of_a_transforms_sources_are_breaking(asked, orders, rates, field, sides):
    asked("materialize")
    write_objects(orders, rates)
    plan = asked("plan")
    assert kinds(plan)["paid"] == "breaking"
    (paid,) = (change for change in plan["changes"] if change["name"] == "paid")
    assert [(r["field"], (r["old"], r["new"])) for r in paid["reasons"]] == [(field, sides)]


@pytest.mark.parametrize("orders", [ORDERS, ORDERS.replace("int64", "float64")])
def test_types_that_are_declared_before_anything_is_made_break_nothing(asked, orders):
    write_objects(orders, RATES)
    assert kinds(asked("plan", "--out", "p.json")) == {"latest": "metadata", "paid": "metadata"}
    assert main(["apply", "p.json", "--auto-approve", "-q"]) == 0
    assert {(view["version"], view["action"]) for view in asked("materialize")["views"]} == {(1, "first")}
    assert asked("show", "latest:amount")["objects"][0]["type"] == orders.rpartition(" ")[2].rstrip("}")


def test_a_plan_from_before_a_table_was_made_is_made_again(asked, capsys):
    write_objects(ORDERS.replace("int64", "float64"), RATES)
    asked("plan", "--out", "p.json")
    write_objects()
    asked("materialize")
    capsys.readouterr()
    assert main(["apply", "p.json", "--auto-approve", "-q"]) == 75
    assert "types that p.json declares have been read from the data since" in capsys.readouterr().err


def test_a_table_in_another_environment_of_the_registry_counts(asked):
    asked("materialize")
    Path("featurectl.yaml").write_text(PROJECT.replace("offline: off", "offline: elsewhere"))
    write_objects(ORDERS.replace("int64", "float64"), RATES)
    assert kinds(asked("plan")) == {"latest": "breaking", "paid": "breaking"}


PARQUET = pl.DataFrame({"user": ["1"], "at": [datetime(2026, 1, 1, tzinfo=UTC)], "amount": [2]})


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        (
            PARQUET.with_columns(pl.col("user").cast(pl.Int64)),
            "FC504",
            "source orders: column 'user' is int64, view paid was applied with string",
        ),
        (PARQUET.with_columns(amount=pl.lit("two")), "FC521", "orders.amount is string, it was int64"),
    ],
)
def test_other_types_than_a_transform_was_applied_with_are_told(asked, rows, code, said):
    PARQUET.write_parquet("orders.parquet")
    write_objects()
    Path("o.yaml").write_text(Path("o.yaml").read_text().replace("orders.csv", "orders.parquet"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    rows.write_parquet("orders.parquet")
    (view,) = asked("materialize", "paid")["views"]
    assert view["error"]["code"] == code
    assert said in view["error"]["message"] + view["error"]["hint"]


def test_a_version_that_a_model_is_bound_to_stands_for_its_types(asked, monkeypatch):
    write_objects(ORDERS, RATES)
    monkeypatch.setattr("featurectl.registry.lineage.bound_versions", lambda *_: ["late v1"])
    assert kinds(asked("plan")) == {"latest": "breaking", "paid": "breaking"}
    monkeypatch.setattr("featurectl.registry.lineage.bound_versions", lambda *_: [])
    assert kinds(asked("plan")) == {"latest": "metadata", "paid": "metadata"}
