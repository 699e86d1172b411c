"""Shapes of sources -> definitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from featurectl.core.drivers import SQLITE_URL
from featurectl.core.dtypes import DATE, untyped_columns
from featurectl.core.errors import DataError, UsageError
from featurectl.core.nearest import did_you_mean, nearest
from featurectl.core.variables import has_variable
from featurectl.expressions.tree import Expression
from featurectl.language.data_roots import DataRoots, OutsideDataError, ReadableFolders, is_file_address
from featurectl.language.definitions.separator import separator_hint
from featurectl.language.definitions.source import (
    FILE_FORMAT_NAMES,
    FILE_FORMATS,
    CsvOptions,
    IcebergName,
    NamedExpression,
    Source,
    SourceFormat,
    SqlQuery,
)
from featurectl.language.definitions.timestamp_format import find_wrong_format
from featurectl.language.resolve.about import about_of, freshness_of
from featurectl.language.resolve.checks import resolve_checks
from featurectl.language.resolve.declarations import Declarations, report_issues
from featurectl.language.resolve.seen_columns import name_files
from featurectl.language.resolve.stream import check_stream_checks, resolve_stream
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.source import CsvShape, SourceShape, separates
from featurectl.language.syntax.node import Fields, ScalarNode
from featurectl.language.syntax.place import Place
from featurectl.language.typing.scope import Part
from featurectl.language.typing.sources import (
    TIMES,
    casts_naive_text,
    dates_note,
    known_at_event,
    row_columns,
    type_check_source,
)

SchemaReader = Callable[[Source], "Mapping[str, str] | None"]


_FORMS: Final = 'forms are like "%Y%m%d" or "%d.%m.%Y %H:%M"; without one times are ISO 8601: 2026-01-31T10:00:00Z'
_SUFFIXES: Final[Mapping[str, SourceFormat]] = {
    suffix: name for name, rules in FILE_FORMATS.items() for suffix in (*rules.suffixes, *rules.path_suffixes)
}


_ARRIVAL = re.compile(
    r"(ingest(ed|ion)?|arriv(ed|al)|received|loaded|inserted|created|updated|available|published|landed|processed)"
    r"(_(at|ts|time|timestamp|on))"
)


_CHANGE = re.compile(
    _ARRIVAL.pattern
    + r"|(modified|changed|edited)_(at|ts|time|timestamp|on)|(valid|effective)_(at|from|since)"
    + r"|event_(at|time|timestamp|ts|date)|timestamp|ts"
)


def resolve_source(shape: SourceShape, declared: Declarations, schemas: SchemaReader | None, root: Path) -> Source:
    """Return a source with its columns as far as they are known: declared, else what the schema reader finds."""
    before = len(declared.report.problems)
    source = replace(_untyped(shape, declared), stream=resolve_stream(shape, declared, root))
    readable = (source.path or source.sql or source.iceberg) and separates(source.csv.separator)
    readable = readable and len(declared.report.problems) == before
    readable = readable and _check_place(source, shape, declared, root)
    _check_clocks(shape, declared)
    columns = source.columns
    if schemas is not None and readable:
        found = _read_schema(source, shape, declared, schemas, root)
        columns = found if columns is None else _columns_there(columns, found, shape, declared)
    typed, issues = type_check_source(source, columns)
    report_issues(declared.report, name_files(issues, typed), _places(shape), shape.fields.head)
    typed = replace(typed, checks=resolve_checks(shape.checks, row_columns(typed), declared))
    check_stream_checks(shape, declared)
    if len(declared.report.problems) == before and ("source", shape.name) not in declared.broken:
        _warn(typed, shape, declared)
    return typed


def _columns_there(
    columns: Mapping[str, str], found: Mapping[str, str] | None, shape: SourceShape, declared: Declarations
) -> Mapping[str, str]:
    """Return declared columns, and under the names that were probably meant those that the files lack: FC503 for each.

    So what reads them by either name is right. A header that another character separates has one problem.
    """
    if found is None:
        return columns
    there = [*found, *untyped_columns(found)]
    others = [name for name in there if name not in columns]
    separator = separator_hint(there)
    meant = {name: "" if separator else nearest(name, others) for name in columns if name not in there}
    for name, near in list(meant.items())[: 1 if separator else None]:
        message = f'{_place_of(shape)} has no column "{name}"'
        note = "" if near else separator or f"columns: {', '.join(sorted(found)[:12])}"
        suggestion = f'did you mean "{near}"?' if near else ""
        place = declared.places.get(("source", shape.name, "columns", name), shape.fields.place("columns"))
        declared.report.error("FC503", message, place, suggestion=suggestion, note=note)
    return {**columns, **{near: columns[name] for name, near in meant.items() if near}}


def _place_of(shape: SourceShape) -> str:
    return f"table {shape.iceberg.table}" if shape.iceberg else shape.path or ""


def _untyped(shape: SourceShape, declared: Declarations) -> Source:
    select = tuple(NamedExpression(name=n, expression=Expression(text)) for n, text in (shape.select or {}).items())
    return Source(
        name=shape.name,
        format=_format(shape, declared),
        path=shape.path or "",
        sql=SqlQuery(url=shape.sql.url, query=shape.sql.query) if shape.sql else None,
        iceberg=IcebergName(table=shape.iceberg.table, catalog=shape.iceberg.catalog) if shape.iceberg else None,
        csv=_csv(shape.csv, declared),
        event_time=shape.event_time,
        available_at=shape.available_at,
        delay_us=shape.delay,
        lateness_us=shape.lateness,
        timezone=_timezone(shape, declared),
        nan=shape.nan,
        columns=dict(shape.columns) if shape.columns else None,
        columns_declared=shape.columns is not None,
        select=select,
        tiebreak=shape.tiebreak,
        dedup_key=shape.dedup_key or (),
        freshness=freshness_of(shape.freshness),
        about=about_of(shape),
    )


def _format(shape: SourceShape, declared: Declarations) -> SourceFormat:
    if shape.stream is not None:
        return "stream"
    if shape.sql is not None:
        return "sql"
    if shape.iceberg is not None:
        return "iceberg"
    if shape.format is not None:
        return shape.format
    suffixes = PurePosixPath(shape.path or "").suffixes
    for suffix in reversed(suffixes[-2:]):  # data.csv.gz is CSV
        if suffix.lower() in _SUFFIXES:
            return _SUFFIXES[suffix.lower()]
    if not suffixes:
        return "delta"
    if shape.path:
        message = f'what format is "{shape.path}"? say `format:`, one of {" ".join(FILE_FORMAT_NAMES)}'
        declared.report.error("FC104", message, shape.fields.place("path"))
    return "parquet"


def _csv(shape: CsvShape | None, declared: Declarations) -> CsvOptions:
    if shape is None:
        return CsvOptions()
    plain = CsvOptions()
    if shape.timestamp_format is not None and (wrong := find_wrong_format(shape.timestamp_format)):
        meant = f'did you mean "{wrong.meant}"?' if wrong.meant else ""
        note, place = "" if meant else _FORMS, shape.fields.place("timestamp_format")
        declared.report.error("FC104", wrong.message, place, suggestion=meant, note=note)
    return CsvOptions(
        separator=shape.separator or plain.separator,
        null_values=plain.null_values if shape.null_values is None else shape.null_values,
        timestamp_format=shape.timestamp_format,
    )


def _timezone(shape: SourceShape, declared: Declarations) -> str:
    if shape.timezone is None:
        return "UTC"
    try:
        ZoneInfo(shape.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        from zoneinfo import available_timezones

        near = did_you_mean(shape.timezone, available_timezones())
        place = shape.fields.place("timezone")
        declared.report.error("FC104", f'no time zone "{shape.timezone}"', place, suggestion=near)
    return shape.timezone


def _check_clocks(shape: SourceShape, declared: Declarations) -> None:
    fields, report = shape.fields, declared.report
    if "event_time" not in fields.nodes:
        for key in ("available_at", "delay", "lateness", "tiebreak"):
            if key in fields.nodes:
                declared.timeless.add(shape.name)
                message = f'"{key}" without "event_time": source "{shape.name}" is static, always true and known'
                report.error("FC307", message, fields.keys[key].place)


def _read_schema(
    source: Source, shape: SourceShape, declared: Declarations, schemas: SchemaReader, root: Path
) -> Mapping[str, str] | None:
    try:
        return schemas(source)
    except OutsideDataError as error:
        if not _may_hold(declared, error.real, root):
            declared.report.error("FC535", error.message, _address_place(shape), note=error.hint)
        return None
    except DataError as error:
        key = "path" if source.path else source.format
        near = error.hint if error.hint.startswith("did you mean") else ""
        note, place = "" if near else error.hint, shape.fields.place(key)
        declared.report.error(error.code or "FC502", error.message, place, suggestion=near, note=note)
        return None


def _check_place(source: Source, shape: SourceShape, declared: Declarations, root: Path) -> bool:
    """Return whether the source lies below the root, or may lie there; FC535 where no environment lets it be read."""
    url = source.sql.url if source.sql is not None else source.iceberg.catalog if source.iceberg is not None else None
    written = source.path if url is None else url
    path = source.path if url is None else _database_file(url)
    if not path or has_variable(path) or ("://" in path and not is_file_address(path)):
        return True
    try:
        ReadableFolders(source=source.name, written=written, root=root).check_pattern(path)
    except OutsideDataError as error:
        if is_file_address(path) or not _may_hold(declared, error.real, root):
            declared.report.error("FC535", error.message, _address_place(shape), note=error.hint)
        return False
    return True


def _database_file(url: str) -> str:
    return url.removeprefix(SQLITE_URL).partition("?")[0] if url.startswith(SQLITE_URL) else ""


def _address_place(shape: SourceShape) -> Place:
    for key, address in (("sql", "url"), ("iceberg", "catalog")):
        if isinstance(fields := shape.fields.get(key), Fields):
            return fields.place(address)
    return shape.fields.place("path")


def _may_hold(declared: Declarations, real: str, root: Path) -> bool:
    """Return whether an environment may let sources read there, as far as is known without its variables."""
    if declared.data_roots is None:
        return True
    try:
        return DataRoots(folders=declared.data_roots).hold(root, real)
    except UsageError:
        return True


def _places(shape: SourceShape) -> dict[Part, ScalarNode | Place]:
    fields = shape.fields
    places: dict[Part, ScalarNode | Place] = {(key,): fields.place(key) for key in fields.nodes}
    select = fields.get("select")
    if isinstance(select, Fields):
        places |= {("select", name): node for name, node in select.nodes.items() if isinstance(node, ScalarNode)}
    for key in ("tiebreak", "dedup_key"):
        places |= {(key, item.text): item for item in listed_names(fields, key)}
    return places


def _warn(source: Source, shape: SourceShape, declared: Declarations) -> None:
    if source.static:
        _tell_static(source, shape, declared)
        return
    _warn_of_casts(source, shape, declared)
    if not known_at_event(source):
        return
    columns = row_columns(source) or {}
    for name, dtype in sorted(columns.items(), key=lambda item: item[0] != "available_at"):  # the plainest name first
        if _ARRIVAL.fullmatch(name.lower()) and name != source.event_time and dtype in TIMES:
            message = f'column "{name}" of source "{source.name}" looks like the time at which a row arrived'
            note = f"declare available_at: {name}, or a delay; else a row counts as known at its {source.event_time}"
            declared.report.warning("FC352", message, shape.fields.place("event_time"), note=note)
            return
    if columns.get(source.event_time or "") == DATE:
        message, note = dates_note(source)
        declared.report.note("FC358", message, shape.fields.place("event_time"), note=note)


def _warn_of_casts(source: Source, shape: SourceShape, declared: Declarations) -> None:
    """Warn where a clock is cast from texts without an offset, which the source's `timezone` says nothing of."""
    trees = {item.name: item.expression.tree for item in source.select}
    for name in dict.fromkeys((source.event_time, source.available_at)):
        tree = trees.get(name or "")
        if source.timezone != "UTC" and tree is not None and casts_naive_text(tree):
            message = f'"{name}" is cast from a text, which is UTC without an offset, not {source.timezone}'
            note = "`timezone` is of columns of the file; an offset stands behind the text: || '+09:00'"
            declared.report.warning("FC359", message, shape.fields.place("timezone"), note=note)
            return


def _tell_static(source: Source, shape: SourceShape, declared: Declarations) -> None:
    """Note that the rows are always true, or warn when a column looks like the time at which they changed."""
    message = f'source "{source.name}" has no event_time: its rows count as known since ever'
    for name, dtype in (row_columns(source) or {}).items():
        if _CHANGE.fullmatch(name.lower()) and dtype in TIMES:
            note = f'column "{name}" looks like the time of a row: declare event_time: {name}'
            declared.report.warning("FC351", message, shape.fields.head, note=note)
            return
    note = "right for what never changes; rows that are edited need an event_time, or they leak into the past"
    declared.report.note("FC351", message, shape.fields.head, note=note)
