"""Tests of a view's features: alone, and several of one view as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from featurectl.core.dtypes import INT64, TIMESTAMP
from featurectl.engines.base import Engine, ViewBuckets
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.tests import FeatureTest
from featurectl.language.definitions.view import FeatureView
from featurectl.operations.feature_tests.results import Cell, cells_of
from featurectl.operations.feature_tests.tables import TypedViews, all_typed, table_of, view_table
from featurectl.operations.feature_tests.transforms import transform_table

TEST: Final = "\x00test"  # the engine hides such names from hashes of rows: ties are broken as without it
_TIME: Final = "time"


def compare_view(engine: Engine, test: FeatureTest, typed: TypedViews) -> tuple[Cell, ...]:
    """Return every value that a test compares, in the order of rows and of columns as written.

    Raises:
        DataError: FC504, a value of the test does not fit the column's type.
        CheckFailedError: FC523, the view's transform looks ahead.
    """
    spine = table_of(test.spine, {**test.view.key_types, _TIME: TIMESTAMP}, test.view.source.timezone)
    if test.view.transform is None:
        view, rows = view_table(engine, test.view, test.rows, typed)
    else:
        given = {test.view.source.name: test.rows, **test.others}
        view, rows = transform_table(engine, test.view, given, spine[_TIME])
    table = ViewBuckets(view=view, buckets=1, read=lambda _: rows)
    found = engine.finish(engine.answer(table, spine, _TIME), view, spine[_TIME], {})
    return cells_of(test.expect, found, test.view.source.timezone)


def join_view_tests(tests: Sequence[FeatureTest]) -> FeatureTest | None:
    """Return one test with the rows of several of a view, one after the other, each test's under a key of its own.

    None when that could change a test, because its values say what types there are or a function sees the rows of all;
    and when there is only one.
    """
    view = tests[0].view
    rows = [row for test in tests for row in test.rows]
    if len(tests) == 1 or view.transform is not None or not all_typed(view, rows):
        return None
    return FeatureTest(
        name="",
        view=keyed(view),
        rows=marked(test.rows for test in tests),
        spine=marked(test.spine for test in tests),
        expect=tuple(row for test in tests for row in test.expect),
        place=tests[0].place,
    )


def keyed(view: FeatureView) -> FeatureView:
    """Return a view with one more key: the number of a test."""
    source, entity = view.source, view.entity or Entity(name=TEST, keys={})
    dedup_key = (*source.dedup_key, TEST) if source.dedup_key else ()
    return replace(
        view,
        source=replace(source, columns={**(source.columns or {}), TEST: INT64}, dedup_key=dedup_key),
        entity=replace(entity, keys={**entity.keys, TEST: INT64}),
        join={**view.join, TEST: TEST},
    )


def marked(rows: Iterable[Iterable[Mapping[str, object]]]) -> tuple[Mapping[str, object], ...]:
    """Return the rows of several tests one after the other, each with the number of its test."""
    return tuple({**row, TEST: number} for number, some in enumerate(rows) for row in some)
