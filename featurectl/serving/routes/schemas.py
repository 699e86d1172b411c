"""Parts of an OpenAPI document: bodies by msgspec's schemas, every answer that a route can give."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from featurectl.serving.http.bodies import MOST_TEXT
from featurectl.serving.http.problems import TITLES
from featurectl.serving.settings import ServeSettings

Schema = dict[str, Any]
_TEMPLATE: Final = "#/components/schemas/{name}"
ANY: Final[Schema] = {}
TEXT: Final = {"type": "string"}
NULL: Final = {"type": "null"}
NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
NUMBER: Final = {"type": "number"}
SCALAR: Final = {"type": ["string", "number", "boolean", "null"], "maxLength": MOST_TEXT}
STATUS: Final = {"enum": ["PRESENT", "NULL", "NOT_FOUND", "EXPIRED"]}
_INSTANT: Final = {"type": "string", "format": "date-time"}
SIGNED: Final = {"timestamp": _INSTANT, "latency_ms": NUMBER, "server_name": TEXT}
WARNINGS: Final = {"type": "array", "items": TEXT}


def object_of(**properties: object) -> Schema:
    """Return the schema of an object that has all of these."""
    return {"type": "object", "properties": properties, "required": list(properties)}


REMARKS: Final[Schema] = {  # of an answer with scores, each there where it says something
    "warnings": WARNINGS,
    "unknown": {
        "type": "array",
        "items": object_of(row={"type": "integer"}, keys={"type": "object"}),
        "description": "Entities of which the online store has no row in any view that the model reads, also none of "
        "later than `time`: they are scored as null and defaults.",
    },
    "missing": {
        "type": "array",
        "items": object_of(feature=TEXT, status=STATUS, rows={"type": "integer"}),
        "description": "Features that are expired, or not found of an entity that another view knows, or that is "
        "stored as of later than `time` alone, with how many rows they are of: they are scored as null and defaults.",
    },
}


def list_of_objects() -> Schema:
    """Return the schema of a list of objects of any form."""
    return {"type": "array", "items": {"type": "object"}}


def post(summary: str, body: str, answer: Schema, also: tuple[int, ...]) -> Schema:
    """Return an operation that takes a body; `also` are the problems that not every one of them has."""
    content = {"application/json": {"schema": {"$ref": _TEMPLATE.format(name=body)}}}
    operation = get(summary, answer, (400, 401, 408, 413, 500, 503, *also))
    return operation | {"requestBody": {"required": True, "content": content}}


def get(summary: str, answer: Schema, problems: tuple[int, ...]) -> Schema:
    """Return an operation by its answer and the problems that it can have instead."""
    responses: Schema = {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}}
    responses |= {str(status): _refused(status) for status in problems}
    wrong = _refused(405) | {"headers": {"allow": {"description": "The methods of this path.", "schema": TEXT}}}
    return {"summary": summary, "responses": responses | {"405": wrong}}


def get_verdict(summary: str, otherwise: str, answer: Schema) -> Schema:
    """Return an operation whose answer is 503 where it is no: with the same document, or with a problem."""
    operation = get(summary, answer, ())
    known = [{"schema": answer}, {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}]
    content = dict(zip(("application/json", "application/problem+json"), known, strict=True))
    operation["responses"]["503"] = {"description": otherwise, "content": content}
    return operation


def _refused(status: int) -> Schema:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    return {"description": TITLES[status], "content": {"application/problem+json": {"schema": schema}}}


def body_schema(body: type[msgspec.Struct], settings: ServeSettings) -> Schema:
    """Return the schema of a body, with what the values of its answer are bounded by."""
    _, schemas = msgspec.json.schema_components([body], ref_template=_TEMPLATE)
    schema: Schema = schemas[body.__name__]
    schema["additionalProperties"] = False
    bound = f"Rows by the values of each are {settings.max_values:,} values at most."
    schema["description"] = f"{schema.get('description', '')}\n\n{bound}".strip()
    return schema


def problem_schema() -> Schema:
    """Return the schema of a problem."""
    schema = object_of(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT)
    schema["properties"] |= {"code": TEXT, "hint": TEXT, "rejected": list_of_objects()}
    return schema
