"""Unit tests of features: rows of a source in, values of a view's features out; no store, no registry."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import accumulate

import polars as pl

from featurectl.dtypes import DATE, INT64, TIMESTAMP, UNKNOWN
from featurectl.engines.base import Engine, Piece, Table
from featurectl.engines.polars.types import language_dtype, polars_dtype
from featurectl.errors import DataError, FeaturectlError, PlanError
from featurectl.spec.aggregates import AGGREGATES, RUNNABLE
from featurectl.spec.definition import FeatureTest, FeatureView
from featurectl.spec.place import Place
from featurectl.spec.typing import type_view
from featurectl.units import parse_instant

_TIME = "time"
_TEST = "\x00test"  # the engine hides such names from hashes of rows: ties are broken as without it
_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value that a test compares; `row` counts the spine's rows from 1."""

    row: int
    column: str
    expected: object
    found: object
    agrees: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTestResult:
    """What came of a feature test: its cells in the order of rows and of columns as written, or why it could not run.

    `seconds` is how long it took, or its share of what the tests took that ran with it.
    """

    name: str
    view: str
    place: Place
    seconds: float
    cells: tuple[Cell, ...] = ()
    error: FeaturectlError | None = None

    @property
    def differences(self) -> tuple[Cell, ...]:
        """The cells that are not as expected."""
        return tuple(cell for cell in self.cells if not cell.agrees)

    @property
    def passed(self) -> bool:
        """True when it ran and every value is as expected."""
        return self.error is None and not self.differences


class TypedViews:
    """Views whose types are not known from files, with those of a test's values; made once for the same types."""

    def __init__(self) -> None:
        self._views: dict[tuple[object, ...], FeatureView] = {}

    def of(self, view: FeatureView, rows: pl.DataFrame) -> FeatureView:
        """Return a view with every feature typed, for rows of its source."""
        if all(feature.dtype is not None for feature in view.features):
            return view
        key = (view.name, *rows.schema.items())
        if key not in self._views:
            types = {name: language_dtype(dtype) or UNKNOWN for name, dtype in rows.schema.items()}
            self._views[key] = type_view(view, types)
        return self._views[key]


def run_feature_tests(engine: Engine, tests: Iterable[FeatureTest]) -> list[FeatureTestResult]:
    """Return what came of each test, in their order; one that can't be run does not end the others.

    The tests of a view run as one, each under a key of its own: a table costs much and a row little, and what is found
    under a key does not depend on the others.
    """
    listed, typed = list(tests), TypedViews()
    batches: dict[str, list[int]] = {}
    for place, test in enumerate(listed):
        batches.setdefault(test.view.name, []).append(place)
    results: dict[int, FeatureTestResult] = {}
    for places in batches.values():
        batch = [listed[place] for place in places]
        found = _run_together(engine, batch, typed) or [_attempt(engine, test, typed) for test in batch]
        results |= dict(zip(places, found, strict=True))
    return [results[place] for place in range(len(listed))]


def refuse_model_tests(places: Mapping[tuple[str, ...], Place]) -> list[FeatureTestResult]:
    """Return a result for each test of a model's features among a repository's places: this version runs none."""
    error = PlanError("tests of a model's features are not in this version", code="FC402")
    names = [place[1] for place in places if len(place) == 3 and place[0] == "test" and place[2] == "model"]
    return [
        FeatureTestResult(name=name, view="model", place=places["test", name], seconds=0.0, error=error)
        for name in names
    ]


def _run_together(engine: Engine, tests: Sequence[FeatureTest], typed: TypedViews) -> list[FeatureTestResult]:
    """Return what came of the tests of one view; none when each must run by itself."""
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


def join_tests(tests: Sequence[FeatureTest]) -> FeatureTest | None:
    """Return one test with the rows of several of a view, one after the other, each test's under a key of its own.

    None when that could change a test: when its values say what types there are, or when the view has no key.
    """
    view = tests[0].view
    source, entity = view.source, view.entity
    if len(tests) == 1 or entity is None or not _all_typed(view, tests):
        return None
    dedup_key = (*source.dedup_key, _TEST) if source.dedup_key else ()
    keyed = replace(
        view,
        source=replace(source, columns={**(source.columns or {}), _TEST: INT64}, dedup_key=dedup_key),
        entity=replace(entity, keys={**entity.keys, _TEST: INT64}),
        join={**view.join, _TEST: _TEST},
    )
    return FeatureTest(
        name="",
        view=keyed,
        rows=tuple({**row, _TEST: number} for number, test in enumerate(tests) for row in test.rows),
        spine=tuple({**row, _TEST: number} for number, test in enumerate(tests) for row in test.spine),
        expect=tuple(row for test in tests for row in test.expect),
        place=tests[0].place,
    )


def _all_typed(view: FeatureView, tests: Sequence[FeatureTest]) -> bool:
    types = _known_types(view)
    named = {name for test in tests for row in test.rows for name in row}
    return named <= set(types) and UNKNOWN not in types.values() and all(f.dtype is not None for f in view.features)


