"""Feature views and an offline table in memory, for tests of push and of reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import HOUR_US
from featurectl.engines.base import BucketedRows
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.offline.base import Coverage, TableStatistics
from featurectl.offline.rows import FrameRows
from featurectl.online.base import OnlineStore
from featurectl.operations.push import PushRequest
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)
UTC_US = pl.Datetime("us", "UTC")
CUSTOMER = Entity(name="customer", keys={"customer": "string"})
SOURCE = Source(name="orders", format="parquet", event_time="at")


def at(hours: float) -> datetime:
    """Return an instant so many hours after T0."""
    return T0 + timedelta(hours=hours)


class MemoryTable:
    """An offline table that keeps every version in memory, cut into buckets by the first key's hash."""

    def __init__(self, keys: Sequence[str], buckets: int = 2) -> None:
        self._keys = list(keys)
        self._buckets = buckets if keys else 1
        self.versions: list[tuple[pl.DataFrame, Coverage]] = []
        self.reads = 0

    def version(self) -> int | None:
        return len(self.versions) - 1 if self.versions else None

    def newest(self) -> tuple[int | None, Coverage | None]:
        return self.version(), self.coverage()

    def coverage(self) -> Coverage | None:
        return self.versions[-1][1] if self.versions else None

    def statistics(self, version: int | None = None) -> TableStatistics:
        return TableStatistics(rows=self.versions[-1 if version is None else version][0].height, size_bytes=0, files=1)

    def append(self, rows: BucketedRows, coverage: Coverage) -> int:
        before = [self.versions[-1][0]] if self.versions else []
        return self.replace(FrameRows(pl.concat([*before, rows.of(0, 1)]), self._keys), coverage)

    def replace(self, rows: BucketedRows, coverage: Coverage) -> int:
        self.versions.append((rows.of(0, 1), coverage))
        return len(self.versions) - 1

    def of(self, bucket: int, buckets: int) -> pl.DataFrame:
        return FrameRows(self.read(), self._keys).of(bucket, buckets)

    def buckets(self, version: int | None = None) -> int:  # noqa: ARG002  # of the protocol
        return self._buckets

    def read(
        self,
        *,
        bucket: int | None = None,
        version: int | None = None,
        columns: Sequence[str] | None = None,  # noqa: ARG002  # of the protocol
    ) -> pl.DataFrame:
        self.reads += 1
        rows = self.versions[-1 if version is None else version][0]
        if bucket is None or self._buckets == 1:
            return rows
        return rows.filter(pl.col(self._keys[0]).hash(seed=1) % self._buckets == bucket)

    def parts(
        self, bucket: int, version: int | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        yield self.read(bucket=bucket, version=version, columns=columns)


Row = tuple[str | None, float, float | None, Mapping[str, object]]


def table(view: FeatureView, rows: Sequence[Row], inputs: Mapping[str, str], buckets: int = 2) -> MemoryTable:
    """Return a table with rows (key, hours of event_time, of available_at or None for the same, inputs)."""
    made = MemoryTable(view.keys, buckets)
    add(made, view, rows, inputs)
    return made


def rebuild(to: MemoryTable, view: FeatureView, rows: Sequence[Row], inputs: Mapping[str, str], named: str) -> None:
    """Put rows in place of the table's, as a rebuild of that name."""
    made = table(view, rows, inputs)
    to.replace(FrameRows(made.read(), view.keys), replace(made.coverage() or Coverage(), rebuild_id=named))


def add(to: MemoryTable, view: FeatureView, rows: Sequence[Row], inputs: Mapping[str, str]) -> None:
    """Append rows as a new version of the table."""
    columns = [pl.Series(name, [row[0] for row in rows], dtype=pl.String) for name in view.keys]
    event = [at(row[1]) for row in rows]
    available = [at(row[1] if row[2] is None else row[2]) for row in rows]
    columns += [pl.Series(EVENT_TIME, event, dtype=UTC_US), pl.Series(AVAILABLE_AT, available, dtype=UTC_US)]
    first = to.statistics().rows if to.version() is not None else 0
    columns.append(pl.Series(TIE_ORDER, range(first, first + len(rows)), dtype=pl.Int64))
    columns += [pl.Series(n, [row[3].get(n) for row in rows], dtype=polars_dtype(t)) for n, t in inputs.items()]
    before = to.coverage() or Coverage()
    watermark = max([*available, *([before.watermark] if before.watermark else [])], default=None)
    newest = max([*event, *([before.newest_event] if before.newest_event else [])], default=None)
    to.append(FrameRows(pl.DataFrame(columns), view.keys), Coverage(watermark=watermark, newest_event=newest))


def push_request(
    store: OnlineStore, view: FeatureView, rows: MemoryTable, hours: float, project: str = "shop"
) -> PushRequest:
    """Return a push of version 1 of a view into environment `dev`, so many hours after T0."""
    return PushRequest(
        engine=PolarsEngine(),
        view=view,
        version=1,
        table=rows,  # type: ignore[arg-type]
        store=store,
        project=project,
        env="dev",
        now=at(hours),
    )


def state_view(
    features: Sequence[Feature],
    *,
    ttl_h: int | None = None,
    derived: Sequence[Derived] = (),
    entity: Entity | None = CUSTOMER,
) -> FeatureView:
    """Return a state view with these features."""
    return FeatureView(
        name="profile",
        kind="state",
        entity=entity,
        source=SOURCE,
        join={key: key for key in (entity.keys if entity else ())},
        where=None,
        inputs=(),
        features=tuple(features),
        derived=tuple(derived),
        ttl_us=None if ttl_h is None else ttl_h * HOUR_US,
    )


def event_view(
    features: Sequence[Feature],
    *,
    derived: Sequence[Derived] = (),
    entity: Entity | None = CUSTOMER,
    hop_us: int | None = None,
) -> FeatureView:
    """Return an event view with these aggregates."""
    return FeatureView(
        name="spend",
        kind="event",
        entity=entity,
        source=SOURCE,
        join={key: key for key in (entity.keys if entity else ())},
        where=None,
        inputs=(),
        features=tuple(features),
        derived=tuple(derived),
        hop_us=hop_us,
    )


def latest(name: str, dtype: str, **more: Any) -> Feature:
    """Return a feature of a state view that reads the column of its name."""
    return Feature(name=name, op="latest", column=name, dtype=dtype, **more)


def window(name: str, op: str, hours: int | None, dtype: str, column: str | None = "amount", **more: Any) -> Feature:
    """Return an aggregate over a window of some hours; None is lifetime."""
    window_us = None if hours is None else hours * HOUR_US
    return Feature(name=name, op=op, column=column, dtype=dtype, window_us=window_us, **more)


def derive(name: str, text: str, columns: Mapping[str, str], dtype: str, default: float | None = None) -> Derived:
    """Return a derived feature over columns of these types, and `asof`."""
    expression = type_expression(text, {**columns, "asof": "timestamp"})
    return Derived(name=name, expression=expression, dtype=dtype, default=default)
