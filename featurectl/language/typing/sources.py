"""Sources typed by the columns of their files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from featurectl.core.dtypes import DATE, FLOAT64, INT64, STRING, TIMESTAMP, UNKNOWN, TypedColumns, untyped_columns
from featurectl.core.units import meant_duration
from featurectl.expressions.tree import ExpressionNode
from featurectl.language.definitions.source import Source
from featurectl.language.typing.scope import Issue, Scope, bare_column

_OFFSET = re.compile(r"([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$")
TIMES = (TIMESTAMP, DATE, UNKNOWN)


def type_check_source(source: Source, columns: Mapping[str, str] | None) -> tuple[Source, list[Issue]]:
    """Return the source with its columns and its `select` typed, its history by its own, and what is wrong."""
    scope = Scope(columns)
    select = []
    for item in source.select:
        expression, dtype = scope.expression(("select", item.name), item.expression.text)
        select.append(replace(item, expression=expression, dtype=dtype))
    history = None if source.history is None else type_source_once(source.history, source.history.columns)
    typed = replace(source, columns=columns, select=tuple(select), history=history)
    after = Scope(row_columns(typed), scope.issues)
    for key in ("event_time", "available_at"):
        name = source.event_time if key == "event_time" else source.available_at
        hint = delay_hint(name) if name is not None and key == "available_at" else ""
        dtype = after.column((key,), name, f", which `{key}` names", hint=hint) if name is not None else None
        if name is not None and dtype is not None and dtype not in TIMES:
            after.add((key,), "FC312", f'"{name}" is {dtype}, must be a timestamp or a date', time_hint(name, dtype))
    for key, names in (("tiebreak", source.tiebreak), ("dedup_key", source.dedup_key)):
        for name in names:
            after.column((key, name), name)
    return typed, scope.issues


_LATER = re.compile(r"\s*(.+?)\s*\+\s*(?:interval\s+)?'?\s*([0-9]+\s*[a-z]+)\s*'?\s*", re.IGNORECASE)


def delay_hint(written: str) -> str:
    """Return how a time that is a while after another is said, "" where it is not that.

    >>> delay_hint("sold_at + 15m")
    'it names a column; `delay: 15m` in its place says that a row is known 15m after its event_time'
    """
    later = _LATER.fullmatch(written)
    if later is None:
        return ""
    length = meant_duration(later[2]) or later[2]
    return f"it names a column; `delay: {length}` in its place says that a row is known {length} after its event_time"


def time_hint(name: str, dtype: str) -> str:
    """Return how a column that is no time becomes one.

    >>> time_hint("ts", "int64")
    'of seconds since 1970 write select: {ts_time: to_timestamp(ts)} and name ts_time; of milliseconds ts / 1000'
    """
    if dtype in (INT64, FLOAT64):
        column = bare_column(name).text
        made = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()) + "_time"
        read = f"select: {{{made}: to_timestamp({column})}}"
        return f"of seconds since 1970 write {read} and name {made}; of milliseconds {column} / 1000"
    return f"texts are read by columns: {{{name}: timestamp}}" if dtype == STRING else "cast it in `select`"


def casts_naive_text(tree: ExpressionNode) -> bool:
    """Return whether an expression casts a text to a timestamp, and writes no offset behind it."""
    if (tree.op, tree.dtype, tree.value) == ("cast", TIMESTAMP, STRING):
        last = tree.args[0]
        while last.op == "concat":
            last = last.args[1]
        return last.op != "lit" or _OFFSET.search(str(last.value)) is None
    return any(map(casts_naive_text, tree.args))


def dates_note(source: Source) -> tuple[str, str]:
    """Return what is said of a source whose event times are dates alone (FC358), and what to write."""
    name = source.event_time
    midnight = f"the midnight ({source.timezone}) that its day begins with"
    message = f'"{name}" holds dates: a row counts as known at {midnight}'
    return message, f"delay: 1d where it is known when its day is over; available_at: {name} where that is right"


def known_at_event(source: Source) -> bool:
    """Return whether a source says nothing of when its rows are known, so that it is when they happen."""
    says_nothing = source.available_at is None and source.delay_us is None
    return says_nothing and not source.static and not source.is_stream


def type_source_once(source: Source, columns: Mapping[str, str] | None) -> Source:
    """Return the source typed by the columns: itself when it is. What is wrong is reported where it is declared."""
    made = (*source.select, *(source.history.select if source.history is not None else ()))
    typed = source.columns is columns and all(item.expression.tree is not None for item in made)
    return source if typed else type_check_source(source, columns)[0]


def row_columns(source: Source) -> dict[str, str] | None:
    """Return the columns of a source's rows, `select` included, or None when the files' columns are not known."""
    if source.columns is None:
        return None
    columns = {**source.columns, **{item.name: item.dtype or UNKNOWN for item in source.select}}
    return TypedColumns(columns, untyped_columns(source.columns))
