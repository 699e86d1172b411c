"""What a source says, field by field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

from featurectl.core.dtypes import UNKNOWN
from featurectl.core.variables import has_password, shown_location
from featurectl.expressions.check import expression_columns, untyped_canonical
from featurectl.expressions.tree import Expression
from featurectl.identity.facts.base import (
    Fact,
    Facts,
    about_facts,
    check_facts,
    duration,
    freshness_facts,
    names,
    plain,
    written,
)
from featurectl.language.definitions.source import CsvOptions, IcebergName, Source
from featurectl.language.definitions.stream import RETENTION_US, Stream

COLUMN: Final = "source.columns."  # begins the facts of the columns of a view's source
_OF_BOTH: Final = ("event_time", "nan", "tiebreak", "dedup_key")  # a stream and its history have the same
_SQL_SPACE: Final = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|(?:\s|--[^\n]*|/\*(?:.*?\*/|.*))+""", re.DOTALL)


def source_facts(source: Source) -> dict[str, Fact]:
    """Return a source's data facts. Columns that only the data declares are left to the views that read them."""
    columns = source.columns if source.columns_declared and source.columns else {}
    facts = {f"columns.{name}": plain(dtype) for name, dtype in columns.items()}
    facts |= {f"select.{s.name}": written(s.expression) for s in source.select}
    facts |= _history_select(source, (s.name for s in source.history.select) if source.history else ())
    return facts | clock_facts(source)


def source_metadata(source: Source) -> Facts:
    """Return what a source says that can't change a value."""
    facts = about_facts(source.about) | _location_facts(source)
    return facts | freshness_facts(source.freshness) | check_facts(source.checks)


def clock_facts(source: Source) -> dict[str, Fact]:
    """Return which rows of a source count, at which instants, and how their values are read."""
    facts = {
        "event_time": plain(source.event_time),
        "available_at": plain(source.available_at),
        "delay": duration(source.delay_us or None),
        "timezone": plain(source.timezone),
        "nan": plain(source.nan),
        "tiebreak": names(source.tiebreak),
        "dedup_key": names(sorted(source.dedup_key)),
    }
    csv = source.csv_options
    if csv is not None:
        facts["csv.null_values"] = _null_values(csv)
        facts["csv.timestamp_format"] = plain(csv.timestamp_format)
    if source.sql:
        facts["sql.query"] = Fact(plain_query(source.sql.query), plain_query(source.sql.query))
    if source.is_stream:
        facts["stamped"] = Fact(value=True, text="by the worker")
    if source.history is not None:
        own = clock_facts(source.history).items()
        facts["history"] = Fact(value=True, text=source.history.name)
        facts |= {f"history.{field}": fact for field, fact in own if field not in _OF_BOTH}
    return facts


def _null_values(csv: CsvOptions) -> Fact:
    """Return the texts that a CSV file has for null; not set where nothing but an empty one is."""
    texts = sorted(set(csv.null_values))
    if texts == sorted(CsvOptions().null_values):
        return Fact(None, "-")
    return Fact(texts, ", ".join(json.dumps(text, ensure_ascii=False) for text in texts) or "none")


def clock_columns(source: Source) -> set[str]:
    """Return the columns that say which rows count, and when."""
    named = {source.event_time, source.available_at, *source.tiebreak, *source.dedup_key}
    return {name for name in named if name is not None}


def read_facts(source: Source, columns: Iterable[str]) -> dict[str, Fact]:
    """Return what the columns of a source mean: its `select` where it has one, else their types."""
    select = {s.name: s for s in source.select}
    types, named = source.columns or {}, list(columns)
    facts: dict[str, Fact] = {}
    for name in named:
        if name not in select:
            facts[f"{COLUMN}{name}"] = plain(types.get(name, UNKNOWN))
            continue
        facts[f"source.select.{name}"] = written(select[name].expression)
        below = sorted(expression_reads(select[name].expression))
        facts |= {f"{COLUMN}{raw}": plain(types.get(raw, UNKNOWN)) for raw in below}
    return facts | {f"source.{field}": fact for field, fact in _history_select(source, named).items()}


def _history_select(source: Source, columns: Iterable[str]) -> dict[str, Fact]:
    """Return what the history of a source makes some columns of; its types come into sight later, and are left out."""
    made = {s.name: s.expression.text for s in source.history.select} if source.history else {}
    return {
        f"history.select.{name}": Fact(untyped_canonical(made[name]), made[name]) for name in columns if name in made
    }


def _location_facts(source: Source) -> dict[str, Fact]:
    facts = {
        "format": plain(source.format),
        "path": plain(source.path or None),
        "sql.url": _address(source.sql.url if source.sql else None),
        **(_iceberg_facts(source.iceberg) if source.iceberg else {}),
        **(_stream_facts(source.stream) if source.stream else {}),
        "history.name": plain(source.history.name if source.history else None),
        "lateness": duration(source.lateness_us),
    }
    return facts | ({"csv.separator": plain(source.csv.separator)} if source.csv_options else {})


def _iceberg_facts(table: IcebergName) -> dict[str, Fact]:
    return {"iceberg.catalog": _address(table.catalog or None), "iceberg.table": plain(table.table)}


def _stream_facts(stream: Stream) -> dict[str, Fact]:
    """Return how the events of a stream come: the same values by another way are the same values."""
    schema = hashlib.sha256(stream.schema.encode()).hexdigest() if stream.schema else ""
    return {
        "stream.topic": plain(stream.topic),
        "stream.format": plain(stream.format),
        "stream.schema": Fact(schema or None, f"{stream.schema_path} {schema[:12]}" if schema else "-"),
        "stream.key": Fact(list(stream.key) or None, ", ".join(stream.key) or "-"),
        "stream.url": _address(stream.url or None),
        **({"stream.registry": _address(stream.registry)} if stream.registry else {}),
        **({"stream.retention": duration(stream.retention_us)} if stream.retention_us != RETENTION_US else {}),
    }


def plain_query(query: str) -> str:
    """Return a SQL query without comments, its white space outside quotes made single.

    >>> plain_query("select  a, 'x  y' /* the name */ from t")
    "select a, 'x  y' from t"
    """
    return _SQL_SPACE.sub(lambda found: found[1] or " ", query).strip()


def expression_reads(expression: Expression | None) -> frozenset[str]:
    """Return the columns that an expression reads."""
    if expression is None:
        return frozenset()
    return expression.tree.columns() if expression.tree else expression_columns(expression.text)


def _address(url: str | None) -> Fact:
    """Return the address of a server, its text without a password that stands in it."""
    return Fact(url, shown_location(url)) if url and has_password(url) else plain(url)
