"""Columns with a space in their names: what is wrong with a reference to one says what is to be written."""

from __future__ import annotations

import pytest

from featurectl.language.load import load_repo

FILES = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: o.csv
    event_time: at
    columns: {Customer ID: string, at: timestamp}
    SELECT
feature_views:
  - {name: spend, entity: customer, source: orders, JOIN aggregates: [{op: count, windows: [7d]}]}
models:
  - name: back
    spine:
      source: orders
      time: at
      label: {name: is_back, entity: customer, source: orders, op: count, horizon: 9d, expr: count > 1}
    features: [spend: [count_7d]]
"""
GIVES = '`select: {customer: \'"Customer ID"\'}` of the source gives column "Customer ID" that name'
JOINED = "join: {customer: Customer ID},"


@pytest.mark.parametrize(
    ("select", "join", "told"),
    [
        ("", JOINED, [GIVES, GIVES]),
        ("", "", ["`join: {customer: Customer ID}` of a view says which column has it", GIVES]),
        ("select: {customer: Customer ID}", "", ["a name with a space in it is quoted: '\"Customer ID\"'"]),
        ("select: {customer: '\"Customer ID\"'}", "", []),
    ],
)
def test_the_hint_to_a_column_with_a_space_can_be_written(tmp_path, select, join, told):
    (tmp_path / "featurectl.yaml").write_text("project: p\nenvironments: {dev: {registry: r, offline: o, online: n}}\n")
    (tmp_path / "objects.yaml").write_text(FILES.replace("SELECT", select).replace("JOIN", join))
    problems = [item for item in load_repo(tmp_path, None).problems if item.place.path == "objects.yaml"]
    assert [(item.suggestion, item.notes[0]) for item in problems] == [("", text) for text in told]
