"""Whatever a file holds: problems, never a traceback; and the same definitions however it is written."""

from __future__ import annotations

import random
from dataclasses import replace

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.language.load import load_repo
from featurectl.language.repo import Repo
from featurectl.language.shapes.objects import LISTS
from tests.language.repository import BASE, PROJECT, load, write_repo
from tests.seeds import examples

WHOLE = (
    BASE
    + """
  - name: v
    entity: carrier
    source: arrivals
    where: delay is not null and late
    aggregates:
      - {column: delay, op: [mean, max, percentile], q: 0.9, windows: [1h, lifetime], offset: 1d}
      - {op: count, windows: [1d], where: late, name: late_count, default: 0}
    freshness: {warn_after: 1h, error_after: 2h}
    tags: [a, b]
models:
  - name: m
    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}
    features:
      - request: {distance: int64}
      - v: "*"
      - {view: facts, join: {airport: origin}, prefix: origin_, features: [alt]}
      - derived: [{name: per_mile, expr: late_count_1d / distance}]
    trainer: {estimator: a.B, params: {depth: 3, deep: {er: [1, 2]}}, validation: {split: time, fraction: 0.2}}
tests:
  - name: t
    view: v
    rows: [{carrier: AA, at: 2013-01-01, delay: 3}]
    spine: [{carrier: AA, time: 2013-01-02}]
    expect: [{late_count_1d: 0}]
"""
)
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
PIECES = [
    *"{}[],:-?#&*!|>'\"%@`\n\t ", "  ", "\n  - ", ": ", "<<: ", "---", "null", "name: ", "expr: ", "1e999", "é", "\x85",
    "\u2028",
    "feature_views:\n  - ", "keys", "coalesce(a, 0)", "${A}", "9" * 50, "- - - ", "? ", "\ufeff", "windows: [", "\r\n",
]  # fmt: skip


def check(root, text: str) -> Repo:
    """Load a file of any text and check that all places lie inside of it."""
    repo = load_repo(write_repo(root, {"x.yaml": text}), None)
    lines = text.split("\n")
    for problem in repo.problems:
        if problem.place.path == "x.yaml" and problem.place.line:
            assert 1 <= problem.place.line <= len(lines)
            assert 1 <= problem.place.column <= len(lines[problem.place.line - 1]) + 1
            assert problem.place.end_column > problem.place.column
    return repo


@settings(max_examples=examples(30, 150), deadline=None, suppress_health_check=SLOW)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=25).map("".join))
def test_any_text_gives_problems_and_no_traceback(tmp_path, text):
    check(tmp_path, text.encode("utf-8", "replace").decode())


NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(30, 150), deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_any_shape_gives_problems_and_no_traceback(tmp_path, data):
    name = data.draw(st.sampled_from(sorted(LISTS)))
    known = list(LISTS[name].known_keys())
    item = data.draw(st.dictionaries(st.sampled_from(known), NODES, max_size=6))
    text = yaml.safe_dump({name: [{"name": "x"} | item]}, allow_unicode=True)
    repo = load_repo(write_repo(tmp_path, {"base.yaml": BASE, "x.yaml": text}), None)
    assert all(problem.message for problem in repo.problems)


def objects(repo: Repo) -> list[object]:
    """Return everything that files mean, without places."""
    tests = [replace(test, place=None) for _, test in sorted(repo.tests.items())]  # type: ignore[arg-type]
    return [
        dict(repo.entities), dict(repo.sources), dict(repo.views), dict(repo.models), tests, dict(repo.environments),
    ]  # fmt: skip


def shuffled(value: object, rng: random.Random) -> object:
    """Return data with the keys of all mappings in another order, but those whose order has a meaning."""
    if isinstance(value, dict):
        items = [
            (k, v if k in ("keys", "columns", "select", "request") else shuffled(v, rng)) for k, v in value.items()
        ]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(st.integers(0, 10**9), st.booleans(), st.integers(2, 6), st.integers(40, 200))
def test_formatting_and_the_order_of_keys_change_no_definition(tmp_path_factory, seed, flow, indent, width):
    plain = load(tmp_path_factory.mktemp("a"), {"base.yaml": WHOLE})
    assert plain.errors == ()
    data = shuffled(yaml.load(WHOLE, Loader=yaml.BaseLoader), random.Random(seed))  # noqa: S506  # a loader that makes texts alone
    restored = numbers(data)
    text = "# a comment\n" + yaml.safe_dump(
        restored, default_flow_style=flow, indent=indent, width=width, sort_keys=False
    )
    project = yaml.safe_dump(yaml.load(PROJECT, Loader=yaml.BaseLoader), default_flow_style=flow)  # noqa: S506  # a loader that makes texts alone
    other = load(tmp_path_factory.mktemp("b"), {"featurectl.yaml": project, "deep/er.yaml": text})
    assert other.errors == ()
    assert objects(other) == objects(plain)


def numbers(value: object) -> object:
    """Return data with texts that are JSON's numbers as numbers, as the language reads them."""
    from featurectl.language.syntax.node import scalar_value

    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return scalar_value(value)  # type: ignore[arg-type]


def test_deep_nesting_is_refused(tmp_path):
    repo = check(tmp_path, "models: " + "[" * 900)
    assert [p.code for p in repo.problems if p.place.path == "x.yaml"] == ["FC005"]
