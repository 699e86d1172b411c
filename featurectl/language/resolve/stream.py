"""The stream of a source -> its definition: the columns that choose a partition, and the file of its Avro schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.stream import RETENTION_US, STAMP, Stream
from featurectl.language.problems.report import Report
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.base import listed_names
from featurectl.language.shapes.source import SourceShape
from featurectl.language.shapes.stream import StreamShape
from featurectl.language.syntax.node import Fields
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file
from featurectl.language.syntax.place import Place
from featurectl.language.syntax.reader import read_text

_MAX_BYTES: Final = 256_000  # it stands in the definition of each view of the stream
_OF_MANY_ROWS: Final = ("unique", "max_null_rate", "row_count", "sql")


def resolve_stream(shape: SourceShape, declared: Declarations, root: Path) -> Stream | None:
    """Return the stream of a source, with the text of its schema; None of another source."""
    stream = shape.stream
    if stream is None:
        return None
    columns = shape.columns or {}
    for key in ("columns", "select"):
        named = shape.fields.get(key)
        if isinstance(named, Fields) and STAMP in named.keys:
            message = f'"{STAMP}" is what the stamp is called that a worker gives each event'
            note = "give the column another name in the event, or leave it out"
            declared.report.error("FC105", message, named.keys[STAMP].place, note=note)
    for node in listed_names(stream.fields, "key"):
        if node.text not in columns and columns:
            note = f"columns: {', '.join(sorted(columns)[:12])}"
            suggestion = did_you_mean(node.text, columns)
            message = f'no column "{node.text}" is declared: a partition is chosen by columns of the event'
            declared.report.error(
                "FC301", message, node.span.place, suggestion=suggestion, note="" if suggestion else note
            )
    is_avro = stream.format == "avro" and stream.schema_file is not None
    return Stream(
        topic=stream.topic,
        format=stream.format or "json",
        schema=_read_schema(stream, shape, declared, root) if is_avro else "",
        schema_path=stream.schema_file or "" if is_avro else "",
        key=stream.key or (),
        url=stream.url or "",
        registry=stream.registry or "",
        retention_us=stream.retention or RETENTION_US,
    )


def check_stream_checks(shape: SourceShape, declared: Declarations) -> None:
    """Report FC316 for each check of a stream that looks at more than one event."""
    for check in shape.checks if shape.stream is not None else ():
        for key in _OF_MANY_ROWS:
            if key in check.fields.nodes and not (key == "unique" and not check.unique):
                message = f'"{key}" looks at many rows, and a check of a stream sees one event'
                note = "`checks` of a view look at all rows of its table"
                declared.report.error("FC316", message, check.fields.keys[key].place, note=note)


def _read_schema(stream: StreamShape, shape: SourceShape, declared: Declarations, root: Path) -> str:
    """Return the text of the file of an Avro schema that has a field for each column; "" with a problem."""
    path, place = stream.schema_file or "", stream.fields.place("schema")
    text = _text(path, place, declared.report, root)
    if text is None:
        return ""
    try:
        schema: object = json.loads(text)
    except json.JSONDecodeError as error:
        found = Place(path, error.lineno, error.colno, error.colno + 1)
        declared.report.error("FC208", f'"{path}" is not JSON: {error.msg}', found)
        return ""
    except RecursionError:
        declared.report.error("FC208", f'"{path}" is not JSON that can be read: it is nested too deeply', Place(path))
        return ""
    fields = _field_names(schema)
    if fields is None:
        message = f'"{path}" is no Avro record: {{"type": "record", "name": ..., "fields": [{{"name": ...}}]}}'
        declared.report.error("FC208", message, place)
        return ""
    for name in shape.columns or {}:
        if name not in fields:
            at = declared.places.get(("source", shape.name, "columns", name), shape.fields.place("columns"))
            suggestion = did_you_mean(name, fields)
            note = "" if suggestion else f"fields: {', '.join(sorted(fields)[:12])}"
            declared.report.error("FC503", f'{path} has no field "{name}"', at, suggestion=suggestion, note=note)
    return text


def _text(path: str, place: Place, report: Report, root: Path) -> str | None:
    """Return the text of a file of the repository, or None with a problem."""
    try:
        return read_text(path, read_own_file(root, path, _MAX_BYTES), report)
    except NotOwnFileError as error:
        report.error("FC007", f'"{path}" is not read: {error}', place)
    except FileTooLargeError as error:
        report.error("FC208", f'"{path}" has {error}; at most 256 kB are read', place)
    except OSError:
        report.error("FC208", f'no file "{path}"', place)
    return None


def _field_names(schema: object) -> set[str] | None:
    """Return the names of the fields of an Avro record; None of anything else.

    >>> sorted(_field_names({"type": "record", "name": "e", "fields": [{"name": "a", "type": "long"}]}) or ())
    ['a']
    """
    if not isinstance(schema, Mapping) or schema.get("type") != "record" or not isinstance(schema.get("name"), str):
        return None
    fields = schema.get("fields")
    if not isinstance(fields, list):
        return None
    names = {field.get("name") for field in fields if isinstance(field, Mapping)}
    return {name for name in names if isinstance(name, str)}
