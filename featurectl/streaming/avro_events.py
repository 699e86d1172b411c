"""Events in Avro, as Confluent's libraries write them: a byte 0, the id of a schema in 4 bytes, and the body.

The body is read by the schema of the repository's file. What the id means is known to a schema registry alone; where
the source names one, each id is looked up there once, and must be of the same schema.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import fastavro
from fastavro.repository.base import SchemaRepositoryError

from featurectl.core.errors import UsageError

_HEADER: Final = struct.Struct(">bI")
_MEANT: Final = ("name", "fields", "items", "values", "symbols", "size", "logicalType", "precision", "scale")
_SHOWN: Final = 60
IdProblem = Callable[[int], str]  # why the events of a schema's id can't be read by the file; "": they can


class AvroEvents:
    """Reads the fields of events by a schema, the text of its file."""

    def __init__(self, schema: str, shown: str, id_problem: IdProblem | None = None) -> None:
        self._schema, self._id_problem = parsed_schema(schema, shown), id_problem

    def fields(self, value: bytes) -> Mapping[str, object] | str:
        """Return the fields of an event by their names, or the reason why it is none.

        Raises:
            StoreError: the registry of schemas can't be asked.
        """
        if len(value) < _HEADER.size or value[0] != 0:
            return "no Avro with the header of a schema registry: a byte 0, and 4 bytes of an id"
        _, schema_id = _HEADER.unpack_from(value)
        if self._id_problem is not None and (problem := self._id_problem(schema_id)):
            return problem
        body = io.BytesIO(value)
        body.seek(_HEADER.size)
        try:
            found = fastavro.schemaless_reader(body, self._schema, None)
        except Exception as error:  # noqa: BLE001 (what the library makes of bytes that are no event is not listed)
            return f"no Avro of the schema: {str(error)[:_SHOWN] or type(error).__name__}"
        if body.tell() != len(value):
            return f"no Avro of the schema: {len(value) - body.tell()} bytes are left over"
        assert isinstance(found, dict)
        return {name: _plain(field) for name, field in found.items()}


def parsed_schema(text: str, shown: str) -> Any:
    """Return a schema as the library reads by it.

    Raises:
        UsageError: it is none.
    """
    try:
        return fastavro.parse_schema(json.loads(text))
    except (fastavro.schema.SchemaParseException, SchemaRepositoryError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{shown} is no Avro schema: {str(error)[:200]}") from error


def meaning_of(schema: object) -> object:
    """Return what of a parsed schema tells how bytes are read: names, types and logical types, no words about them.

    >>> text = '{"type": "record", "name": "e", "doc": "x", "fields": [{"name": "a", "type": {"type": "long"}}]}'
    >>> meaning_of(parsed_schema(text, "e.avsc"))
    {'type': 'record', 'name': 'e', 'fields': [{'type': 'long', 'name': 'a'}]}
    """
    if isinstance(schema, list):
        return [meaning_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: meaning_of(schema[key]) for key in _MEANT if key in schema}
    inner = meaning_of(schema["type"]) if "type" in schema else None
    return inner if not kept else {"type": inner, **kept}


def _plain(value: object) -> object:
    """Return a field as JSON would have it where the language has another type: texts of local times and of UUIDs."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
