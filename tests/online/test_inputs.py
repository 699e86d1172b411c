"""Inputs of a model read online are those of a training set: features, request columns and derived ones."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from featurectl.core.frames.types import polars_dtype
from featurectl.engines.base import ViewBuckets
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.expressions.check import type_expression
from featurectl.expressions.tree import ExpressionError
from featurectl.language.definitions.model import DerivedInput, FeatureInput, RequestInput
from featurectl.online.client.feature_columns import KeyRows
from featurectl.online.client.model_inputs import InputReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_steps import read_columns
from featurectl.online.client.read_view import ReadView
from featurectl.online.row_places import online_view
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import PushRequest, push_view
from featurectl.operations.training.join import join_features
from featurectl.operations.training.spine import SpineClocks, frame_spine
from tests.expressions.agreement import equal
from tests.expressions.random_expressions import COLUMNS, RandomExpression, random_value
from tests.online.views import at, derive, event_view, latest, state_view, table, window
from tests.seeds import seeds_from

ROWS = 30
NOW = at(0)
FIRST_US, LAST_US = -62_000_000_000_000_000, 253_000_000_000_000_000  # of Python's instants, a bit inside
DEFAULTS = {"int64": 7, "float64": 0.5, "string": "none", "bool": True, "date": "2013-01-31", "timestamp": "2013-01-31"}


def python_value(chance, dtype):
    """Return a value as an application has it; no instant or day that Python has not."""
    value = random_value(chance, dtype)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if dtype == "timestamp":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=min(max(value, FIRST_US), LAST_US))
    if dtype == "date":
        return date.fromordinal(min(max(value + 719_163, 900), 3_651_000))
    return value


def some_derived(chance, known):
    """Return derived inputs, each over what stands above it; some have a default."""
    made = []
    for i in range(4):
        dtype = chance.choice(list(DEFAULTS))
        text = RandomExpression(chance, libm=False).write(dtype, 3)
        if i and chance.random() < 0.5:
            text = f"case when d{i - 1} is null then {text} else {text} end"
        if chance.random() < 0.3:
            text = f"case when t < asof then {text} end"
        try:
            expression = type_expression(text, known)
        except ExpressionError:  # too large for the engines
            continue
        if expression.tree.dtype not in DEFAULTS:
            continue
        name = f"d{len(made)}"
        default = DEFAULTS[expression.tree.dtype] if chance.random() < 0.5 else None
        made.append(DerivedInput(name=name, expression=expression, dtype=expression.tree.dtype, default=default))
        known[name] = expression.tree.dtype
    return made


def assert_equal(online, offline):
    assert list(online) == offline.columns
    for name in offline.columns:
        pairs = list(zip(online[name], offline[name].to_list(), strict=True))
        assert [pair for pair in pairs if not equal(*pair, 0)] == [], name


class Rows:
    """The rows of a view, as a join asks for them."""

    as_served = False

    def __init__(self, view, rows):
        self._view, self._rows = view, rows

    def pruned(self, features):  # noqa: ARG002  # of the protocol
        return ViewBuckets(view=self._view, buckets=1, read=lambda _: self._rows.read())


class Store:
    """A store for a model without features: nobody asks it for anything."""

    def fetch(self, asks):
        assert asks == []
        return []


def read_inputs(reader, store, given):
    asked = KeyRows(keys=given, count=ROWS, now=NOW)
    return reader.complete(read_columns(store, reader.features, Pushes(), asked), given)


def joined(inputs, given, types, views):
    columns = [pl.Series(name, values, dtype=polars_dtype(types[name])) for name, values in given.items()]
    spine = frame_spine(pl.DataFrame([*columns, pl.Series("event_time", [NOW] * ROWS)]), SpineClocks())
    return join_features(PolarsEngine(1), spine, inputs, views)


def check_derived(seed):
    """Request columns of every type, and random expressions over them."""
    chance = random.Random(seed)
    request = [RequestInput(name=name, dtype=dtype, model_dtype=dtype) for name, dtype in COLUMNS.items()]
    inputs = [*request, *some_derived(chance, {**COLUMNS, "asof": "timestamp"})]
    given = {name: [python_value(chance, dtype) for _ in range(ROWS)] for name, dtype in COLUMNS.items()}
    reader = InputReader(inputs, {}, COLUMNS)
    assert_equal(read_inputs(reader, Store(), given), joined(inputs, given, COLUMNS, {}))
    return len(inputs) - len(request)


@pytest.mark.long
def test_derived_inputs_of_any_types_are_those_of_a_training_set():
    assert sum(check_derived(seed) for seed in range(40)) > 100


@pytest.mark.stress
def test_many_derived_inputs_of_any_types_are_those_of_a_training_set():
    for seed in seeds_from(1_000, 2_000):
        check_derived(seed)


def test_a_model_of_derived_inputs_alone_has_a_row_for_each_row_asked():
    expression = type_expression("extract(hour from asof)", {"asof": "timestamp"})
    reader = InputReader([DerivedInput(name="hour", expression=expression, dtype="int64")], {}, {})
    assert read_inputs(reader, Store(), {}) == {"hour": [12] * ROWS}


STORED = {"amount": "int64", "city": "string", "seen": "timestamp"}
SEEN = {"amount": "int64", "asof": "timestamp"}
VIEWS = {
    "profile": state_view(
        [latest("amount", "int64", default=3), latest("city", "string"), latest("seen", "timestamp")],
        ttl_h=6,
        derived=[derive("twice", "amount * 2", SEEN, "int64")],
    ),
    "spend": event_view(
        [window("amount", "sum", 5, "int64"), window("n", "count", 5, "int64", None)],
        derived=[derive("twice", "amount * 2 + extract(hour from asof)", SEEN, "int64", default=-1)],
    ),
}
PEOPLE = ["a", "b", "c", "d", "nobody", None]


def feature(view, name, key, default):
    return FeatureInput(
        name=f"{view}_{name}_{key}_{default}",
        view=view,
        feature=name,
        join={"customer": key},
        dtype=VIEWS[view].dtype_of(name),
        model_dtype=None,
        default=default,
    )


def check_defaults(seed, path):
    """One feature under several defaults and two joins: each input sees its own, and so do derived ones."""
    chance = random.Random(seed)
    asked = [
        feature(view, name, key, default)
        for view, names in (("profile", ["amount", "twice", "seen"]), ("spend", ["amount", "n", "twice"]))
        for name in names
        for key in ("payer", "payee")
        for default in chance.sample([None, 5, 9] if name != "seen" else [None], k=1 if name == "seen" else 2)
    ]
    chance.shuffle(asked)
    types = {item.name: item.dtype for item in asked}
    sum_of = [name for name, dtype in types.items() if dtype == "int64"][:2]
    text = f"{sum_of[0]} + {sum_of[1]} + extract(day from asof)"
    expression = type_expression(text, {**types, "asof": "timestamp"})
    inputs = [*asked, DerivedInput(name="both", expression=expression, dtype="int64", default=chance.choice([None, 4]))]
    store, views, rows = SqliteStore(path), {}, {}
    for name, view in VIEWS.items():
        past = [
            (
                chance.choice("abcd"),
                event := chance.randrange(-9, 1),
                event + chance.choice([0, 0, 1]),
                some_values(chance),
            )
            for _ in range(12)
        ]
        made = table(view, past, STORED)
        push_view(
            PushRequest(
                view=view, version=1, table=made, store=store, engine=PolarsEngine(1), project="p", env="dev", now=NOW
            )
        )
        views[name], rows[name] = ReadView(view=view, online=online_view(view, 1, "p", "dev")), Rows(view, made)
    given = {key: [chance.choice(PEOPLE) for _ in range(ROWS)] for key in ("payer", "payee")}
    found = read_inputs(InputReader(inputs, views, types), store, given)
    store.close()
    assert_equal(found, joined(inputs, given, dict.fromkeys(given, "string"), rows))


def some_values(chance):
    return {
        "amount": chance.choice([None, None, 1, 20]),
        "city": chance.choice([None, "Oslo"]),
        "seen": chance.choice([None, at(-2)]),
    }


@pytest.mark.long
@pytest.mark.parametrize("count", [8, pytest.param(30, marks=pytest.mark.stress)])
def test_inputs_of_a_feature_with_two_defaults_are_those_of_a_training_set(count, tmp_path):
    for seed in range(count):
        check_defaults(seed, tmp_path / f"{seed}.db")
