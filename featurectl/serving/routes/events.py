"""`POST /v1/events/{source}`: events for a stream, all of them or none."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, list_item
from featurectl.online.request_keys import RequestKey, request_key
from featurectl.serving.context import ServerContext
from featurectl.serving.http.problems import Refused
from featurectl.serving.http.requests import answered, content_of
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import NUMBER, TEXT, Schema, get, object_of
from featurectl.serving.settings import ServeSettings

_MANY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_MOST_KEY: Final = 255  # characters
_FLAGS: Final[Mapping[str, bool]] = {"": False, "0": False, "false": False, "1": True, "true": True}
_PROBLEMS: Final = (400, 401, 404, 408, 409, 413, 422, 500, 503)


async def answer_events(context: ServerContext, request: Request) -> Response:
    """Answer 202 when the broker has the events of a request; with `sync` 200 once workers have applied them."""
    begin_s, events = time.perf_counter(), context.events
    if events is None:
        raise Refused(404, "this server takes no events", hint="featurectl serve --events")
    with events.admitted():
        content = await content_of(request)
        is_sync, key = _sync(request), _key(request, content)
        source = events.source(context.project.catalog.state, request.path_params["source"])
        records = await events.check(source, _values(content, context.settings.max_events))
        sent = await events.send(source, records, key, begin_s)
        document: dict[str, object] = {"source": source.name, "events": sent.events, "repeated": sent.repeated}
        if is_sync:
            document["applied"] = await events.is_applied(source, begin_s)
    answer = answered(document | context.signature(begin_s))
    answer.status_code = 200 if document.get("applied") else 202
    return answer


def _values(content: bytes, most: int) -> Sequence[bytes]:
    """Return the events of a body, each in the bytes that it has.

    Raises:
        Refused: 400, the body is no JSON, no object and no list, or has no event or too many.
    """
    text = content.removeprefix(_BOM).strip(_SPACE)
    try:
        if text.startswith(b"{"):
            return [bytes(_ANY.decode(text))]
        if not text.startswith(b"["):
            raise Refused(400, "the body can't be read: an event, or a list of events, begins with { or [")
        values = _MANY.decode(text)
    except RecursionError as error:
        raise Refused(400, "the body can't be read: it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body can't be read: {error}") from error
    if not 0 < len(values) <= most:
        raise Refused(400, f"{len(values):,} events; 1 to {most:,} are allowed")
    return [bytes(value) for value in values]


def _sync(request: Request) -> bool:
    text = request.query_params.get("sync", "")
    if text.lower() not in _FLAGS:
        raise Refused(400, f"sync: {text[:40]!r} is none of 1 and 0")
    return _FLAGS[text.lower()]


def _key(request: Request, content: bytes) -> RequestKey | None:
    text = request.headers.get("idempotency-key")
    if text is None:
        return None
    if not 0 < len(text) <= _MOST_KEY:
        raise Refused(400, f"Idempotency-Key: {len(text):,} characters; 1 to {_MOST_KEY} are allowed")
    return request_key(text, content)


_SIGNED: Final[Schema] = {"latency_ms": NUMBER, "server_name": TEXT}


def source_paths(context: ServerContext) -> tuple[Schema, Schema]:
    """Return the paths and schemas of the streams that take events, as they are applied: a path and a schema each."""
    from featurectl.streaming.intake.event_intake import json_streams  # which loads what streams need

    paths: Schema = {}
    schemas: Schema = {}
    if context.status.project is None:
        return paths, schemas
    for name, source in json_streams(context.project.catalog.state).items():
        schemas[f"events_{name}"] = _event(source.columns or {}, source.event_time or "", source.checks)
        paths[ROUTE.prefix + name] = {ROUTE.method.lower(): _operation(f"events_{name}", context.settings)}
    return paths, schemas


class _ColumnCheck(Protocol):
    """What is looked at of a check of a source."""

    @property
    def kind(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def _event(dtypes: Mapping[str, str], event_time: str, checks: Sequence[_ColumnCheck]) -> Schema:
    """Return the schema of an event, with what its checks say of null values and of bounds."""
    columns = {name: _column(dtype) for name, dtype in dtypes.items()}
    required = {event_time} & columns.keys()
    for check in checks:
        if check.severity != "error" or check.column not in columns:
            continue
        if check.kind == "not_null":
            required.add(check.column)
        if check.kind == "between" and dtypes[check.column] in (INT64, FLOAT64):
            columns[check.column] |= {"minimum": check.low, "maximum": check.high}
    for name in required:
        columns[name]["type"] = [word for word in columns[name]["type"] if word != "null"]
        if len(columns[name]["type"]) == 1:
            [columns[name]["type"]] = columns[name]["type"]
    return {"type": "object", "properties": columns, "required": sorted(required)}


def _column(dtype: str) -> Schema:
    """Return the schema of a column's values as featurectl writes them; texts of them are read, too."""
    if item := list_item(dtype):
        return {"type": ["array", "null"], "items": _column(item)}
    plain: Mapping[str, Schema] = {
        STRING: {"type": ["string", "null"]},
        BOOL: {"type": ["boolean", "null"]},
        INT64: {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
        FLOAT64: {"type": ["number", "null"]},
        TIMESTAMP: {"type": ["string", "null"], "format": "date-time"},
        DATE: {"type": ["string", "null"], "format": "date"},
    }
    return plain.get(dtype, {"type": ["string", "number", "null"], "description": dtype})


def _operation(body: str, settings: ServeSettings | None = None) -> Schema:
    event = {"$ref": f"#/components/schemas/{body}"}
    most = {} if settings is None else {"maxItems": settings.max_events}
    either = {"oneOf": [event, {"type": "array", "items": event, "minItems": 1, **most}]}
    answer = object_of(source=TEXT, events={"type": "integer"}, repeated={"type": "boolean"}, **_SIGNED)
    answer["properties"]["applied"] = {"type": "boolean", "description": "With `sync`: workers have applied them."}
    operation = get("Events for a stream, all of them or none", answer, _PROBLEMS)
    taken = dict(operation["responses"]["200"])
    operation["responses"]["200"] = taken | {"description": "With `sync`: workers have applied the events"}
    operation["responses"]["202"] = taken | {"description": "The broker has the events"}
    content: dict[str, Any] = {"application/json": {"schema": either}}
    return operation | {"requestBody": {"required": True, "content": content}, "parameters": _PARAMETERS}


_PARAMETERS: Final = [
    {"name": "sync", "in": "query", "schema": {"enum": ["0", "1"]}, "description": "1: wait until they are applied."},
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "minLength": 1, "maxLength": _MOST_KEY},
        "description": "A request that is repeated with its key within 24 h sends nothing again.",
    },
]
_SOURCE: Final = {"name": "source", "in": "path", "required": True, "schema": TEXT}


def _schemas(_: ServeSettings) -> Schema:
    return {"EventBody": {"type": "object", "description": "The columns of the source, each by its name."}}


def _general() -> Schema:
    operation = _operation("EventBody")
    return operation | {"parameters": [_SOURCE, *_PARAMETERS]}


ROUTE: Final = HttpRoute(
    path="/v1/events/{source}",
    method="POST",
    answer=answer_events,
    operation=_general(),
    schemas=_schemas,
    takes_events=True,
)
