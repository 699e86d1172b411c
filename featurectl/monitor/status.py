"""Look at every source and view of a project, and judge its freshness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from featurectl.engines.polars.prepare import newest_row
from featurectl.errors import FeaturectlError
from featurectl.monitor.freshness import FreshnessRow, age_at, judge_age
from featurectl.offline.base import OfflineTable
from featurectl.online.base import OnlineStore, OnlineView, PushRecord
from featurectl.sources.base import SourceReader
from featurectl.spec.definition import FeatureView, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedView:
    """A view version to look at: its table, and its place in the online store (None: offline only)."""

    view: FeatureView
    version: int
    table: OfflineTable
    online: OnlineView | None


def check_views(served: Sequence[ServedView], store: Callable[[], OnlineStore], now: datetime) -> list[FreshnessRow]:
    """Return a row per view: its age is now - the source watermark behind the values that it serves."""
    return [_check_view(item, store, now) for item in served]


def check_source(source: Source, reader: Callable[[Source], SourceReader], now: datetime) -> FreshnessRow:
    """Return the row of a source: its age is now - its greatest available_at; rows of the future do not count."""
    try:
        opened = reader(source)
        event, available = newest_row(opened.scan(opened.parts()), source, now)
    except FeaturectlError as error:
        return FreshnessRow(
            kind="source", name=source.name, verdict="ERROR", freshness=source.freshness, error=error.message
        )
    age = age_at(now, available)
    if age is None and not source.static:
        return FreshnessRow(
            kind="source", name=source.name, verdict="ERROR", freshness=source.freshness, error="no rows yet"
        )
    verdict, over = judge_age(age, source.freshness)
    return FreshnessRow(
        kind="source",
        name=source.name,
        verdict=verdict,
        freshness=source.freshness,
        last_event=event,
        age_us=age,
        over_us=over,
    )


def _check_view(item: ServedView, store: Callable[[], OnlineStore], now: datetime) -> FreshnessRow:
    view = item.view

    def failed(why: str) -> FreshnessRow:
        return FreshnessRow(
            kind="view", name=view.name, verdict="ERROR", freshness=view.freshness, version=item.version, error=why
        )

    try:
        coverage = item.table.coverage()
        if coverage is None:
            return failed("not materialized yet")
        rows = item.table.statistics().rows
        record = None if item.online is None else store().read_push_record(item.online)
    except FeaturectlError as error:
        return failed(error.message)
    if item.online is not None and record is None:
        return failed("not pushed to the online store yet")
    behind: PushRecord | None = record
    age = age_at(now, coverage.watermark if behind is None else behind.watermark)
    verdict, over = judge_age(age, view.freshness)
    return FreshnessRow(
        kind="view",
        name=view.name,
        verdict=verdict,
        freshness=view.freshness,
        last_event=coverage.newest_event if behind is None else behind.newest_event,
        age_us=age,
        over_us=over,
        version=item.version,
        rows=rows,
        online_keys=None if behind is None else behind.entities,
        computed_at=coverage.now if behind is None else behind.computed_at,
    )
