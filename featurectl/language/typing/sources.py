"""Sources typed by the columns of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from featurectl.core.dtypes import DATE, TIMESTAMP, UNKNOWN, TypedColumns, untyped_columns
from featurectl.language.definitions.source import Source
from featurectl.language.typing.scope import Issue, Scope

TIMES = (TIMESTAMP, DATE, UNKNOWN)


def type_check_source(source: Source, columns: Mapping[str, str] | None) -> tuple[Source, list[Issue]]:
    """Return the source with its columns and its `select` typed, and what is wrong."""
    scope = Scope(columns)
    select = []
    for item in source.select:
        expression, dtype = scope.expression(("select", item.name), item.expression.text)
        select.append(replace(item, expression=expression, dtype=dtype))
    typed = replace(source, columns=columns, select=tuple(select))
    after = Scope(row_columns(typed), scope.issues)
    for key in ("event_time", "available_at"):
        name = source.event_time if key == "event_time" else source.available_at
        dtype = after.column((key,), name, f", which `{key}` names") if name is not None else None
        if dtype is not None and dtype not in TIMES:
            after.add((key,), "FC312", f'"{name}" is {dtype}, must be a timestamp or a date', "cast it in `select`")
    for key, names in (("tiebreak", source.tiebreak), ("dedup_key", source.dedup_key)):
        for name in names:
            after.column((key, name), name)
    return typed, scope.issues


def type_source_once(source: Source, columns: Mapping[str, str] | None) -> Source:
    """Return the source typed by the columns: itself when it is. What is wrong is reported where it is declared."""
    typed = source.columns is columns and all(item.expression.tree is not None for item in source.select)
    return source if typed else type_check_source(source, columns)[0]


def row_columns(source: Source) -> dict[str, str] | None:
    """Return the columns of a source's rows, `select` included, or None when the files' columns are not known."""
    if source.columns is None:
        return None
    columns = {**source.columns, **{item.name: item.dtype or UNKNOWN for item in source.select}}
    return TypedColumns(columns, untyped_columns(source.columns))
