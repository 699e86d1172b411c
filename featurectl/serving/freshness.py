"""How old the rows are that views stand on, and whether that is older than promised."""

from __future__ import annotations

from datetime import UTC, datetime

from featurectl.core.units import instant_us
from featurectl.online.client.feature_reader import FeatureReader
from featurectl.online.client.push_cache import Pushes
from featurectl.online.client.read_view import ReadView
from featurectl.online.future_pushes import tell_ahead


def stale_features(pushes: Pushes, reader: FeatureReader, now: datetime) -> frozenset[str]:
    """Return the names of what is read that is older than its `error_after`: the feature's own, else its view's."""
    return frozenset(limit.name for limit in reader.limits if _is_older(pushes, limit.view, now, limit.error_after_us))


def late_parts(pushes: Pushes, view: ReadView, now: datetime) -> list[str]:
    """Return the view, and those of its features with SLAs of their own, that are older than their `error_after`.

    Such as have one and were never pushed are late, too.
    """
    slas = {f"view {view.field}": view.view.freshness}
    slas |= {f"feature {view.field}:{feature}": sla for feature, sla in view.view.own_freshness.items()}
    limits = {name: sla.error_after_us for name, sla in slas.items() if sla is not None}
    return [name for name, most_us in limits.items() if most_us is not None and _is_older(pushes, view, now, most_us)]


def views_older_than(pushes: Pushes, reader: FeatureReader, now: datetime, most_us: int) -> frozenset[str]:
    """Return the views of a reader that stand on rows older than so many microseconds, or were never pushed."""
    return frozenset(view.field for view in reader.views if _is_older(pushes, view, now, most_us))


def age_us(pushes: Pushes, view: ReadView, now: datetime) -> int | None:
    """Return how long before now the newest row became available that a view's values stand on.

    Of a stream it is how long ago the values were true: up to its `asof` all events are in them.

    None where nothing was pushed, for a static source, whose rows are always true, and for a stream that is ahead.
    """
    record = pushes.record(view)
    if record is None or record.watermark is None or view.view.source.static or ahead_of(pushes, view, now):
        return None
    age = instant_us(now) - instant_us(record.watermark)
    return max(age, 0) if view.view.source.is_stream else age  # its `asof` was read after `now`


def ahead_of(pushes: Pushes, view: ReadView, now: datetime) -> str:
    """Return how far a view of a stream lies ahead of this server's clock, in words; "" where it does not."""
    record = pushes.record(view)
    if record is None or record.watermark is None or record.watermark <= now or not view.view.source.is_stream:
        return ""
    clock = max(now, datetime.now(UTC))  # what is asked as of an earlier instant is not ahead of it
    return tell_ahead(instant_us(record.watermark), instant_us(clock), "this server's clock")


def _is_older(pushes: Pushes, view: ReadView, now: datetime, most_us: int) -> bool:
    if view.view.source.static:
        return False
    age = age_us(pushes, view, now)
    return age > most_us if age is not None else pushes.record(view) is None or bool(ahead_of(pushes, view, now))


def age_seconds(pushes: Pushes, view: ReadView, now: datetime) -> float | None:
    """Return `age_us` in seconds."""
    age = age_us(pushes, view, now)
    return None if age is None else age / 1e6
