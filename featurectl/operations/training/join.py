"""The point-in-time join of a spine with the features of a model, in the model's order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import polars as pl

from featurectl.core.dtypes import FLOAT64
from featurectl.core.errors import DataError
from featurectl.core.frames.defaults import with_default
from featurectl.core.frames.types import language_dtype
from featurectl.engines.base import Engine, ViewBuckets
from featurectl.engines.budget import question_bytes
from featurectl.expressions.frames import compile_over
from featurectl.language.definitions.model import DerivedInput, FeatureInput, ModelInput, RequestInput
from featurectl.language.definitions.view import FeatureView
from featurectl.operations.training.as_served import answer_as_served, served_asof
from featurectl.operations.training.long_spine import AnySpine
from featurectl.operations.training.spine import SpineRows
from featurectl.operations.training.unknown_keys import UnknownRows, count_unknown
from featurectl.pit.keys import AskedSpine
from featurectl.sources.casts import cast_exact, check_exact

_AT_ONCE = 2  # views
_TIME = "\x00time"
_KNOWN = "\x00known"


class ViewRows(Protocol):
    """A view's rows, wherever they lie, ready to be asked for its features."""

    @property
    def as_served(self) -> bool:
        """True: values as the online store would have had them; False: those of the row's very time."""

    def pruned(self, features: Collection[str]) -> ViewBuckets:
        """Return the rows, with the view as far as some of its features need it.

        Raises:
            DataError: FC510, the rows lack an input of one of these features.
        """


