"""The OpenAPI document of a server: bodies by msgspec's schemas, every answer that a route can give."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from featurectl import __version__
from featurectl.serving.bodies import MOST_MEMBERS, MOST_NAMES, MOST_TEXT, FeaturesBody, PredictBody
from featurectl.serving.problems import TITLES
from featurectl.serving.settings import ServeSettings

_TEMPLATE: Final = "#/components/schemas/{name}"
_ANY: Final[dict[str, Any]] = {}
_TEXT: Final = {"type": "string"}
_NULL: Final = {"type": "null"}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_NUMBER: Final = {"type": "number"}
_INSTANT: Final = {"type": "string", "format": "date-time"}
_SCALAR: Final = {"type": ["string", "number", "boolean", "null"], "maxLength": MOST_TEXT}
_STATUS: Final = {"enum": ["PRESENT", "NULL", "NOT_FOUND", "EXPIRED"]}
_SIGNED: Final = {"timestamp": _INSTANT, "latency_ms": _NUMBER, "server_name": _TEXT}
_WARNINGS: Final = {"type": "array", "items": _TEXT}


def document(settings: ServeSettings) -> dict[str, Any]:
    """Return the document of the routes of `app.make_app`."""
    _, schemas = msgspec.json.schema_components([FeaturesBody, PredictBody], ref_template=_TEMPLATE)
    for body in ("FeaturesBody", "PredictBody"):
        schemas[body]["additionalProperties"] = False
    schemas["PredictBody"]["properties"]["rows"]["maxItems"] = settings.max_rows
    schemas["FeaturesBody"]["properties"]["entities"]["additionalProperties"]["maxItems"] = settings.max_rows
    schemas["FeaturesBody"]["oneOf"] = [_asks_for("model"), _asks_for("features")]
    for body in ("FeaturesBody", "PredictBody"):
        bound = f"Rows by what is told of each are {settings.max_values:,} values at most."
        schemas[body]["description"] = f"{schemas[body].get('description', '')}\n\n{bound}".strip()
    return {
        "openapi": "3.1.0",
        "info": {"title": "featurectl", "version": __version__, "description": __doc__},
        "paths": {
            "/v1/features": {"post": _post("Features of entities", "FeaturesBody", _features(), (404,))},
            "/v1/predict/{model}": {
                "post": _post("Scores of rows", "PredictBody", _predictions(), (404, 422))
                | {"parameters": [{"name": "model", "in": "path", "required": True, "schema": _TEXT}]}
            },
            "/predict": {"post": _post("The score of one row", "FlatBody", _flat(), (404, 422))},
            "/health": {"get": _get("The process lives", _object(status=_TEXT, server=_TEXT, uptime=_NUMBER), ())},
            "/ready": {"get": _ready()},
            "/fresh": {"get": _fresh()},
            "/metrics": {"get": _metrics()},
            "/v1/models": {"get": _get("Models that are served", _object(models=_list(), server_name=_TEXT), (401,))},
            "/v1/views": {"get": _get("Views that are served", _object(views=_list(), server_name=_TEXT), (401,))},
            "/openapi.json": {"get": _get("This document", _object(openapi=_TEXT), (401,))},
        },
        "components": {"schemas": schemas | {"FlatBody": _flat_body(), "Problem": _problem()}},
    }


def _object(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list() -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object"}}


def _features() -> dict[str, Any]:
    column = _object(values={"type": "array", "items": _ANY}, status={"type": "array", "items": _STATUS})
    versions = {"type": "object", "additionalProperties": {"type": "integer"}}
    return _object(features={"type": "object", "additionalProperties": column}, view_versions=versions, **_SIGNED)


def _predictions() -> dict[str, Any]:
    row = _object(score=_NUMBER)
    row["properties"]["version"] = {"type": "integer", "description": "While a canary runs, where rows differ in it."}
    version = {"type": ["integer", "null"], "description": "null where the rows differ in it."}
    known = _object(model=_TEXT, version=version, rows={"type": "array", "items": row}, **_SIGNED)
    known["properties"]["warnings"] = _WARNINGS
    return known


def _flat() -> dict[str, Any]:
    known = _object(score=_NUMBER, features={"type": "object"}, model_id=_TEXT, **_SIGNED)
    known["properties"]["warnings"] = _WARNINGS
    return known


def _flat_body() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Keys and request columns of the model, each one value.",
        "properties": {
            "features": _names(),
            "model_version": {"type": ["string", "integer", "null"], "minLength": 1},
            "model": {"type": ["string", "null"], "minLength": 1},
        },
        "additionalProperties": _SCALAR,
        "maxProperties": MOST_MEMBERS,
        "propertyNames": _NAME,
    }


def _asks_for(what: str) -> dict[str, Any]:
    """Return what a body has that asks for a model, or for features: one of them, and a version of a model alone."""
    other = {"model": "features", "features": "model"}[what]
    asked: dict[str, Any] = {"required": [what], "properties": {what: {"not": _NULL}, other: _NULL}}
    return asked if what == "model" else asked | {"not": {"required": ["version"]}}


def _names() -> dict[str, Any]:
    return {"type": "array", "items": _NAME, "maxItems": MOST_NAMES}


def _problem() -> dict[str, Any]:
    known = _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT)
    known["properties"] |= {"code": _TEXT, "hint": _TEXT, "rejected": _list()}
    return known


def _post(summary: str, body: str, answer: dict[str, Any], also: tuple[int, ...]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _TEMPLATE.format(name=body)}}}
    told = _get(summary, answer, (400, 401, 408, 413, 500, 503, *also))
    return told | {"requestBody": {"required": True, "content": content}}


def _get(summary: str, answer: dict[str, Any], problems: tuple[int, ...]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}}
    responses |= {str(status): _refused(status) for status in problems}
    wrong = _refused(405) | {"headers": {"allow": {"description": "The methods of this path.", "schema": _TEXT}}}
    return {"summary": summary, "responses": responses | {"405": wrong}}


def _refused(status: int) -> dict[str, Any]:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    return {"description": TITLES[status], "content": {"application/problem+json": {"schema": schema}}}


def _ready() -> dict[str, Any]:
    serial = {"type": ["integer", "null"], "description": "Of the registry; null until what is served is loaded."}
    told = _object(status=_TEXT, problems=_WARNINGS, warnings=_WARNINGS, serial=serial)
    return _judged("Requests can be answered", "Not ready", told)


def _fresh() -> dict[str, Any]:
    told = _object(status=_TEXT, problems=_WARNINGS, views=_list())
    return _judged("Views are as fresh as they promise", "Stale", told)


def _judged(summary: str, otherwise: str, answer: dict[str, Any]) -> dict[str, Any]:
    told = _get(summary, answer, ())
    known = [{"schema": answer}, {"schema": {"$ref": _TEMPLATE.format(name="Problem")}}]
    content = dict(zip(("application/json", "application/problem+json"), known, strict=True))
    told["responses"]["503"] = {"description": otherwise, "content": content}
    return told


def _metrics() -> dict[str, Any]:
    told = _get("Counts for Prometheus", {}, (401,))
    told["responses"]["200"]["content"] = {"text/plain": {"schema": _TEXT}}
    return told
