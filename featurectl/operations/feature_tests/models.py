"""Tests of a model: its training set at the rows of a spine, from rows in memory, by the code that makes all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from featurectl.core.dtypes import INT64, UNKNOWN
from featurectl.engines.base import Engine, ViewBuckets
from featurectl.expressions.check import expression_columns
from featurectl.language.definitions.model import FeatureInput, Label, Model, ModelInput, Spine, views_read
from featurectl.language.definitions.tests import ModelTest
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.tested_model import input_types, needed_inputs, select_inputs
from featurectl.operations.feature_tests.results import Cell, cells_of
from featurectl.operations.feature_tests.tables import TypedViews, all_typed, prepare_table, table_of, view_table
from featurectl.operations.feature_tests.transforms import transform_table
from featurectl.operations.feature_tests.views import TEST, keyed, marked
from featurectl.operations.training.label import LabelTarget, ahead_of, label_view
from featurectl.operations.training.spine import SpineRows, spine_of_rows
from featurectl.operations.training.training_set import join_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsInMemory:
    """A view with its rows, in the form of its offline table."""

    view: FeatureView
    rows: pl.DataFrame

    @property
    def as_served(self) -> bool:
        """False: a test asks for the values at its very times."""
        return False

    def pruned(self, features: Collection[str]) -> ViewBuckets:
        """Return the rows with the whole view: they lack nothing."""
        del features
        return ViewBuckets(view=self.view, buckets=1, read=lambda _: self.rows)


def compare_model(engine: Engine, test: ModelTest, typed: TypedViews) -> tuple[Cell, ...]:
    """Return every value that a test compares, in the order of rows and of columns as written.

    Only what these values are made of is computed.

    Raises:
        DataError: FC504, a value of the test does not fit the column's type; FC503, the spine lacks a column.
        CheckFailedError: FC523, the transform of a view looks ahead.
    """
    model, wanted = test.model, _expected(test)
    inputs = needed_inputs(model.inputs, wanted)
    spine = _spine(test)
    views = {name: _rows(engine, test, (name, spine), typed) for name in views_read(inputs)}
    made = join_rows(engine, spine, inputs, views, _target(engine, test, typed))
    return cells_of(test.expect, made.rows, model.spine.source.timezone)


def _label(test: ModelTest) -> Label | None:
    """Return the model's label where the test expects it."""
    label = test.model.spine.label
    return label if label is not None and label.name in _expected(test) else None


def _target(engine: Engine, test: ModelTest, typed: TypedViews) -> LabelTarget | None:
    """Return the label that a test expects; over a horizon, with the test's rows of its source, all of them known."""
    label = _label(test)
    if label is None or label.source is None:
        return None if label is None else LabelTarget(label=label)
    view = replace(label_view(label), name=f"label {label.name} of {test.model.name}")
    view, prepared = prepare_table(engine, view, test.rows.get(label.source.name, ()), typed)
    return LabelTarget(label=label, ahead=ahead_of(view, prepared))


def _expected(test: ModelTest) -> set[str]:
    return {name for row in test.expect for name in row}


def _rows(engine: Engine, test: ModelTest, asked: tuple[str, SpineRows], typed: TypedViews) -> RowsInMemory:
    name, spine = asked
    view = test.views[name]
    if view.transform is None:
        view, rows = view_table(engine, view, test.rows.get(view.source.name, ()), typed)
    else:
        view, rows = transform_table(engine, view, test.rows, spine.time)
    return RowsInMemory(view=view, rows=rows)


def _spine(test: ModelTest) -> SpineRows:
    """Return the spine of a test with every column of its source; `select` makes those that no row gives.

    Columns left out are null. One whose type nothing tells is there only when a row gives it.
    """
    source = test.model.spine.source
    given = dict.fromkeys(name for row in test.spine for name in row)
    types = {name: dtype for name, dtype in input_types(test.model, test.views).items() if dtype != UNKNOWN}
    as_given = select_inputs(source, given)
    made = {item.name for item in source.select} - as_given - set(source.columns or {})
    types = {name: dtype for name, dtype in types.items() if name not in made}
    types |= {name: UNKNOWN for name in given if name not in types}
    select = [item for item in source.select if item.name not in as_given]
    select = [item for item in select if expression_columns(item.expression.text) <= types.keys()]
    bare = replace(source, select=tuple(select), event_time=None, available_at=None, tiebreak=(), dedup_key=())
    known = test.model.spine.known_at
    spine = Spine(source=bare, time=test.model.spine.time, known_at=known if known in given else None)
    return spine_of_rows(table_of(test.spine, types, source.timezone), spine, "of a feature test")


def join_model_tests(tests: Sequence[ModelTest]) -> ModelTest | None:
    """Return one test with the rows of several of a model, one after the other, each test's under a key of its own.

    None when that could change a test, because its values say what types there are, or because its rows say until when
    a label over a horizon is known or a function sees the rows of all; and when there is only one.
    """
    first = tests[0]
    if len(tests) == 1 or _looks_ahead(first) or _transforms(first) or not _all_typed(tests):
        return None
    sources = dict.fromkeys(name for test in tests for name in test.rows)
    return ModelTest(
        name="",
        model=_keyed_model(first.model),
        views={name: keyed(view) for name, view in first.views.items()},
        rows={name: marked(test.rows.get(name, ()) for test in tests) for name in sources},
        spine=marked(test.spine for test in tests),
        expect=tuple(row for test in tests for row in test.expect),
        place=first.place,
    )


def tested_together(test: ModelTest) -> tuple[object, ...]:
    """Return what tests of one model must have in common to run as one.

    It is what their spines give, whether their labels look over a horizon, and whether functions see their rows.
    """
    given = select_inputs(test.model.spine.source, [name for row in test.spine for name in row])
    return (given, _looks_ahead(test), _transforms(test))


def _transforms(test: ModelTest) -> bool:
    """Return whether something that a test expects is made by a Python function."""
    names = views_read(needed_inputs(test.model.inputs, _expected(test)))
    return any(test.views[name].transform is not None for name in names)


def _looks_ahead(test: ModelTest) -> bool:
    label = _label(test)
    return label is not None and label.horizon_us is not None


def _all_typed(tests: Sequence[ModelTest]) -> bool:
    first = tests[0]
    types = input_types(first.model, first.views)
    views = views_read(needed_inputs(first.model.inputs, {name for test in tests for name in _expected(test)}))
    rows = {name: [row for test in tests for row in test.rows.get(name, ())] for test in tests for name in test.rows}
    return all(types.get(name, UNKNOWN) != UNKNOWN for test in tests for row in test.spine for name in row) and all(
        all_typed(first.views[name], rows.get(first.views[name].source.name, ())) for name in views
    )


def _keyed_model(model: Model) -> Model:
    source = model.spine.source
    columns: Mapping[str, str] = {**(source.columns or {}), TEST: INT64}
    inputs: list[ModelInput] = [
        replace(item, join={**item.join, TEST: TEST}) if isinstance(item, FeatureInput) else item
        for item in model.inputs
    ]
    return replace(model, spine=replace(model.spine, source=replace(source, columns=columns)), inputs=tuple(inputs))
