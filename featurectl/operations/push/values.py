"""The values of a view at one instant, as the online store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.dtypes import TIMESTAMP
from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT, instant_literal
from featurectl.core.frames.types import polars_dtype
from featurectl.engines.base import Engine, one_bucket
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.offline.base import OfflineTable
from featurectl.online.base import KeyValue, OnlineRow
from featurectl.online.row_places import FILLED_AT, filled_within_ttl, stored_types
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

COMPUTED_AT: Final = "computed_at"
_TIME: Final = "\x00time"
_TRUE_AT: Final = "\x00true at"  # the clocks of the newest row; no feature has such a name
_KNOWN_AT: Final = "\x00known at"


def values_at(
    engine: Engine, view: FeatureView, rows: pl.DataFrame, entities: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return the stored features of entities at now, before any default and whatever the ttl of a state view.

    Columns: the keys, event_time and available_at of the entity's newest row at now, computed_at (= now), the
    features. An entity without a row at now has none here either. `rows` are the table's, of all these entities.
    """
    spine = entities.with_columns(instant_literal(now).alias(_TIME)) if view.keys else _one_row(now)
    if view.kind == "event":
        clocks = replace(view, kind="state", ttl_us=None, hop_us=None, features=_clocks())
        parts = [(view, rows), (clocks, rows)]
    else:
        filled = [_filled_at(feature) for feature in filled_within_ttl(view)]
        asked = replace(view, ttl_us=None, features=(*view.features, *filled, *_clocks()))
        parts = [(asked, rows.with_columns(_true_where_filled(view)))]
    answers = [engine.answer(one_bucket(of, given), spine, _TIME) for of, given in parts]
    found = spine.hstack([column for answer in answers for column in answer])
    return found.filter(pl.col(_TRUE_AT).is_not_null()).select(
        *view.keys,
        pl.col(_TRUE_AT).cast(INSTANT).alias(EVENT_TIME),
        pl.col(_KNOWN_AT).cast(INSTANT).alias(AVAILABLE_AT),
        instant_literal(now).alias(COMPUTED_AT),
        *(pl.col(name).cast(polars_dtype(_known(dtype, name))) for name, dtype in stored_types(view).items()),
    )


def read_offline(
    engine: Engine, view: FeatureView, table: OfflineTable, entity: Mapping[str, KeyValue], now: datetime
) -> OnlineRow | None:
    """Return what a push at now would store for one entity, computed from the offline table.

    Raises:
        DataError: FC510, the view has no offline table; FC504, a time is none that can be read.
    """
    wanted, rows = read_entity(view, table, entity)
    return stored_row(engine, view, rows, wanted, now)


def read_entity(
    view: FeatureView, table: OfflineTable, entity: Mapping[str, KeyValue]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the keys of one entity in their types, and all its rows in a table, in order.

    Raises:
        DataError: FC510, the view has no offline table.
    """
    if table.version() is None:
        raise never_materialized(view.name)
    keys = view.key_types
    wanted = pl.DataFrame([pl.Series(name, [entity[name]]).cast(polars_dtype(t)) for name, t in keys.items()])
    parts = (table.read(bucket=bucket) for bucket in range(table.buckets()))
    rows = [part.join(wanted, on=view.keys, how="semi", maintain_order="left") if keys else part for part in parts]
    return wanted, pl.concat([rows[0], *(r for r in rows[1:] if r.height)])


def stored_row(
    engine: Engine, view: FeatureView, rows: pl.DataFrame, entity: pl.DataFrame, now: datetime
) -> OnlineRow | None:
    """Return what a push at now would store for an entity of which these are all rows; None: nothing."""
    found = values_at(engine, view, rows, entity, now)
    if found.is_empty():
        return None
    try:
        row = found.row(0, named=True)
    except (OverflowError, ValueError) as error:
        raise DataError(f"{view.name} holds an instant outside the years 1 to 9999", code="FC504") from error
    return OnlineRow(
        event_time=row[EVENT_TIME],
        available_at=row[AVAILABLE_AT],
        computed_at=row[COMPUTED_AT],
        values={name: row[name] for name in stored_types(view)},
    )


def never_materialized(view: str) -> DataError:
    """Return what to raise for a view without an offline table."""
    return DataError(
        f"{view} has no offline table yet", code="FC510", hint=f"featurectl materialize {view} computes it"
    )


def _clocks() -> tuple[Feature, ...]:
    """Return what asks for the clocks of the newest row."""
    return (
        Feature(name=_TRUE_AT, op="latest", column=EVENT_TIME, dtype=TIMESTAMP),
        Feature(name=_KNOWN_AT, op="latest", column=AVAILABLE_AT, dtype=TIMESTAMP),
    )


def _filled_at(feature: Feature) -> Feature:
    """Return what asks when the row was true that fills a feature."""
    return Feature(
        name=FILLED_AT.format(feature.name), op="latest", column="\x00" + feature.name, dtype=TIMESTAMP, fill_last=True
    )


def _true_where_filled(view: FeatureView) -> list[pl.Expr]:
    return [
        pl.when(pl.col(str(feature.column)).is_not_null()).then(EVENT_TIME).alias("\x00" + feature.name)
        for feature in filled_within_ttl(view)
    ]


def _one_row(now: datetime) -> pl.DataFrame:
    return pl.DataFrame({_TIME: [now]}, schema={_TIME: INSTANT})


def _known(dtype: str | None, feature: str) -> str:
    assert dtype is not None, f"untyped feature {feature}"
    return dtype
