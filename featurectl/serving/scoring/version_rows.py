"""The rows of a request over the versions that answer them: all to one, or some to a canary's challenger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from featurectl.core.errors import DataError
from featurectl.online.client.coerce import typed_column
from featurectl.registry.state import CHAMPION
from featurectl.serving.context import ServerContext
from featurectl.serving.http.bodies import Scalar
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.log.records import ScoredRequest
from featurectl.serving.project.canary import ServedCanary
from featurectl.serving.scoring.answering_versions import VersionRows, canary_rows
from featurectl.serving.scoring.score import PredictionRequest, columns_of, failed_request, score_rows
from featurectl.serving.shadow_queue import ShadowRequest

RequestRows = Sequence[Mapping[str, Scalar]]


async def split_rows(context: ServerContext, name: str, version: str | None, rows: RequestRows) -> list[VersionRows]:
    """Return which version answers which rows; a request that names a version gets that one.

    Raises:
        Refused: 404 there is no such model or version, 503 it can't be loaded.
    """
    canary = context.project.canaries.get(name) if version is None else None
    if canary is None:
        return [VersionRows(model=await context.model(name, version or CHAMPION), places=range(len(rows)))]
    return canary_rows(canary, rows)


async def score_parts(
    context: ServerContext, parts: Sequence[VersionRows], rows: RequestRows, at: datetime | None, begin: float
) -> list[ScoredRequest]:
    """Return the scores of each part; what of them fails is the answer to all.

    In shadow mode the challenger scores them afterwards, beside the answer.

    Raises:
        Refused: as `score_rows`; it names rows by their places in the request.
    """
    if len(parts) == 1:
        scored = [await _score_part(context, parts[0], rows, at, begin)]
    else:
        scored = await _score_several(context, parts, rows, at, begin)
    canary = parts[0].canary
    if canary is not None and canary.run.percent == 0:
        assert parts[0].assignment is not None
        entities, found = parts[0].assignment.entities, scored[0].found
        again = ShadowRequest(canary=canary, rows=rows, entities=entities, at=found.now, latest=found.latest)
        if not context.shadow.offer(again):
            context.metrics.canary.labels(canary.run.model, str(canary.run.challenger), "shadow", "dropped").inc()
    return scored


async def _score_several(
    context: ServerContext, parts: Sequence[VersionRows], rows: RequestRows, at: datetime | None, begin: float
) -> list[ScoredRequest]:
    """Return the scores of each part; they are waited for together, so that each is logged as it came out."""
    waited = [_score_part(context, part, rows, at, begin) for part in parts]
    scored = []
    for part, found in zip(parts, await asyncio.gather(*waited, return_exceptions=True), strict=True):
        if isinstance(found, Refused):
            raise _of_request(found, part, rows)
        if isinstance(found, BaseException):
            raise found
        scored.append(found)
    return scored


async def _score_part(
    context: ServerContext, part: VersionRows, rows: RequestRows, at: datetime | None, begin: float
) -> ScoredRequest:
    request = PredictionRequest(
        rows=[rows[place] for place in part.places], at=at, begin=begin, assignment=part.assignment
    )
    try:
        return await score_rows(context, part.model, request)
    except Refused as refused:
        if part.canary is not None and part.assignment is not None and part.assignment.role != "champion":
            report_lacking(context, part.canary, request, refused)
        raise


def report_lacking(context: ServerContext, canary: ServedCanary, request: PredictionRequest, refused: Refused) -> None:
    """Log that rows lack a column that only the challenger asks for: the champion would have answered them."""
    lacking = [name for name in canary.only_challenger if any(name not in row for row in request.rows)]
    if lacking and refused.code == "FC506":
        given = {name: [row.get(name) for row in request.rows] for name in canary.challenger.reader.columns}
        failed = failed_request(context, canary.challenger, request, given, refused)
        context.log_failure(replace(failed, reason="failed"))


def _of_request(refused: Refused, part: VersionRows, rows: RequestRows) -> Refused:
    """Return a refusal that names rows by their places in the request, not among those of its part."""
    if refused.status == 400:  # what is wrong with the rows: all of them are looked at anew
        try:
            given = columns_of(rows, part.model.reader.columns)
            part.model.reader.features.asks(given, len(rows))
            for name, dtype in part.model.reader.request.items():
                typed_column(given[name], dtype, name)
        except DataError as error:
            return refusal(error)
        except Refused as error:
            return error
    rejected = refused.more.get("rejected")
    if isinstance(rejected, list):
        moved = [item | {"row": part.places[item["row"]]} if "row" in item else item for item in rejected]
        refused.more["rejected"] = moved
    return refused
