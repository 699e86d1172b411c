"""`POST /v1/predict/{model}`: features, request columns and the model, a score a row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.errors import DataError
from featurectl.online.features import FeatureColumns, KeyRows
from featurectl.serving.bodies import PREDICT, PredictBody, Scalar
from featurectl.serving.features import statuses_of
from featurectl.serving.missing import judge
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.requests import answered, parsed
from featurectl.serving.served import ServedModel

if TYPE_CHECKING:
    from featurectl.serving.app import Server

_INLINE_ROWS: Final = 64  # more are scored beside the event loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Rows with their scores: what was given, what was read, all inputs of the model, and warnings by row."""

    model: ServedModel
    given: Mapping[str, Sequence[object]]
    found: FeatureColumns
    inputs: Mapping[str, Sequence[object]]
    scores: Sequence[float]
    warnings: Sequence[str]


async def predict(request: Request) -> Response:
    """Answer what a model says of some rows."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, PREDICT)
    if len(body.rows) > server.settings.max_rows:
        raise Refused(400, f"rows: {len(body.rows):,} rows; 1 to {server.settings.max_rows:,} are allowed")
    model = await server.model(request.path_params["model"], str(body.version))
    scored = await score_rows(server, model, body.rows, body.time)
    answer: dict[str, object] = {"model": model.version.model, "version": model.version.version}
    answer["rows"] = [_row(scored, row, body) for row in range(len(body.rows))]
    answer |= {"warnings": scored.warnings} if scored.warnings else {}
    answer["timestamp"] = scored.found.now
    server.log(scored, begin)
    return answered(answer | server.signature(begin))


async def score_rows(
    server: Server, model: ServedModel, rows: Sequence[Mapping[str, Scalar]], at: datetime | None
) -> Scored:
    """Return rows with their scores.

    Raises:
        Refused: 400 a row lacks a column or a value does not fit, 422 the model's `missing:` refuses it, 503.
    """
    given = columns_of(rows, model.reader.columns)
    asked = KeyRows(keys=given, count=len(rows), now=server.features.now(at))
    try:
        scored = await _score(server, model, asked)
    except Refused as refused:
        server.log_failure(model, asked, refused)
        raise
    server.metrics.predictions.labels(model.version.model, str(model.version.version)).inc(len(rows))
    return scored


async def _score(server: Server, model: ServedModel, asked: KeyRows) -> Scored:
    given, count = asked.keys, asked.count
    found = await server.features.read(model.reader.features, asked)
    warnings = judge(server, model, found)
    try:
        inputs = model.reader.complete(found, given)
    except DataError as error:
        raise refusal(error) from error
    if count <= _INLINE_ROWS:
        scores = _scores(model, inputs, count)
    else:
        scores = await asyncio.to_thread(_scores, model, inputs, count)
    return Scored(model=model, given=given, found=found, inputs=inputs, scores=scores, warnings=warnings)


def _scores(model: ServedModel, inputs: Mapping[str, Sequence[object]], count: int) -> list[float]:
    """Return the score of each row.

    Raises:
        Refused: 422, the model has none for a row, as many have not for one with a null.
    """
    try:
        scores: list[float] = model.runtime.predict(model.runtime.encoder.encode(inputs, count)).tolist()
    except ValueError as error:
        raise Refused(422, f"{model.label} has no score for these rows: {error}") from error
    without = [row for row, score in enumerate(scores) if score != score]  # noqa: PLR0124 (NaN)
    if without:
        rejected = [{"row": row, "reason": "no_score"} for row in without]
        raise Refused(422, f"{model.label} has no score for row {without[0]}: is an input null?", rejected=rejected)
    return scores


def columns_of(rows: Sequence[Mapping[str, Scalar]], names: Sequence[str]) -> dict[str, list[Scalar]]:
    """Return some columns of rows; other columns of theirs are left alone.

    Raises:
        Refused: 400, a row lacks one.
    """
    try:
        return {name: [row[name] for row in rows] for name in names}
    except KeyError as error:
        name = str(error.args[0])
        lacking = [i for i, row in enumerate(rows) if name not in row]
        told = f"rows: {len(lacking):,} of {len(rows):,} have no {name!r}, first row {lacking[0]}"
        raise Refused(400, told, code="FC506", hint="every row has " + ", ".join(names)) from error


def _row(scored: Scored, row: int, body: PredictBody) -> dict[str, object]:
    told: dict[str, object] = {"score": scored.scores[row]}
    for name in body.returned:
        if name == "features":
            told[name] = {key: values[row] for key, values in scored.inputs.items()}
        else:
            told[name] = statuses_of(scored.found, row)
    return told
