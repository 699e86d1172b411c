"""The columns of a source as they are in it, beside those in the language's types: a spine gives them back.

A column is kept in the type that the source declares for it, else in that of its files. Where no type can be kept it
is in the language's: a CSV column in the one that its texts spell, a column whose files differ in the one that holds
them all. NaN stays NaN, whatever the source's `nan` says of features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype
from featurectl.language.definitions.source import Source
from featurectl.sources.base import OnNaive
from featurectl.sources.casts import Cast, CastRules, plan_cast
from featurectl.sources.enforce import KEPT, ExpectedColumns, apply_casts, check_values


def original_columns(source: Source, columns: Mapping[str, str | None]) -> ExpectedColumns:
    """Return the shape of the columns that are kept, each with its type (None: as it is)."""
    return ExpectedColumns(source=replace(source, nan="keep"), columns=columns, optional=columns)


def declared_kept(source: Source) -> dict[str, str | None] | None:
    """Return the columns that a source declares, with the types in which they are kept; None: it declares none."""
    return {**source.columns} if source.columns_declared and source.columns is not None else None


def beside_kept(
    shape: ExpectedColumns, rows: pl.LazyFrame, schema: pl.Schema, where: str, on_naive: OnNaive | None
) -> pl.LazyFrame:
    """Return rows of one schema in the columns and types of a shape, and beside them the columns that are kept.

    `on_naive` is given the columns that hold a timestamp without a time zone.

    Raises:
        DataError: FC503 a column is missing, FC504 a value or type does not fit.
    """
    declared = declared_kept(shape.source)
    casts = shape.casts(schema, where)
    kept = original_columns(shape.source, dict.fromkeys(schema) if declared is None else declared).casts(schema, where)
    check_values(rows, enforced(casts, kept, schema), where, on_naive=on_naive)
    return apply_casts(rows, casts, kept)


def join_schemas(
    schemas: Sequence[tuple[pl.Schema, str]], columns: Mapping[str, str], source: str
) -> dict[str, str | None]:
    """Return the columns of all files, in the order of their first file, with the type in which each is kept.

    None: as it is in its file. `columns` are the source's columns in the language's types, which hold the values of
    all files. A column of a type that the language lacks is kept as it is when Polars has a type for all its files.

    Raises:
        DataError: FC504, it has none.
    """
    found: dict[str, list[tuple[pl.DataType, str]]] = {}
    for schema, where in schemas:
        for name, dtype in schema.items():
            known = found.setdefault(name, [])
            if not isinstance(dtype, pl.Null) and dtype not in (other for other, _ in known):
                known.append((dtype, where))
    kept: dict[str, str | None] = {}
    for name, types in found.items():
        kept[name] = columns.get(name) if len(types) > 1 else None
        if len(types) > 1 and name not in columns:
            _check_joint(name, types, source)
    return kept


def _check_joint(name: str, types: Sequence[tuple[pl.DataType, str]], source: str) -> None:
    (first, _), *others = types
    have = first
    for dtype, where in others:
        pair = [pl.DataFrame(schema={name: each}) for each in (have, dtype)]
        try:
            have = pl.concat(pair, how="vertical_relaxed").schema[name]
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"source {source}, file {where}: column {name!r} is {dtype}, in files before it is {have}",
                code="FC504",
                hint="declare `columns:` of the source",
            ) from error


def enforced(casts: Iterable[Cast], kept: Sequence[Cast], schema: pl.Schema) -> list[Cast]:
    """Return the casts of a file whose values must fit, or are timestamps without a time zone.

    Of a column that is kept as it is, the values that int64 lacks matter only to who reads it: see `split_kept`.
    """
    by_name = {cast.name: cast for cast in kept}

    def _must(cast: Cast) -> bool:
        beside = by_name.get(cast.name)
        return cast.naive is True or not (
            beside and beside.dtype is None and language_dtype(schema[cast.name]) == cast.dtype
        )

    typed = [cast for cast in casts if (cast.bad is not None or cast.naive is True) and _must(cast)]
    dtypes = {cast.name: cast.dtype for cast in typed}
    return typed + [cast for cast in kept if cast.bad is not None and dtypes.get(cast.name) != cast.dtype]


def split_kept(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the columns of `scan_kept` in the language's types, and apart from them those that are kept.

    A column with unsigned values that int64 lacks is not among the first.
    """
    kept = rows.select(name for name in rows.columns if name.startswith(KEPT))
    kept = kept.rename({name: name.removeprefix(KEPT) for name in kept.columns})
    typed = [name for name in rows.columns if not name.startswith(KEPT)]
    return rows.select(name for name in typed if name not in kept.columns or _fits(kept[name])), kept


def _fits(column: pl.Series) -> bool:
    have = language_dtype(column.dtype)
    cast = plan_cast(column.name, column.dtype, have, CastRules()) if have is not None else None
    return cast is None or cast.bad is None or not column.to_frame().select(cast.bad.any()).item()
