"""Run feature tests, those of one view or of one model together where that can't change what they find."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from featurectl.core.errors import FeaturectlError
from featurectl.engines.base import Engine
from featurectl.language.definitions.tests import FeatureTest, ModelTest
from featurectl.operations.feature_tests.models import compare_model, join_model_tests, tested_together
from featurectl.operations.feature_tests.results import Cell, FeatureTestResult
from featurectl.operations.feature_tests.tables import TypedViews
from featurectl.operations.feature_tests.views import compare_view, join_view_tests

AnyTest = FeatureTest | ModelTest


def run_feature_tests(engine: Engine, tests: Iterable[AnyTest]) -> list[FeatureTestResult]:
    """Return what came of each test, in their order; one that can't be run does not end the others.

    The tests of a view run as one, each under a key of its own, and so do those of a model: a table costs much and a
    row little, and what is found under a key does not depend on the others.
    """
    listed, typed = list(tests), TypedViews()
    batches: dict[tuple[object, ...], list[int]] = {}
    for place, test in enumerate(listed):
        batches.setdefault(_batch_key(test), []).append(place)
    results: dict[int, FeatureTestResult] = {}
    for places in batches.values():
        batch = [listed[place] for place in places]
        found = _run_together(engine, batch, typed) or [_attempt(engine, test, typed) for test in batch]
        results |= dict(zip(places, found, strict=True))
    return [results[place] for place in range(len(listed))]


def _batch_key(test: AnyTest) -> tuple[object, ...]:
    if isinstance(test, FeatureTest):
        return ("view", test.view.name)
    return ("model", test.model.name, *tested_together(test))


def join_tests(tests: Sequence[AnyTest]) -> AnyTest | None:
    """Return one test in place of several of one view or of one model; None when each must run by itself."""
    of_views = [test for test in tests if isinstance(test, FeatureTest)]
    of_models = [test for test in tests if isinstance(test, ModelTest)]
    return join_view_tests(of_views) if of_views else join_model_tests(of_models)


def compare_cells(engine: Engine, test: AnyTest, typed: TypedViews) -> tuple[Cell, ...]:
    """Return every value that a test compares; floats agree to 1e-9 relative, everything else exactly.

    Raises:
        DataError: FC504, a value of the test does not fit the column's type.
        CheckFailedError: FC523, the transform of a view looks ahead.
    """
    return compare_view(engine, test, typed) if isinstance(test, FeatureTest) else compare_model(engine, test, typed)


def _run_together(engine: Engine, tests: Sequence[AnyTest], typed: TypedViews) -> list[FeatureTestResult]:
    """Return what came of the tests of one view or one model; none when each must run by itself."""
    together = join_tests(tests)
    if together is None:
        return []
    begin = time.perf_counter()
    try:
        cells = compare_cells(engine, together, typed)
    except FeaturectlError:  # the test that is to blame says so when it runs by itself
        return []
    share = (time.perf_counter() - begin) / len(tests)
    ends = list(accumulate(len(test.expect) for test in tests))
    return [
        _result(test, share, tuple(replace(cell, row=cell.row - begin) for cell in cells if begin < cell.row <= end))
        for test, begin, end in zip(tests, [0, *ends], ends, strict=False)
    ]


def _attempt(engine: Engine, test: AnyTest, typed: TypedViews) -> FeatureTestResult:
    begin = time.perf_counter()
    try:
        cells = compare_cells(engine, test, typed)
    except FeaturectlError as error:
        return replace(_result(test, time.perf_counter() - begin, ()), error=error)
    return _result(test, time.perf_counter() - begin, cells)


def _result(test: AnyTest, seconds: float, cells: tuple[Cell, ...]) -> FeatureTestResult:
    view, model = (test.view.name, "") if isinstance(test, FeatureTest) else ("", test.model.name)
    return FeatureTestResult(name=test.name, view=view, model=model, place=test.place, seconds=seconds, cells=cells)
