"""How old the rows are that views stand on, and whether that is older than promised."""

from __future__ import annotations

from datetime import datetime

from featurectl.core.units import instant_us
from featurectl.online.client.feature_reader import FeatureReader, ReadView
from featurectl.online.client.push_cache import Pushes


def stale_views(pushes: Pushes, reader: FeatureReader, now: datetime) -> frozenset[str]:
    """Return the views of a reader that are older than their own SLA's `error_after`."""
    return frozenset(view.field for view in reader.views if is_late(pushes, view, now))


def is_late(pushes: Pushes, view: ReadView, now: datetime) -> bool:
    """Return whether a view is older than its own SLA's `error_after`, or has one and was never pushed."""
    limit = view.view.freshness.error_after_us if view.view.freshness else None
    return limit is not None and _is_older(pushes, view, now, limit)


def views_older_than(pushes: Pushes, reader: FeatureReader, now: datetime, most_us: int) -> frozenset[str]:
    """Return the views of a reader that stand on rows older than so many microseconds, or were never pushed."""
    return frozenset(view.field for view in reader.views if _is_older(pushes, view, now, most_us))


def age_us(pushes: Pushes, view: ReadView, now: datetime) -> int | None:
    """Return how long before now the newest row became available that a view's values stand on.

    None where nothing was pushed, and for a static source, whose rows are always true.
    """
    record = pushes.record(view)
    if record is None or record.watermark is None or view.view.source.static:
        return None
    return instant_us(now) - instant_us(record.watermark)


def _is_older(pushes: Pushes, view: ReadView, now: datetime, most_us: int) -> bool:
    if view.view.source.static:
        return False
    age = age_us(pushes, view, now)
    return age > most_us if age is not None else pushes.record(view) is None


def age_seconds(pushes: Pushes, view: ReadView, now: datetime) -> float | None:
    """Return `age_us` in seconds."""
    age = age_us(pushes, view, now)
    return None if age is None else age / 1e6
