"""`POST /v1/predict/{model}`: a score a row, and by which version where they differ."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.bodies import PREDICT, PredictBody
from featurectl.serving.features import statuses_of
from featurectl.serving.predict import Scored
from featurectl.serving.problems import Refused
from featurectl.serving.requests import answered, parsed
from featurectl.serving.split import score_parts, split_rows

if TYPE_CHECKING:
    from featurectl.serving.app import Server


async def predict(request: Request) -> Response:
    """Answer what a model says of some rows."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, PREDICT)
    if len(body.rows) > server.settings.max_rows:
        raise Refused(400, f"rows: {len(body.rows):,} rows; 1 to {server.settings.max_rows:,} are allowed")
    name: str = request.path_params["model"]
    version = None if body.version is msgspec.UNSET else str(body.version)
    parts = await split_rows(server, name, version, body.rows)
    scored = await score_parts(server, parts, body.rows, body.time, begin)
    several = len(parts) > 1
    rows: list[dict[str, object]] = [{}] * len(body.rows)
    for part, found in zip(parts, scored, strict=True):
        for row, place in enumerate(part.places):
            rows[place] = _row(found, row, body) | ({"version": found.model.version.version} if several else {})
        server.log(found)
    one = None if several else scored[0].model.version.version
    answer: dict[str, object] = {"model": name, "version": one, "rows": rows}
    warnings = [text for found in scored for text in found.warnings]
    answer |= {"warnings": warnings} if warnings else {}
    answer["timestamp"] = scored[0].found.now
    return answered(answer | server.signature(begin))


def _row(scored: Scored, row: int, body: PredictBody) -> dict[str, object]:
    told: dict[str, object] = {"score": scored.scores[row]}
    for name in body.returned:
        if name == "features":
            told[name] = {key: values[row] for key, values in scored.inputs.items()}
        else:
            told[name] = statuses_of(scored.found, row)
    return told
