"""`POST /predict`: one row, flat; every member but two is a key or a request column."""

from __future__ import annotations

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.http.bodies import FLAT, MOST_MEMBERS, MOST_NAMES, Scalar
from featurectl.serving.http.problems import Refused
from featurectl.serving.http.requests import answered, checked_name, content_of, parsed
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import NAME, NUMBER, REMARKS, SCALAR, SIGNED, TEXT, Schema, object_of, post
from featurectl.serving.scoring.missing import remarks_of
from featurectl.serving.scoring.version_rows import score_parts, split_rows
from featurectl.serving.settings import ServeSettings

_OWN = ("features", "model_version", "model")


async def answer_flat(context: ServerContext, request: Request) -> Response:
    """Answer what the served model says of one row."""
    begin = time.perf_counter()
    body = parsed(await content_of(request), FLAT)
    requested = body.get("features")
    if not (requested is None or isinstance(requested, list)):
        raise Refused(400, "features: a list of names is expected")
    requested = None if requested is None else list(dict.fromkeys(requested))
    lists = [name for name, value in body.items() if isinstance(value, list) and name != "features"]
    if lists:
        raise Refused(400, f"{lists[0]}: one value is expected, not a list")
    row: dict[str, Scalar] = {k: v for k, v in body.items() if k not in _OWN and not isinstance(v, list)}
    name, version = _name(context, body.get("model")), _version(body.get("model_version"))
    parts = await split_rows(context, name, version, [row])
    model = parts[0].model
    unknown = [name for name in requested or [] if name not in model.reader.names]
    if unknown:
        hint = "features: " + ", ".join(model.reader.names)
        raise Refused(404, f"model {model.label} has no feature {unknown[0]!r}", hint=hint)
    (scored,) = await score_parts(context, parts, [row], None, begin)
    shown = model.reader.names if requested is None else requested
    answer: dict[str, object] = {"score": scored.scores[0]}
    answer |= {name: row[name] for name in model.reader.columns if name not in answer}
    answer["features"] = {name: scored.inputs[name][0] for name in shown}
    answer |= remarks_of([scored], [(0,)])
    answer |= {"model_id": model.label, "timestamp": scored.found.now}
    context.log(scored)
    return answered(answer | context.signature(begin))


def _version(given: object) -> str | None:
    """Return the version that is named, None where none is.

    Raises:
        Refused: 400, it is neither a number nor a name.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | str) or given == "":
        raise Refused(400, f"model_version: {given!r} is no version")
    return str(given)


def _name(context: ServerContext, given: object) -> str:
    """Return the model that is meant: the one given, or the only one that is served.

    Raises:
        Refused: 400, there are several; 404, there is none.
    """
    if isinstance(given, str) and given:
        return checked_name(given, "model_version")
    if given is not None:
        raise Refused(400, f"model: {given!r} is no name of a model")
    names = context.project.names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise Refused(404, "no model has a version to serve", hint="featurectl train MODEL")
    raise Refused(400, "several models are served: `model` says which", hint="models: " + ", ".join(names))


def _schemas(_: ServeSettings) -> Schema:
    schema = {
        "type": "object",
        "description": "Keys and request columns of the model, each one value.",
        "properties": {
            "features": {"type": "array", "items": NAME, "maxItems": MOST_NAMES},
            "model_version": {"type": ["string", "integer", "null"], "minLength": 1},
            "model": {"type": ["string", "null"], "minLength": 1},
        },
        "additionalProperties": SCALAR,
        "maxProperties": MOST_MEMBERS,
        "propertyNames": NAME,
    }
    return {"FlatBody": schema}


def _answer_schema() -> Schema:
    schema = object_of(score=NUMBER, features={"type": "object"}, model_id=TEXT, **SIGNED)
    schema["properties"] |= REMARKS
    return schema


ROUTE: Final = HttpRoute(
    path="/predict",
    method="POST",
    answer=answer_flat,
    operation=post("The score of one row", "FlatBody", _answer_schema(), (404, 422)),
    schemas=_schemas,
)
