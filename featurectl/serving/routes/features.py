"""`POST /v1/features`: columns of values, a status beside each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from featurectl.core.errors import FeaturectlError
from featurectl.core.units import instant_us
from featurectl.online.client.feature_columns import FeatureColumn, FeatureColumns, KeyRows
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.decode.columns import instant_of
from featurectl.registry.state import CHAMPION
from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import stale_features
from featurectl.serving.http.bodies import FEATURES, FeaturesBody, MetadataKey
from featurectl.serving.http.problems import Refused, refusal
from featurectl.serving.http.requests import FEW_VALUES, answered, content_of, count_values, give_way, parsed
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import ANY, NULL, SIGNED, STATUS, TEXT, Schema, body_schema, object_of, post
from featurectl.serving.scoring.missing import later_warnings
from featurectl.serving.settings import ServeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedFeatures:
    """What reads the features that were asked for, and `about` them what is answered beside values and statuses.

    `model` is the name and version of the model whose features they are, if it was named.
    """

    reader: FeatureReader
    about: Sequence[MetadataKey]
    model: tuple[str, int] | None = None


async def answer_features(context: ServerContext, request: Request) -> Response:
    """Answer what the features of some entities are."""
    begin, settings = time.perf_counter(), context.settings
    body = parsed(await content_of(request), FEATURES)
    count = row_count(body.entities, settings.max_rows)
    requested = await _requested(context, body)
    values = count_values(count, len(requested.reader.names) * (1 + len(requested.about)), settings.max_values)
    rows = KeyRows(
        keys=body.entities, count=count, now=context.features.now(body.time), latest=context.features.latest(body.time)
    )
    if values <= FEW_VALUES:
        return await _answer(context, rows, requested, begin, is_large=False)
    async with context.turns.wait():
        return await _answer(context, rows, requested, begin, is_large=True)


async def _answer(
    context: ServerContext, rows: KeyRows, requested: RequestedFeatures, begin: float, *, is_large: bool
) -> Response:
    """Answer the features of some rows."""
    reader, model = requested.reader, requested.model
    found = await context.features.read(reader, rows)
    answer: dict[str, object] = {} if model is None else {"model": model[0], "version": model[1]}
    stale = stale_features(context.features.pushes, reader, rows.now)
    is_plain = found.is_present and not stale and not requested.about and not is_large
    features = present_documents(found) if is_plain else None
    if features is None:
        document_of, features = _FeatureDocuments(rows.now, requested.about, stale), {}
        for name, column in found.columns.items():
            features[name] = document_of(name, column)
            if is_large:
                await give_way()
    answer["features"] = features
    if warnings := [*reader.old_names, *later_warnings(found)]:
        answer["warnings"] = warnings
    answer["timestamp"] = rows.now
    answer["view_versions"] = reader.versions
    return answered(answer | context.signature(begin))


def row_count(columns: Mapping[str, Sequence[object]], most: int) -> int:
    """Return how many rows some columns have; without columns it is one.

    Raises:
        Refused: they differ in length, or there are too many rows or none.
    """
    counts = {*map(len, columns.values())} or {1}
    if len(counts) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise Refused(400, f"entities: the columns have different lengths: {lengths}")
    [count] = counts
    if not 0 < count <= most:
        raise Refused(400, f"entities: {count:,} rows; 1 to {most:,} are allowed")
    return count


async def _requested(context: ServerContext, body: FeaturesBody) -> RequestedFeatures:
    about = tuple(dict.fromkeys(body.returned)) if body.returned else ()
    if (body.model is None) == (body.features is None):
        raise Refused(400, "give `model` or `features`, one of them")
    if body.model is not None:
        which = CHAMPION if body.version is msgspec.UNSET else str(body.version)
        model = await context.model(body.model, which)
        place = model.version.model, model.version.version
        return RequestedFeatures(reader=model.reader.features, about=about, model=place)
    return RequestedFeatures(reader=_named_features(context, body), about=about)


def _named_features(context: ServerContext, body: FeaturesBody) -> FeatureReader:
    """Return what reads features of `view:feature`."""
    if body.version is not msgspec.UNSET:
        message = "version: it is that of a model, and `features` are of the newest pushed versions of their views"
        raise Refused(400, message, hint="leave it out, or give `model` instead of `features`")
    catalog, features = context.project.catalog, body.features or []
    if (known := catalog.known_reader(features)) is not None:
        return known
    features = list(dict.fromkeys(features))
    wrong = [text for text in features if not all(text.partition(":"))]
    if wrong:
        raise Refused(400, f"features: {wrong[0]!r} is not view:feature", hint="write view:feature, or view:*")
    try:
        return catalog.reader(features)
    except FeaturectlError as error:
        raise refusal(error) from error


def present_documents(found: FeatureColumns) -> dict[str, object] | None:
    """Return what `_FeatureDocuments` does of rows that have all features; None: a value is not finite."""
    documents: dict[str, object] = {}
    for name, column in found.columns.items():
        values = column.values
        if not _are_finite(values):
            return None
        documents[name] = {"values": values, "status": column.statuses}
    return documents


class _FeatureDocuments:
    """Returns features as of an instant as they are answered: values and statuses, and `about` them what is asked.

    Instants are those of a view's rows, and columns of one view share them: they are made once.
    """

    def __init__(self, now: datetime, about: Sequence[MetadataKey], stale: frozenset[str]) -> None:
        self._now_us = instant_us(now)
        self._about = about
        self._stale = stale
        self._known: dict[tuple[int, str], Sequence[object]] = {}
        self._given: Sequence[bool] | None = None  # that no value of a column is a default, which columns share

    def __call__(self, name: str, column: FeatureColumn) -> dict[str, object]:
        """Return a feature as it is answered."""
        values, statuses = finite_values(column)
        document: dict[str, object] = {"values": values, "status": statuses}
        if column.defaulted is not self._given:
            if any(column.defaulted):
                document["defaulted"] = column.defaulted
            else:
                self._given = column.defaulted
        if name in self._stale:
            document["stale"] = True
        for key in self._about:
            if key == "version":
                document[key] = column.source.online.version
            elif key == "age":
                document["age_seconds"] = self._instants(column.event_us, key)
            else:
                document[key] = self._instants(column.event_us if key == "event_time" else column.computed_us, key)
        return document

    def _instants(self, of: Sequence[int | None], name: MetadataKey) -> Sequence[object]:
        """Return instants, or how long ago they were in seconds."""
        if (id(of), name) not in self._known:
            self._known[id(of), name] = (
                [None if us is None else max(self._now_us - us, 0) / 1e6 for us in of]
                if name == "age"
                else [instant_of(us) for us in of]
            )
        return self._known[id(of), name]


def finite_values(column: FeatureColumn) -> tuple[Sequence[object], Sequence[str]]:
    """Return values as JSON can have them, with their statuses: what is no finite number is null, and `NULL`."""
    if _are_finite(column.values):
        return column.values, column.statuses
    gone = [isinstance(value, float) and not isfinite(value) for value in column.values]
    values = [None if missing else value for missing, value in zip(gone, column.values, strict=True)]
    statuses = ["NULL" if missing else status for missing, status in zip(gone, column.statuses, strict=True)]
    return values, statuses


def _are_finite(values: Sequence[Any]) -> bool:
    """Return whether no float among some values is infinite or none; of many numbers, and nulls, their sum says so."""
    if len(values) == 1:
        return type(values[0]) is not float or isfinite(values[0])
    try:
        if isfinite(sum(filter(None, values))):
            return True
    except (TypeError, ValueError, ArithmeticError):  # not all are numbers, or there are too large ones
        pass
    return all(type(value) is not float or isfinite(value) for value in values)


def statuses_of(found: FeatureColumns, row: int) -> dict[str, str]:
    """Return the status of every feature of a row."""
    return {name: column.statuses[row] for name, column in found.columns.items()}


def _schemas(settings: ServeSettings) -> Schema:
    schema = body_schema(FeaturesBody, settings)
    schema["properties"]["entities"]["additionalProperties"]["maxItems"] = settings.max_rows
    schema["oneOf"] = [_one_of("model"), _one_of("features")]
    return {"FeaturesBody": schema}


def _one_of(what: str) -> Schema:
    """Return what a body has that asks for a model, or for features: one of them, and a version of a model alone."""
    other = {"model": "features", "features": "model"}[what]
    schema: Schema = {"required": [what], "properties": {what: {"not": NULL}, other: NULL}}
    return schema if what == "model" else schema | {"not": {"required": ["version"]}}


def _answer_schema() -> dict[str, Any]:
    column = object_of(values={"type": "array", "items": ANY}, status={"type": "array", "items": STATUS})
    versions = {"type": "object", "additionalProperties": {"type": "integer"}}
    features = {"type": "object", "additionalProperties": column}
    warnings = {"type": "array", "items": TEXT}  # there alone where there are any: of old names, and of `time`
    return object_of(features=features, view_versions=versions, warnings=warnings, **SIGNED)


ROUTE: Final = HttpRoute(
    path="/v1/features",
    method="POST",
    answer=answer_features,
    operation=post("Features of entities", "FeaturesBody", _answer_schema(), (404,)),
    schemas=_schemas,
)
