"""What somebody meant who writes what other tools understand: one suggestion, of a form that works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurectl.cli.main import main

PROJECT = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", prediction_log: {sample: 1.0}}
"""
OBJECTS = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: data/orders.csv
    event_time: ordered_at
    columns: {customer: string, ordered_at: timestamp, amount: float64}
    freshness: {warn_after: 1h, error_after: 6h}
    checks: [{column: customer, not_null: true, severity: warn}]
feature_views:
  - name: spend
    entity: customer
    source: orders
    aggregates: [{op: count, windows: [7d]}, {column: amount, op: mean, windows: [7d, 30d]}]
models:
  - name: big
    spine: {source: orders, time: ordered_at, label: {name: is_big, expr: amount > 20}}
    features: [{feature: "spend:count_7d"}]
    trainer: {estimator: lightgbm.LGBMClassifier}
alerts:
  - {name: old, when: "freshness > 24h", severity: critical, notify: [tell], views: [spend], for: 1h}
  - {name: slow, when: "latency_p99 > 150ms in 5m", severity: info, notify: [tell], models: [big]}
notifiers: [{name: tell, command: "tee -a told.jsonl"}]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A valid repository, in a folder."""
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(OBJECTS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text("customer,ordered_at,amount\na,2026-01-01T00:00:00Z,1\n")
    return tmp_path


@pytest.fixture
def problems(repository, capsys):
    """A function that writes one text in the place of another, and returns the problems of the repository."""

    def find(old: str, new: str) -> list[dict[str, str]]:
        path = repository / "objects.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        capsys.readouterr()
        main(["validate", "-C", str(repository), "-o", "json"])
        found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["problems"]
        return found

    return find


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("warn_after: 1h", "warn: 1h", "warn_after"),
        ("warn_after: 1h", "warn_after: 1 hour", "1h"),
        ("error_after: 6h", "error_after: 0.5 days", "12h"),
        ("windows: [7d]", "windows: [30 days]", "30d"),
        ("windows: [7d]", "windows: [2 Weeks]", "2w"),
        ("for: 1h", "for: 90 min", "90m"),
        ("op: mean", "op: average", "mean"),
        ("severity: warn}", "severity: critical}", "error"),
        ("severity: critical", "severity: high", "critical"),
        ("severity: info", "severity: low", "info"),
        ("freshness > 24h", "freshness > 1 day", "freshness > 1d"),
        ("freshness > 24h", "freshness > 24hours", "freshness > 24h"),
        ("in 5m", "in 5 minutes", "latency_p99 > 150ms in 5m"),
        ("data/orders.csv", "data/order.csv", "data/orders.csv"),
        ("data/orders.csv", "data/Orders.parquet", "data/orders.csv"),
        ("data/orders.csv", "orders.csv", "data/orders.csv"),
        ('"spend:count_7d"', '"spend:count7d"', "count_7d"),
        ('"spend:count_7d"', '"spend:amount_mean30d"', "amount_mean_30d"),
    ],
)
def test_what_was_meant_is_asked_for_once(problems, old, new, meant):
    assert problems(old, new)[0]["suggestion"] == f'did you mean "{meant}"?'


def test_a_feature_of_a_model_that_is_a_text_is_asked_for_as_a_mapping(problems):
    (found,) = problems('{feature: "spend:count_7d"}', '"spend:count_7d"')
    assert found["suggestion"] == 'did you mean {feature: "spend:count_7d"}?'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("warn_after: 1h", "warn_after: 2 months"),
        ("warn_after: 1h", "warn_after: 1M"),
        ("data/orders.csv", "data/zebras.csv"),
    ],
)
def test_nothing_is_suggested_where_nothing_is_near(problems, old, new):
    assert problems(old, new)[0]["suggestion"] == ""


def test_names_behind_a_link_are_not_suggested(repository, problems, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret_orders.csv").write_text("x")
    (repository / "linked").symlink_to(elsewhere)
    found = problems("data/orders.csv", "linked/secret_order.csv")
    assert not any("secret_orders" in json.dumps(problem) for problem in found)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("cat | tell", "|"),
        ("cat > told.json", ">"),
        ("tell && log", "&&"),
        ("tell; log", "tell;"),
        ("tell $WHO", "$WHO"),
        ("tell `date`", "`date`"),
        ("~/bin/tell", "~/bin/tell"),
        ("tell 2>&1", "2>&1"),
    ],
)
def test_a_command_that_only_a_shell_reads_is_refused(problems, command, word):
    (found,) = problems('"tee -a told.jsonl"', json.dumps(command))
    message = f"no shell reads a command, and \"{word}\" is nothing but a word to it: write sh -c '{command}'"
    assert (found["code"], found["message"]) == ("FC104", message)


@pytest.mark.parametrize(
    "command",
    [
        "sh -c 'cat | tell && log $WHO'", '/bin/bash -c "tell; log"', "curl http://127.0.0.1/?a=1&b=2",
        "tell '|' '>' ${WHO} 'a;' 'it costs $5'", "python3 -c 'import sys; print(1)'", "tell #ops",
    ],
)  # fmt: skip
def test_a_command_whose_words_are_what_they_are_is_valid(problems, command):
    assert problems('"tee -a told.jsonl"', json.dumps(command)) == []
