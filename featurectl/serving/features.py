"""`POST /v1/features`: columns of values, a status beside each."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import instant_us
from featurectl.online.columns import instant_of
from featurectl.online.features import FeatureColumn, FeatureColumns, FeatureReader, KeyRows
from featurectl.serving.bodies import FEATURES, About, FeaturesBody
from featurectl.serving.problems import Refused, refusal
from featurectl.serving.requests import FEW_VALUES, answered, check_values, give_way, parsed

if TYPE_CHECKING:
    from featurectl.serving.app import Server


async def read_features(request: Request) -> Response:
    """Answer what the features of some entities are."""
    server: Server = request.app.state.server
    begin = time.perf_counter()
    body = await parsed(request, FEATURES)
    count = row_count(body.entities, server.settings.max_rows)
    model, reader = await _reader(server, body)
    about = tuple(dict.fromkeys(body.returned))
    values = check_values(count, len(reader.names) * (1 + len(about)), server.settings.max_values)
    rows = KeyRows(
        keys=body.entities, count=count, now=server.features.now(body.time), latest=server.features.latest(body.time)
    )
    async with server.turns.wait(values):
        return await _answer(server, rows, (model, reader), about, values, begin)


async def _answer(  # noqa: PLR0913, PLR0917
    server: Server,
    rows: KeyRows,
    of: tuple[tuple[str, int] | None, FeatureReader],
    about: Sequence[About],
    values: int,
    begin: float,
) -> Response:
    """Return the features of some rows, as they are told: so many values, and `about` them what was asked for."""
    model, reader = of
    found = await server.features.read(reader, rows)
    answer: dict[str, object] = {} if model is None else {"model": model[0], "version": model[1]}
    stale = server.stale_views(reader, rows.now)
    tell, told = _Told(rows.now, about, stale), dict[str, object]()
    for name, column in found.columns.items():
        told[name] = tell(column)
        if values > FEW_VALUES:
            await give_way()
    answer["features"] = told
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
    features = list(dict.fromkeys(body.features or []))
    wrong = [text for text in features if not all(text.partition(":"))]
    if wrong:
        raise Refused(400, f"features: {wrong[0]!r} is not view:feature", hint="write view:feature, or view:*")
    try:
        return None, server.served.catalog.reader(features)
    except FeaturectlError as error:
        raise refusal(error) from error


class _Told:
    """Tells features as of an instant: values and statuses always, `about` them what was asked for.

    Instants are those of a view's rows, and columns of one view share them: they are made once.
    """

    def __init__(self, now: datetime, about: Sequence[About], stale: frozenset[str]) -> None:
        self._now_us = instant_us(now)
        self._about = about
        self._stale = stale
        self._known: dict[tuple[int, str], Sequence[object]] = {}

    def __call__(self, column: FeatureColumn) -> dict[str, object]:
        """Return a feature as it is told."""
        values, statuses = finite_values(column)
        told: dict[str, object] = {"values": values, "status": statuses}
        if any(column.defaulted):
            told["defaulted"] = column.defaulted
        if column.source.field in self._stale:
            told["stale"] = True
        for name in self._about:
            if name == "version":
                told[name] = column.source.online.version
            elif name == "age":
                told["age_seconds"] = self._instants(column.event_us, name)
            else:
                told[name] = self._instants(column.event_us if name == "event_time" else column.computed_us, name)
        return told

    def _instants(self, of: Sequence[int | None], name: About) -> Sequence[object]:
        """Return instants, or how long ago they were in seconds."""
        if (id(of), name) not in self._known:
            self._known[id(of), name] = (
                [None if us is None else (self._now_us - us) / 1e6 for us in of]
                if name == "age"
                else [instant_of(us) for us in of]
            )
        return self._known[id(of), name]


def finite_values(column: FeatureColumn) -> tuple[Sequence[object], Sequence[str]]:
    """Return values as JSON can tell them, with their statuses: what is no finite number is null, and `NULL`."""
    if not any(type(value) is float and not math.isfinite(value) for value in column.values):
        return column.values, column.statuses
    gone = [isinstance(value, float) and not math.isfinite(value) for value in column.values]
    values = [None if missing else value for missing, value in zip(gone, column.values, strict=True)]
    statuses = ["NULL" if missing else status for missing, status in zip(gone, column.statuses, strict=True)]
    return values, statuses


def statuses_of(found: FeatureColumns, row: int) -> dict[str, str]:
    """Return the status of every feature of a row."""
    return {name: column.statuses[row] for name, column in found.columns.items()}
