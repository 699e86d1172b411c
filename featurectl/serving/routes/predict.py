"""`POST /v1/predict/{model}`: a score a row, and by which version where they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.http.bodies import PREDICT, Echo, PredictBody
from featurectl.serving.http.problems import Refused
from featurectl.serving.http.requests import (
    FEW_VALUES,
    answered,
    checked_name,
    content_of,
    count_values,
    give_way,
    parsed,
)
from featurectl.serving.log.records import ScoredRequest
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.features import statuses_of
from featurectl.serving.routes.schemas import NUMBER, REMARKS, SIGNED, TEXT, Schema, body_schema, object_of, post
from featurectl.serving.scoring.answering_versions import VersionRows
from featurectl.serving.scoring.missing import remarks_of
from featurectl.serving.scoring.version_rows import score_parts, split_rows
from featurectl.serving.settings import ServeSettings

_ROWS_AT_ONCE: Final = 50


async def answer_predict(context: ServerContext, request: Request) -> Response:
    """Answer what a model says of some rows."""
    begin = time.perf_counter()
    body = parsed(await content_of(request), PREDICT)
    if len(body.rows) > context.settings.max_rows:
        raise Refused(400, f"rows: {len(body.rows):,} rows; 1 to {context.settings.max_rows:,} are allowed")
    name = checked_name(request.path_params["model"], "version")
    version = None if body.version is msgspec.UNSET else str(body.version)
    parts = await split_rows(context, name, version, body.rows)
    echoed = tuple(dict.fromkeys(body.returned))
    inputs = max(len(part.model.reader.names) for part in parts)
    values = count_values(len(body.rows), inputs * (1 + len(echoed)), context.settings.max_values)
    asked = _AskedRows(body=body, name=name, echoed=echoed)
    if values <= FEW_VALUES:
        return await _answer(context, parts, asked, begin)
    async with context.turns.wait():
        return await _answer(context, parts, asked, begin)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedRows:
    """Rows that were asked about, of which model, and what is returned of each beside its score."""

    body: PredictBody
    name: str
    echoed: Sequence[Echo]


async def _answer(context: ServerContext, parts: Sequence[VersionRows], asked: _AskedRows, begin: float) -> Response:
    """Answer the scores of some rows."""
    scored = await score_parts(context, parts, asked.body.rows, asked.body.time, begin)
    rows = await _rows(context, parts, scored, asked.echoed)
    one = None if len(parts) > 1 else scored[0].model.version.version
    answer: dict[str, object] = {"model": asked.name, "version": one, "rows": rows}
    answer |= remarks_of(scored, [part.places for part in parts])
    answer["timestamp"] = scored[0].found.now
    return answered(answer | context.signature(begin))


async def _rows(
    context: ServerContext, parts: Sequence[VersionRows], scored: Sequence[ScoredRequest], echoed: Sequence[Echo]
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
        context.log(found)
    return rows


def _row(scored: ScoredRequest, row: int, echoed: Sequence[Echo]) -> dict[str, object]:
    document: dict[str, object] = {"score": scored.scores[row]}
    for name in echoed:
        if name == "features":
            document[name] = {key: values[row] for key, values in scored.inputs.items()}
        else:
            document[name] = statuses_of(scored.found, row)
    return document


def _schemas(settings: ServeSettings) -> Schema:
    schema = body_schema(PredictBody, settings)
    schema["properties"]["rows"]["maxItems"] = settings.max_rows
    return {"PredictBody": schema}


def _answer_schema() -> Schema:
    row = object_of(score=NUMBER)
    row["properties"]["version"] = {"type": "integer", "description": "While a canary runs, where rows differ in it."}
    version = {"type": ["integer", "null"], "description": "null where the rows differ in it."}
    schema = object_of(model=TEXT, version=version, rows={"type": "array", "items": row}, **SIGNED)
    schema["properties"] |= REMARKS
    return schema


ROUTE: Final = HttpRoute(
    path="/v1/predict/{model}",
    method="POST",
    answer=answer_predict,
    operation=post("Scores of rows", "PredictBody", _answer_schema(), (404, 422))
    | {"parameters": [{"name": "model", "in": "path", "required": True, "schema": TEXT}]},
    schemas=_schemas,
)
