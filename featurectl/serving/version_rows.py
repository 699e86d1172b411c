"""The rows of a request over the versions that answer them: all to one, or some to a canary's challenger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.errors import DataError
from featurectl.online.coerce import typed_column
from featurectl.serving.bodies import Scalar
from featurectl.serving.canary import CanaryAssignment, Role, ServedCanary
from featurectl.serving.predict import PredictionRequest, ScoredRequest, columns_of, score_rows
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.served_project import ServedModel

if TYPE_CHECKING:
    from featurectl.serving.app import Server

Rows = Sequence[Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRows:
    """Rows of a request, by their places in it, that one version answers. `canary` is the one that they are part of."""

    model: ServedModel
    places: Sequence[int]
    canary: ServedCanary | None = None
    seat: CanaryAssignment | None = None


async def split_rows(server: Server, name: str, version: str | None, rows: Rows) -> list[VersionRows]:
    """Return which version answers which rows; a request that names a version gets that one.

    Raises:
        Refused: 404 there is no such model or version, 503 it can't be loaded.
    """
    canary = server.served.canaries.get(name) if version is None else None
    if canary is None:
        return [VersionRows(model=await server.model(name, version or "champion"), places=range(len(rows)))]
    entities = [canary.entity(row) for row in rows]
    taken = [canary.takes(entity) for entity in entities]
    sides: tuple[tuple[Role, bool], ...] = (("champion", False), ("challenger", True))
    return [
        part
        for role, side in sides
        if (part := _part(canary, role, [i for i, found in enumerate(taken) if found is side], entities)).places
    ]


def _part(canary: ServedCanary, role: Role, places: Sequence[int], entities: Sequence[int]) -> VersionRows:
    seat = CanaryAssignment(canary=canary.run.number, role=role, entities=[entities[place] for place in places])
    model = canary.champion if role == "champion" else canary.challenger
    return VersionRows(model=model, places=places, canary=canary, seat=seat)


async def score_parts(
    server: Server, parts: Sequence[VersionRows], rows: Rows, at: datetime | None, begin: float
) -> list[ScoredRequest]:
    """Return the scores of each part; what of them fails is the answer to all.

    In shadow mode the challenger is asked afterwards, beside the answer.

    Raises:
        Refused: as `score_rows`; it tells of rows by their places in the request.
    """
    if len(parts) == 1:
        scored = [await _score_part(server, parts[0], rows, at, begin)]
    else:
        scored = await _score_several(server, parts, rows, at, begin)
    canary = parts[0].canary
    if canary is not None and canary.run.percent == 0:
        assert parts[0].seat is not None
        server.shadow.offer(canary, rows, parts[0].seat.entities, scored[0].found.now)
    return scored


async def _score_several(
    server: Server, parts: Sequence[VersionRows], rows: Rows, at: datetime | None, begin: float
) -> list[ScoredRequest]:
    """Return the scores of each part; they are waited for together, so that each is logged as it came out."""
    waited = [_score_part(server, part, rows, at, begin) for part in parts]
    scored = []
    for part, found in zip(parts, await asyncio.gather(*waited, return_exceptions=True), strict=True):
        if isinstance(found, Refused):
            raise _of_request(found, part, rows)
        if isinstance(found, BaseException):
            raise found
        scored.append(found)
    return scored


async def _score_part(
    server: Server, part: VersionRows, rows: Rows, at: datetime | None, begin: float
) -> ScoredRequest:
    asked = PredictionRequest(rows=[rows[place] for place in part.places], at=at, begin=begin, seat=part.seat)
    try:
        return await score_rows(server, part.model, asked)
    except Refused as refused:
        if part.canary is not None and part.seat is not None and part.seat.role != "champion":
            report_lacking(server, part.canary, asked, refused)
        raise


def report_lacking(server: Server, canary: ServedCanary, asked: PredictionRequest, refused: Refused) -> None:
    """Log that rows lack a column that only the challenger asks for: the champion would have answered them."""
    lacking = [name for name in canary.only_challenger if any(name not in row for row in asked.rows)]
    if lacking and refused.code == "FC506":
        given = {name: [row.get(name) for row in asked.rows] for name in canary.challenger.reader.columns}
        server.log_failure(canary.challenger, asked, given, refused.detail, "failed")


def _of_request(refused: Refused, part: VersionRows, rows: Rows) -> Refused:
    """Return a refusal that tells of rows by their places in the request, not among those of its part."""
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
    told = refused.more.get("rejected")
    if isinstance(told, list):
        moved = [item | {"row": part.places[item["row"]]} if "row" in item else item for item in told]
        refused.more["rejected"] = moved
    return refused
