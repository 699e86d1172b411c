"""`POST /v1/features`: columns of values, a status beside each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.errors import FeaturectlError
from featurectl.online.columns import instant_of
from featurectl.online.features import FeatureColumn, FeatureColumns, FeatureReader, KeyRows
from featurectl.serving.bodies import FEATURES, FeaturesBody
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.requests import answered, parsed
from featurectl.units import instant_us

if TYPE_CHECKING:
    from featurectl.serving.app import Server


async def read_features(request: Request) -> Response:
    """Answer what the features of some entities are."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, FEATURES)
    count = row_count(body.entities, server.settings.max_rows)
    model, reader = await _reader(server, body)
    rows = KeyRows(
        keys=body.entities, count=count, now=server.features.now(body.time), latest=server.features.latest(body.time)
    )
    found = await server.features.read(reader, rows)
    answer: dict[str, object] = {} if model is None else {"model": model[0], "version": model[1]}
    stale = server.stale_views(reader, rows.now)
    answer["features"] = {name: shown(column, rows.now, body, stale) for name, column in found.columns.items()}
    answer |= {"timestamp": rows.now, "view_versions": reader.versions}
    return answered(answer | server.signature(begin))


def row_count(columns: Mapping[str, Sequence[object]], most: int) -> int:
    """Return how many rows some columns have; without columns it is one.

    Raises:
        Refused: they differ in length, or there are too many rows or none.
    """
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise Refused(400, f"entities: the columns have different lengths: {told}")
    count = next(iter(counts.values()), 1)
    if not 0 < count <= most:
        raise Refused(400, f"entities: {count:,} rows; 1 to {most:,} are allowed")
    return count


async def _reader(server: Server, body: FeaturesBody) -> tuple[tuple[str, int] | None, FeatureReader]:
    """Return the model that was asked for, if one was, and what reads the features."""
    if (body.model is None) == (body.features is None):
        raise Refused(400, "give `model` or `features`, one of them")
    if body.model is not None:
        which = "champion" if body.version is msgspec.UNSET else str(body.version)
        model = await server.model(body.model, which)
        return (model.version.model, model.version.version), model.reader.features
    if body.version is not msgspec.UNSET:
        told = "version: it is that of a model, and `features` are of the newest pushed versions of their views"
        raise Refused(400, told, hint="leave it out, or give `model` instead of `features`")
    features = body.features or []
    wrong = [text for text in features if not all(text.partition(":"))]
    if wrong:
        raise Refused(400, f"features: {wrong[0]!r} is not view:feature", hint="write view:feature, or view:*")
    try:
        return None, server.served.catalog.reader(features)
    except FeaturectlError as error:
        raise refusal(error) from error


def shown(column: FeatureColumn, now: datetime, body: FeaturesBody, stale: frozenset[str]) -> dict[str, object]:
    """Return a feature as it is told: values and statuses always, the rest on request."""
    told: dict[str, object] = {"values": column.values, "status": column.statuses}
    if any(column.defaulted):
        told["defaulted"] = column.defaulted
    if column.source.field in stale:
        told["stale"] = True
    for name in body.returned:
        if name == "version":
            told[name] = column.source.online.version
        elif name == "event_time":
            told[name] = [instant_of(us) for us in column.event_us]
        elif name == "computed_at":
            told[name] = [instant_of(us) for us in column.computed_us]
        else:
            read = instant_us(now)
            told["age_seconds"] = [None if us is None else (read - us) / 1e6 for us in column.event_us]
    return told


def statuses_of(found: FeatureColumns, row: int) -> dict[str, str]:
    """Return the status of every feature of a row."""
    return {name: column.statuses[row] for name, column in found.columns.items()}
