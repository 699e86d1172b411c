"""`POST /v1/predict/{model}`: a score a row, and by which version where they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.bodies import PREDICT, Echo
from featurectl.serving.features import statuses_of
from featurectl.serving.predict import ScoredRequest
from featurectl.serving.problems import Refused
from featurectl.serving.requests import FEW_VALUES, answered, check_name, check_values, give_way, parsed
from featurectl.serving.version_rows import VersionRows, score_parts, split_rows

if TYPE_CHECKING:
    from featurectl.serving.app import Server


_ROWS_AT_ONCE: Final = 50


async def predict(request: Request) -> Response:
    """Answer what a model says of some rows."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, PREDICT)
    if len(body.rows) > server.settings.max_rows:
        raise Refused(400, f"rows: {len(body.rows):,} rows; 1 to {server.settings.max_rows:,} are allowed")
    name = check_name(request.path_params["model"])
    version = None if body.version is msgspec.UNSET else str(body.version)
    parts = await split_rows(server, name, version, body.rows)
    echoed = tuple(dict.fromkeys(body.returned))
    inputs = max(len(part.model.reader.names) for part in parts)
    values = check_values(len(body.rows), inputs * (1 + len(echoed)), server.settings.max_values)
    async with server.turns.wait(values):
        scored = await score_parts(server, parts, body.rows, body.time, begin)
        rows = await _rows(server, parts, scored, echoed)
        one = None if len(parts) > 1 else scored[0].model.version.version
        answer: dict[str, object] = {"model": name, "version": one, "rows": rows}
        warnings = [text for found in scored for text in found.warnings]
        answer |= {"warnings": warnings} if warnings else {}
        answer["timestamp"] = scored[0].found.now
        return answered(answer | server.signature(begin))


async def _rows(
    server: Server, parts: Sequence[VersionRows], scored: Sequence[ScoredRequest], echoed: Sequence[Echo]
) -> list[dict[str, object]]:
    """Return the rows of an answer in the order of the request, and have them logged."""
    count = sum(len(part.places) for part in parts)
    rows: list[dict[str, object]] = [{}] * count
    many = count * len(scored[0].inputs) * (1 + len(echoed)) > FEW_VALUES
    for part, found in zip(parts, scored, strict=True):
        version = {"version": found.model.version.version} if len(parts) > 1 else {}
        for row, place in enumerate(part.places):
            rows[place] = _row(found, row, echoed) | version
            if many and row % _ROWS_AT_ONCE == 0:
                await give_way()
        server.log(found)
    return rows


def _row(scored: ScoredRequest, row: int, echoed: Sequence[Echo]) -> dict[str, object]:
    told: dict[str, object] = {"score": scored.scores[row]}
    for name in echoed:
        if name == "features":
            told[name] = {key: values[row] for key, values in scored.inputs.items()}
        else:
            told[name] = statuses_of(scored.found, row)
    return told