def join_features(
    engine: Engine,
    spine: SpineRows,
    inputs: Sequence[ModelInput],
    views: Mapping[str, ViewRows],
    unknown: UnknownRows | None = None,
) -> pl.DataFrame:
    """Return a column per input, in order, a row per spine row: features at the row's time, request, derived.

    A view that several inputs read under one join is answered once. Rows with keys of which no view has a row are
    counted in `unknown`.
    """
    columns: dict[str, pl.Series] = {}
    spines = _Spines(spine)
    asked = [_Asked(group, views[group[0].view], spines) for group in _groups(inputs)]
    # A table of several buckets has threads of its own; small ones are answered side by side.
    small = [item for item in asked if _is_small(engine, item.table)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for answered in pool.map(partial(_answer, engine, spine.time), small):
            columns |= answered
    for one in asked:
        if one not in small:
            columns |= _answer(engine, spine.time, one)
    if unknown is not None:
        count_unknown(spines.by_columns(), unknown)
    for item in inputs:
        if isinstance(item, RequestInput):
            columns[item.name] = _request(spine, item)
    sight = pl.DataFrame([*(c.alias(n) for n, c in columns.items()), spine.time.alias("asof")])
    for item in inputs:
        if isinstance(item, DerivedInput):
            sight = sight.with_columns(_derived(item, sight).alias(item.name))
    return sight.select(item.name for item in inputs)


def _is_small(engine: Engine, table: ViewBuckets) -> bool:
    return table.buckets == 1 and question_bytes(table.rows, table.view) * _AT_ONCE <= engine.memory_bytes // 2


class NoKeyColumnError(DataError):
    """FC506: a spine has no column for a key of a view."""

    def __init__(self, spine: AnySpine, column: str, key: str, view: str) -> None:
        named = "" if key == column else f" for {key}"
        hint = "its columns: " + ", ".join([*spine.schema][:20])
        message = f"spine {spine.origin} has no column {column!r}{named}, a key of view {view}"
        super().__init__(message, code="FC506", hint=hint)
        self.key = key


def check_inputs(spine: AnySpine, inputs: Sequence[ModelInput], views: Mapping[str, ViewRows]) -> None:
    """See that a spine has the keys and the request columns of some inputs, in types that fit.

    Raises:
        DataError: FC506 the spine lacks one, FC504 a value does not fit its type.
    """
    for group in _groups(inputs):
        view, join = views[group[0].view].pruned({item.feature for item in group}).view, group[0].join
        for key, dtype in view.key_types.items():
            _require_key(spine, view, key, join[key])
            check_exact(spine.columns(join[key]), dtype, f"spine {spine.origin}: key {join[key]}")
    for item in inputs:
        if isinstance(item, RequestInput) and item.dtype is not None:
            check_exact(spine.columns(item.name), item.dtype, f"spine {spine.origin}: request column {item.name}")


def _request(spine: SpineRows, item: RequestInput) -> pl.Series:
    return cast_exact(spine.column(item.name), item.dtype, f"spine {spine.origin}: request column {item.name}")


def _require_key(spine: AnySpine, view: FeatureView, key: str, column: str) -> None:
    if column not in spine.schema:
        raise NoKeyColumnError(spine, column, key, view.name)


def _spine_of(spine: SpineRows, view: FeatureView, join: Mapping[str, str]) -> pl.DataFrame:
    """Return the view's entity keys at each spine row, by their own names and types, and the row's instants."""
    keys = view.key_types
    columns = [
        cast_exact(spine.column(join[key]), dtype, f"spine {spine.origin}: key {join[key]}").alias(key)
        for key, dtype in keys.items()
    ]
    known = [] if spine.known is None else [spine.known.alias(_KNOWN)]
    return pl.DataFrame([*columns, spine.time.alias(_TIME), *known])  # a view without an entity has no keys


def _groups(inputs: Sequence[ModelInput]) -> list[list[FeatureInput]]:
    """Inputs that one answer serves: of one view under one join."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[FeatureInput]] = {}
    for item in inputs:
        if isinstance(item, FeatureInput):
            groups.setdefault((item.view, tuple(sorted(item.join.items()))), []).append(item)
    return list(groups.values())


class _Asked:
    """Inputs that one answer serves, the rows of their view, and the spine by the view's keys."""

    def __init__(self, group: Sequence[FeatureInput], rows: ViewRows, spines: _Spines) -> None:
        self.group = group
        self.as_served = rows.as_served
        self.table = rows.pruned({item.feature for item in group})
        self.spine = spines.of(self.table.view, group[0].join)


class _Spines:
    """The rows of a spine by the keys of views; those with the same keys under the same join share one."""

    def __init__(self, spine: SpineRows) -> None:
        self._spine = spine
        self._known: dict[tuple[tuple[str, str, str], ...], AskedSpine] = {}

    def of(self, view: FeatureView, join: Mapping[str, str]) -> AskedSpine:
        """Return the rows with a view's keys, by their own names and types."""
        for key in view.keys:
            _require_key(self._spine, view, key, join[key])
        which = tuple((key, dtype, join[key]) for key, dtype in view.key_types.items())
        if which not in self._known:
            known = None if self._spine.known is None else _KNOWN
            self._known[which] = AskedSpine(_spine_of(self._spine, view, join), view.keys, _TIME, known)
        return self._known[which]

    def by_columns(self) -> Iterator[tuple[tuple[str, ...], AskedSpine]]:
        """Give each with the spine's columns of its keys; not that of views without an entity."""
        for which, asked in self._known.items():
            if which:
                yield tuple(column for _, _, column in which), asked


def _answer(engine: Engine, time: pl.Series, asked: _Asked) -> dict[str, pl.Series]:
    group, view, spine = asked.group, asked.table.view, asked.spine
    if asked.as_served:
        values, asof = answer_as_served(engine, asked.table, spine), served_asof(view, time)
    else:
        values, asof = engine.answer(asked.table, spine, _TIME), time
    # A model's default comes before the view's derived features, so they see it; an input that gives the same
    # feature another default, or none, sees its own.
    defaults: dict[str, object] = {}
    for item in group:
        if item.default is not None:
            defaults.setdefault(item.feature, item.default)
    finished = engine.finish(values, view, asof, defaults)
    columns = {}
    for item in group:
        if item.default == defaults.get(item.feature):
            columns[item.name] = finished[item.feature]
        else:
            own = {k: v for k, v in defaults.items() if k != item.feature}
            own |= {} if item.default is None else {item.feature: item.default}
            columns[item.name] = engine.finish(values, view, asof, own)[item.feature]
    return columns


def _derived(item: DerivedInput, sight: pl.DataFrame) -> pl.Expr:
    column = compile_over(item.expression.text, sight, f"derived column {item.name}")
    found = language_dtype(sight.lazy().select(column).collect_schema().dtypes()[0])
    return with_default(column, item.dtype or found or FLOAT64, item.default)
