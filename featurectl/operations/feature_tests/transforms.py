"""Views with a Python transform in tests: run on all rows, and again on those that were available at each instant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import polars as pl

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.errors import CheckFailedError
from featurectl.core.frames.timestamps import instant_literal
from featurectl.core.frames.types import language_dtype
from featurectl.core.units import format_iso
from featurectl.engines.base import Engine, FrameScan, Piece, SourceRows, one_bucket
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.language.resolve.transformed import as_state, transform_sources
from featurectl.language.typing.registered import type_source
from featurectl.operations.feature_tests.results import agree
from featurectl.operations.feature_tests.tables import WrittenRows, column_types, rows_of_source

_EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_TIME: Final = "\x00time"


def transform_table(
    engine: Engine, view: FeatureView, rows: Mapping[str, WrittenRows], times: Iterable[datetime | None]
) -> tuple[FeatureView, pl.DataFrame]:
    """Return a view with a transform as a state view, and what its function makes of rows by their source.

    The function runs once more for each of the times, on the rows that were available then: what an entity had at the
    time may not depend on others.

    Raises:
        CheckFailedError: FC523, an answer at one of the times is another without the rows that came later.
        DataError: a value does not fit its column; FC521 the function fails, FC522 it returns something else.
    """
    given = [_source_rows(source, rows.get(source.name, ())) for source in transform_sources(view)]
    made = _result_rows(engine, view, given)
    for time in sorted({time for time in times if time is not None}):
        then = _result_rows(engine, view, [replace(item, until=time) for item in given])
        _check_leak(engine, as_state(view), (made, then), time)
    return as_state(view), made


def _source_rows(source: Source, rows: WrittenRows) -> SourceRows:
    table = rows_of_source(source, rows, column_types(source, {}))
    if source.columns is None or UNKNOWN in source.columns.values():
        types = {name: language_dtype(dtype) or UNKNOWN for name, dtype in table.schema.items()}
        source = type_source(source, types)
    return SourceRows(source=source, scan=FrameScan(rows=table.lazy()), until=_EVER)


def _result_rows(engine: Engine, view: FeatureView, given: Sequence[SourceRows]) -> pl.DataFrame:
    made = engine.transform(view, given)
    return engine.prepare([Piece(scan=FrameScan(rows=made), until=_EVER)], as_state(view)).rows.of(0, 1)


def _check_leak(engine: Engine, view: FeatureView, made: tuple[pl.DataFrame, pl.DataFrame], time: datetime) -> None:
    entities = pl.concat([rows.select(view.keys) for rows in made]).unique(maintain_order=True)
    if not view.keys:
        entities = pl.DataFrame({_TIME: [None]})
    spine = entities.with_columns(instant_literal(time).alias(_TIME))
    every, then = (engine.answer(one_bucket(view, rows), spine, _TIME) for rows in made)
    for place, name, found, known in _different(every, then):
        key = ", ".join(f"{key} {value}" for key, value in spine.select(view.keys).row(place, named=True).items())
        of = f" of {key}" if key else ""
        raise CheckFailedError(
            f"the transform of {view.name} looks ahead: at {format_iso(time)} {name}{of} is {known!r} by what was "
            f"available then, and {found!r} when later rows are there too",
            code="FC523",
            hint="a row of the result is made of rows that were available at its `available_at`, of no others",
        )


def _different(every: pl.DataFrame, then: pl.DataFrame) -> Iterator[tuple[int, str, object, object]]:
    for name in every.columns:
        for place, (found, known) in enumerate(zip(every[name].to_list(), then[name].to_list(), strict=True)):
            if not _same(found, known):
                yield place, name, found, known


def _same(found: object, known: object) -> bool:
    if isinstance(found, float) and isinstance(known, float) and math.isnan(found):
        return math.isnan(known)
    return agree(known, found)
