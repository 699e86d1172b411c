"""Scores of rows: features, request columns and the model."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from featurectl.core.errors import DataError
from featurectl.core.units import counted
from featurectl.online.features import FeatureColumns, KeyRows
from featurectl.serving.bodies import Scalar
from featurectl.serving.canary import CanaryAssignment, oldest_ages
from featurectl.serving.missing import judge
from featurectl.serving.problems import Refused, StoreFailed, refusal
from featurectl.serving.served_project import ServedModel

if TYPE_CHECKING:
    from featurectl.serving.app import Server

_INLINE_ROWS: Final = 64  # more are scored beside the event loop
_QUICK: Final = ("onnx", "txt")  # formats that score a row in microseconds; others may take as long as they like

Reason = Literal["failed", "store", "refused"]  # by whose fault rows have no score: the model's, the store's, their own


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRequest:
    """Rows to be scored as of an instant, of a request that began at `begin`.

    `seat` is their part in a canary. `thread` is where they are scored; without one it is chosen by what it takes.
    """

    rows: Sequence[Mapping[str, Scalar]]
    at: datetime | None
    begin: float
    seat: CanaryAssignment | None = None
    thread: Executor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRequest:
    """Rows with their scores: what was given, what was read, all inputs of the model, and warnings by row.

    `latency_ms` is from the beginning of the request to the scores; `ages_us`, of rows of a canary, are `oldest_ages`.
    """

    model: ServedModel
    given: Mapping[str, Sequence[object]]
    found: FeatureColumns
    inputs: Mapping[str, Sequence[object]]
    scores: Sequence[float]
    warnings: Sequence[str]
    latency_ms: float
    seat: CanaryAssignment | None = None
    ages_us: Sequence[int | None] = ()


async def score_rows(server: Server, model: ServedModel, asked: PredictionRequest) -> ScoredRequest:
    """Return rows with their scores.

    Raises:
        Refused: 400 a row lacks a column or a value does not fit, 422 the model's `missing:` refuses it, 503.
    """
    given = columns_of(asked.rows, model.reader.columns)
    rows = KeyRows(
        keys=given, count=len(asked.rows), now=server.features.now(asked.at), latest=server.features.latest(asked.at)
    )
    try:
        scored = await _score(server, model, asked, rows)
    except Refused as refused:
        server.log_failure(model, asked, given, refused.detail, _reason(refused))
        raise
    server.metrics.predictions.labels(model.version.model, str(model.version.version)).inc(rows.count)
    return scored


def _reason(refused: Refused) -> Reason:
    return "failed" if refused.fault else "store" if isinstance(refused, StoreFailed) else "refused"


async def _score(server: Server, model: ServedModel, asked: PredictionRequest, rows: KeyRows) -> ScoredRequest:
    given, count = rows.keys, rows.count
    found = await server.features.read(model.reader.features, rows)
    warnings = judge(server, model, found)
    try:
        inputs = model.reader.complete(found, given)
    except DataError as error:
        raise refusal(error) from error
    if asked.thread is None and count <= _INLINE_ROWS and model.runtime.format in _QUICK:
        scores = _scores(model, inputs, count)
    else:
        try:
            scores = await asyncio.get_running_loop().run_in_executor(asked.thread, _scores, model, inputs, count)
        except asyncio.CancelledError:  # the time of the request is over
            server.log_failure(model, asked, given, f"{model.label} gave no score in time", "failed")
            raise
    return ScoredRequest(
        model=model,
        given=given,
        found=found,
        inputs=inputs,
        scores=scores,
        warnings=warnings,
        latency_ms=(time.perf_counter() - asked.begin) * 1e3,
        seat=asked.seat,
        ages_us=oldest_ages(found, server.features.pushes) if asked.seat else (),
    )


def _scores(model: ServedModel, inputs: Mapping[str, Sequence[object]], count: int) -> list[float]:
    """Return the score of each row.

    Raises:
        Refused: 422, the model has none for a row, as many have not for one with a null.
    """
    try:
        scores: list[float] = model.runtime.predict(model.runtime.encoder.encode(inputs, count)).tolist()
    except Exception as error:
        raise Refused(422, f"{model.label} has no score for these rows: {error}", fault=True) from error
    without = [row for row, score in enumerate(scores) if not math.isfinite(score)]
    if without:
        rejected = [{"row": row, "reason": "no_score"} for row in without]
        told = f"{model.label} has no score for {counted(len(without), 'row')}: is an input null?"
        raise Refused(422, told, fault=True, rejected=rejected)
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
