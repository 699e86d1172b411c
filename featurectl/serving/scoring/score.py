"""Scores of rows: features, request columns and the model."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from featurectl.core.errors import DataError
from featurectl.core.nearest import nearest
from featurectl.core.units import counted
from featurectl.models.reasons import reason_of
from featurectl.online.client.feature_columns import KeyRows
from featurectl.serving.context import ServerContext
from featurectl.serving.http.bodies import Scalar
from featurectl.serving.http.problems import Refused, StoreFailed, refusal
from featurectl.serving.log.records import FailedRequest, Reason, ScoredRequest
from featurectl.serving.project.canary import CanaryAssignment, oldest_ages
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.scoring.missing import missing_warnings

_INLINE_ROWS: Final = 64  # more are scored beside the event loop
_QUICK: Final = ("onnx", "txt")  # formats that score a row in microseconds; others may take as long as they like


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """Rows to be scored as of an instant, of a request that began at `begin`.

    `latest` is that of the request which is scored once more, None of one that comes from outside. `assignment` is
    their part in a canary. `thread` is where they are scored; without one it is chosen by what it takes.
    """

    rows: Sequence[Mapping[str, Scalar]]
    at: datetime | None
    begin: float
    latest: datetime | None = None
    assignment: CanaryAssignment | None = None
    thread: Executor | None = None


async def score_rows(context: ServerContext, model: ServedModel, request: PredictionRequest) -> ScoredRequest:
    """Return rows with their scores.

    Raises:
        Refused: 400 a row lacks a column or a value does not fit, 422 the model's `missing:` refuses it, 503.
    """
    given, features = columns_of(request.rows, model.reader.columns), context.features
    latest = request.latest or features.latest(request.at)
    rows = KeyRows(keys=given, count=len(request.rows), now=features.now(request.at), latest=latest)
    try:
        scored = await _score(context, model, request, rows)
    except Refused as refused:
        context.log_failure(failed_request(context, model, request, given, refused))
        raise
    context.metrics.count_scores(model.version.model, model.version.version, rows.count)
    return scored


def failed_request(
    context: ServerContext,
    model: ServedModel,
    request: PredictionRequest,
    given: Mapping[str, Sequence[object]],
    refused: Refused,
) -> FailedRequest:
    """Return what is logged of rows that could not be scored."""
    return FailedRequest(
        model=model,
        given=given,
        count=len(request.rows),
        now=context.features.now(request.at),
        error=refused.detail,
        reason=_reason(refused),
        latency_ms=(time.perf_counter() - request.begin) * 1e3,
        assignment=request.assignment,
    )


def _reason(refused: Refused) -> Reason:
    return "failed" if refused.fault else "store" if isinstance(refused, StoreFailed) else "refused"


async def _score(
    context: ServerContext, model: ServedModel, request: PredictionRequest, rows: KeyRows
) -> ScoredRequest:
    given, count = rows.keys, rows.count
    found = await context.features.read(model.reader.features, rows)
    warnings = missing_warnings(context, model, found)
    try:
        inputs = model.reader.complete(found, given)
    except DataError as error:
        raise refusal(error) from error
    if request.thread is None and count <= _INLINE_ROWS and model.runtime.format in _QUICK:
        scores = _scores(model, inputs, count)
    else:
        try:
            scores = await asyncio.get_running_loop().run_in_executor(request.thread, _scores, model, inputs, count)
        except asyncio.CancelledError:  # the time of the request is over
            late = Refused(503, f"{model.label} gave no score in time", fault=True)
            context.log_failure(failed_request(context, model, request, given, late))
            raise
    return ScoredRequest(
        model=model,
        given=given,
        found=found,
        inputs=inputs,
        scores=scores,
        warnings=warnings,
        latency_ms=(time.perf_counter() - request.begin) * 1e3,
        assignment=request.assignment,
        ages_us=oldest_ages(found, context.features.pushes) if request.assignment else (),
    )


def _scores(model: ServedModel, inputs: Mapping[str, Sequence[object]], count: int) -> list[float]:
    """Return the score of each row.

    Raises:
        Refused: 422, the model has none for a row, as many have not for one with a null.
    """
    try:
        scores = model.scores(inputs, count)
    except Exception as error:
        raise Refused(422, f"{model.label} has no score for these rows: {reason_of(error)}", fault=True) from error
    without = [row for row, score in enumerate(scores) if not math.isfinite(score)]
    if without:
        rejected = [{"row": row, "reason": "no_score"} for row in without]
        message = f"{model.label} has no score for {counted(len(without), 'row')}: is an input null?"
        raise Refused(422, message, fault=True, rejected=rejected)
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
        message = f"rows: {len(lacking):,} of {len(rows):,} have no {name!r}, first row {lacking[0] + 1:,}"
        hint = "every row has " + ", ".join(names)
        if near := nearest(name, [given for given in rows[lacking[0]] if given not in names]):
            hint = f'did you mean "{name}" by "{near}"? {hint}'
        raise Refused(400, message, code="FC506", hint=hint) from error
