"""`POST /predict`: one row, flat; every member but two is a key or a request column."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.bodies import FLAT, Scalar
from featurectl.serving.problems import Refused
from featurectl.serving.requests import answered, check_name, parsed
from featurectl.serving.version_rows import score_parts, split_rows

if TYPE_CHECKING:
    from featurectl.serving.app import Server

_OWN = ("features", "model_version", "model")


async def predict_flat(request: Request) -> Response:
    """Answer what the served model says of one row."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, FLAT)
    asked = body.get("features")
    if not (asked is None or isinstance(asked, list)):
        raise Refused(400, "features: a list of names is expected")
    asked = None if asked is None else list(dict.fromkeys(asked))
    lists = [name for name, value in body.items() if isinstance(value, list) and name != "features"]
    if lists:
        raise Refused(400, f"{lists[0]}: one value is expected, not a list")
    row: dict[str, Scalar] = {k: v for k, v in body.items() if k not in _OWN and not isinstance(v, list)}
    name, version = _name(server, body.get("model")), _version(body.get("model_version"))
    parts = await split_rows(server, name, version, [row])
    model = parts[0].model
    unknown = [name for name in asked or [] if name not in model.reader.names]
    if unknown:
        hint = "features: " + ", ".join(model.reader.names)
        raise Refused(404, f"model {model.label} has no feature {unknown[0]!r}", hint=hint)
    (scored,) = await score_parts(server, parts, [row], None, begin)
    shown = model.reader.names if asked is None else asked
    answer: dict[str, object] = {"score": scored.scores[0]}
    answer |= {name: row[name] for name in model.reader.columns if name not in answer}
    answer["features"] = {name: scored.inputs[name][0] for name in shown}
    answer |= {"warnings": scored.warnings} if scored.warnings else {}
    answer |= {"model_id": model.label, "timestamp": scored.found.now}
    server.log(scored)
    return answered(answer | server.signature(begin))


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


def _name(server: Server, given: object) -> str:
    """Return the model that is meant: the one given, or the only one that is served.

    Raises:
        Refused: 400, there are several; 404, there is none.
    """
    if isinstance(given, str) and given:
        return check_name(given)
    if given is not None:
        raise Refused(400, f"model: {given!r} is no name of a model")
    names = server.served.names()
    if len(names) == 1:
        return names[0]
    if not names:
        raise Refused(404, "no model has a version to serve", hint="featurectl train MODEL")
    raise Refused(400, "several models are served: `model` says which", hint="models: " + ", ".join(names))