def _attempt(engine: Engine, test: FeatureTest, typed: TypedViews) -> FeatureTestResult:
    begin = time.perf_counter()
    try:
        cells = compare_cells(engine, test, typed)
    except FeaturectlError as error:
        return _result(test, time.perf_counter() - begin, (), error)
    return _result(test, time.perf_counter() - begin, cells)


def _result(
    test: FeatureTest, seconds: float, cells: tuple[Cell, ...], error: FeaturectlError | None = None
) -> FeatureTestResult:
    return FeatureTestResult(
        name=test.name, view=test.view.name, place=test.place, seconds=seconds, cells=cells, error=error
    )


def compare_cells(engine: Engine, test: FeatureTest, typed: TypedViews) -> tuple[Cell, ...]:
    """Return every value that a test compares; floats agree to 1e-9 relative, everything else exactly.

    Raises:
        DataError: FC504, a value of the test does not fit the column's type.
        PlanError: FC402, the view has a part that this version does not run.
    """
    _refuse_parts(test.view)
    rows = source_rows(test.view, test.rows)
    view = typed.of(test.view, rows)
    prepared = engine.prepare([Piece(scan=rows.lazy(), until=_EVER)], view)
    spine = spine_rows(view, test.spine)
    table = Table(view=view, buckets=1, read=lambda _: prepared.rows)
    values = engine.finish(engine.answer(table, spine, _TIME), view, spine[_TIME], {})
    found = {name: values[name].to_list() for row in test.expect for name in row}
    return tuple(
        Cell(row=i + 1, column=name, expected=value, found=found[name][i], agrees=_agree(value, found[name][i]))
        for i, wanted in enumerate(test.expect)
        for name, value in wanted.items()
    )


def _refuse_parts(view: FeatureView) -> None:
    ops = [f"the aggregate {f.op}" for f in view.features if f.op in AGGREGATES and f.op not in RUNNABLE]
    parts = ["its transform"] * (view.transform is not None) + ["its hop"] * (view.hop_us is not None) + ops
    if parts:
        raise PlanError(f"feature view {view.name} can't be run: {parts[0]} is not in this version", code="FC402")


def source_rows(view: FeatureView, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the rows of a test as the view's source would give them.

    Columns left out are null; a left-out availability is event time + delay, of which a source with an
    `available_at` column has none. Where the types of the files are not known, a column has that of its values.
    """
    source = view.source
    types = _known_types(view)
    for name in dict.fromkeys(name for row in rows for name in row):
        types.setdefault(name, UNKNOWN)
    if source.available_at is not None and source.event_time is not None:
        rows = [{source.available_at: row.get(source.event_time), **row} for row in rows]
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], dtype) for name, dtype in types.items()])


def _known_types(view: FeatureView) -> dict[str, str]:
    """Return the types of the source's columns, with those that the view alone fixes: clocks, keys of unknown type."""
    source = view.source
    columns = source.columns or {}
    keys = {view.join[key]: dtype for key, dtype in view.key_types.items()}
    types = {name: dtype for name, dtype in keys.items() if columns.get(name, UNKNOWN) == UNKNOWN}
    types |= {name: TIMESTAMP for name in (source.event_time, source.available_at) if name is not None}
    made = {item.name for item in source.select}
    return {**columns, **{name: dtype for name, dtype in types.items() if name not in made}}


def spine_rows(view: FeatureView, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the spine of a test: the view's entity keys and `time`."""
    types = {**view.key_types, _TIME: TIMESTAMP}
    return pl.DataFrame([_column(name, [row.get(name) for row in rows], dtype) for name, dtype in types.items()])


def _column(name: str, values: Sequence[object], dtype: str) -> pl.Series:
    if dtype == UNKNOWN:
        series = pl.Series(name, values, strict=False)
        return series.cast(pl.Float64) if series.dtype == pl.Null else series
    try:
        return pl.Series(name, [_value(value, dtype) for value in values], dtype=polars_dtype(dtype), strict=True)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"column {name} of a feature test is {dtype}: {values!r} does not fit", code="FC504") from error


def _value(value: object, dtype: str) -> object:
    if value is None:
        return None
    if dtype == TIMESTAMP:
        instant = parse_instant(str(value))
        if instant is None:
            raise ValueError(value)
        return instant
    if dtype == DATE:
        return date.fromisoformat(str(value))
    if dtype == "float64" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return Decimal(str(value)) if dtype.startswith("decimal") else value


def _agree(expected: object, found: object) -> bool:
    if isinstance(expected, list | tuple) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_agree, expected, found))
    if isinstance(found, datetime) and expected is not None:
        return parse_instant(str(expected)) == found
    if isinstance(found, date) and expected is not None:
        return str(expected) == found.isoformat()
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return type(expected) is type(found) and expected == found
    if isinstance(found, float):
        return math.isclose(found, float(expected), rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(found, Decimal):
        return Decimal(str(expected)) == found
    return type(expected) is type(found) and expected == found
