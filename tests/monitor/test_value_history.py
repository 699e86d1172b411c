"""What the values of an entity were before the first of its rows."""

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT

OBJECTS = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - {name: orders, path: orders.csv, event_time: at, columns: {customer: string, at: timestamp, amount: float64}}
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d]}, {column: amount, op: sum, windows: [7d]}]
    derived: [{name: twice, expr: 2 * count_7d}]
  - {name: last_order, entity: customer, source: orders, features: [amount]}
"""
ORDERS = """customer,at,amount
ana,2026-01-01T10:00:00Z,1.25
ana,2026-01-02T10:00:00Z,2.5
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"featurectl.yaml": PROJECT, "o.yaml": OBJECTS, "orders.csv": ORDERS}.items():
        (tmp_path / name).write_text(text)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "-q", "--as-of", "2026-01-02T13:00:00Z"]) == 0


@pytest.mark.usefixtures("shop")
def test_the_first_row_changes_what_get_says_of_an_entity_without_rows(capsys):
    at = ("--as-of", "2026-01-02T14:00:00Z", "-q")
    assert main(["get", "spend", "customer=nobody", *at]) == 0
    nobody = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert [pair for pair in nobody if pair and pair[0] in ("count_7d", "amount_sum_7d", "twice")] == [
        ["count_7d", "0"],
        ["amount_sum_7d", "null"],
        ["twice", "0"],
    ]
    assert main(["why", "spend", "customer=ana", "-v", *at]) == 0
    (first,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("2026-01-01 10:00")]
    assert first.split("  ")[-1] == "count_7d 0 -> 1, amount_sum_7d null -> 1.25, twice 0 -> 2"
    assert main(["why", "last_order", "customer=ana", *at]) == 0
    assert "amount null -> 1.25" in capsys.readouterr().out
