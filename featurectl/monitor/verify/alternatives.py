"""What may have happened to values that differ: each hypothesis says how the offline table would have to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, get_args

import polars as pl

from featurectl.core.errors import DataError, StoreError, TryAgainError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import format_duration, format_instant
from featurectl.engines.base import Engine
from featurectl.monitor.verify.report import Cause
from featurectl.monitor.verify.rows import (
    known_at_once,
    ties_reversed,
    without_later_than,
    without_overtaken,
    without_winners,
)
from featurectl.monitor.verify.served_rows import RowChange, ServedRows, TableQuestion, computed
from featurectl.offline.base import Coverage
from featurectl.operations.views import BoundView
from featurectl.pit.questions import AVAILABLE_AT, Closed

_PICKS: Final = ("first", "last", "first_n", "last_n")
_VERSIONS_BACK: Final = 5
_PUSHES_BACK: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """A cause, what more there is to tell of it, and how to ask; `expired`: of rows that were asked to be, alone."""

    cause: Cause
    detail: str
    asking: TableQuestion
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePast:
    """What is known around a view version: its other versions, its table's history, instants of pushes, in order.

    `pushed_of` is the `rebuild_id` of the table behind the last push, "" where there is none. `gaps` are instants after
    which, and up to which, the log of a stream says that stamps were lost.
    """

    others: Sequence[BoundView] = ()
    history: Sequence[tuple[int, Coverage]] = ()
    pushes: Sequence[datetime] = ()
    pushed_of: str = ""
    gaps: Sequence[tuple[datetime, datetime]] = ()


def hypotheses(served: ServedRows, known: TablePast) -> Iterator[Hypothesis]:
    """Yield what may explain values that differ, the likelier before the others; not a shifted clock."""
    yield from _versions(served, known)
    yield from _boundaries(served)
    yield from _clocks(served)
    yield from _ties(served)
    yield from _expiries(served)
    yield from _late_rows(served, known)
    yield from _stale_pushes(served, known)


def explains(
    engine: Engine, served: ServedRows, wrong: pl.DataFrame, hypothesis: Hypothesis, tolerance: float
) -> pl.Series | None:
    """Return which rows a hypothesis explains; None where it can't be computed."""
    try:
        found = computed(engine, served, hypothesis.asking)
    except (DataError, StoreError, TryAgainError):  # of a version whose table or files are gone
        return None
    differ = served.wrong(found, tolerance)
    if not differ.width:
        return None
    elsewhere = [name for name in wrong.columns if name not in differ.columns]
    clear = ~differ.select(pl.any_horizontal(pl.all())).to_series()
    if elsewhere:
        clear &= ~wrong.select(pl.any_horizontal(elsewhere)).to_series()
    return clear & served.expired if hypothesis.expired else clear


def _versions(served: ServedRows, known: TablePast) -> Iterator[Hypothesis]:
    for other in known.others:
        if dict(other.view.key_types) == dict(served.bound.view.key_types):
            bound = replace(other, view=replace(other.view, ttl_us=None)) if served.stored else other
            yield Hypothesis(cause="version", detail=other.label, asking=TableQuestion(bound=bound))


def _boundaries(served: ServedRows) -> Iterator[Hypothesis]:
    view = served.bound.view
    if view.kind != "event":
        before = (served.at.to_physical() - 1).cast(INSTANT)
        yield Hypothesis(cause="boundary", detail="event_time < t", asking=TableQuestion(at=before))
        return
    for closed in get_args(Closed):
        if closed != view.closed:
            bound = replace(served.bound, view=replace(view, closed=closed))
            yield Hypothesis(cause="boundary", detail=f"closed: {closed}", asking=TableQuestion(bound=bound))
    if view.hop_us is not None:
        bound = replace(served.bound, view=replace(view, hop_us=None))
        yield Hypothesis(cause="boundary", detail="without hop", asking=TableQuestion(bound=bound))


def _clocks(served: ServedRows) -> Iterator[Hypothesis]:
    """Values of an event that know one of the two clocks alone."""
    if served.known is None:
        return
    is_stream = served.bound.view.source.is_stream
    as_known = TableQuestion(at=served.known) if is_stream else TableQuestion(pushed=served.known)
    yield Hypothesis(cause="boundary", detail="as of `known_at`, not of the event's own time", asking=as_known)
    if is_stream and served.logged is not None:
        later = TableQuestion(known=served.logged)
        yield Hypothesis(cause="late row", detail="what came after `known_at` was counted", asking=later)


def _ties(served: ServedRows) -> Iterator[Hypothesis]:
    view = served.bound.view
    if view.kind != "event":
        yield Hypothesis(cause="tie", detail="", asking=TableQuestion(change=without_winners(view.keys)))
    elif any(f.op in _PICKS for f in view.features):
        yield Hypothesis(cause="tie", detail="", asking=TableQuestion(change=ties_reversed(view.keys)))


def _expiries(served: ServedRows) -> Iterator[Hypothesis]:
    view = served.bound.view
    if view.kind == "event" or view.ttl_us is None:
        return
    unlimited = replace(served.bound, view=replace(view, ttl_us=None))
    yield Hypothesis(cause="expiry", detail="a row older than its ttl", asking=TableQuestion(bound=unlimited))
    yield Hypothesis(cause="expiry", detail="expired before its ttl", asking=TableQuestion(blank=True), expired=True)


def _late_rows(served: ServedRows, known: TablePast) -> Iterator[Hypothesis]:
    if served.stored and known.history and (newest := known.history[-1][0]) > served.bound.table_version:
        bound = replace(served.bound, table_version=newest, pinned=True)
        detail = f"of version {newest} of the table, which no push that ended had"
        yield Hypothesis(cause="late row", detail=detail, asking=TableQuestion(bound=bound))
    view, changes = served.bound.view, list[tuple[str, RowChange]]()
    for number, coverage in _earlier(served, known):
        changes.append((f"in the table after its version {number}", _as_before(served.bound, number, coverage)))
    if view.delay_us is None:
        changes.append(("known after a later event", without_overtaken(view.keys)))
        for name, us in (("refresh", view.refresh_us), ("lateness", view.source.lateness_us)):
            if us is not None:
                changes.append((f"known later than {name} {format_duration(us)}", without_later_than(us)))
        changes.append(("counted before they were known", known_at_once))
    for detail, change in changes:
        yield Hypothesis(cause="late row", detail=detail, asking=TableQuestion(change=change))


def _earlier(served: ServedRows, known: TablePast) -> list[tuple[int, Coverage]]:
    """Return versions of the table before the one that is asked, the newest first."""
    before = [(number, coverage) for number, coverage in known.history if number < served.bound.table_version]
    return before[-_VERSIONS_BACK:][::-1]


def _as_before(bound: BoundView, number: int, coverage: Coverage) -> RowChange:
    """Put the rows of a version in place of those that its run could have known: what came into the table late is out.

    Rows that became available only after that run stay.
    """
    before, until = replace(bound, table_version=number, pinned=True), coverage.now
    buckets = bound.stored.buckets(bound.table_version)

    def change(rows: pl.DataFrame, bucket: int) -> pl.DataFrame:
        had = before.stored.buckets(number)
        same = range(bucket, had, buckets) if had > buckets else [bucket % had]
        there = pl.concat(before.read(one) for one in same)
        if there.schema != rows.schema:
            raise DataError(f"version {number} of the table has other columns")
        later = rows.filter(pl.col(AVAILABLE_AT) > until) if until is not None else rows.clear()
        return pl.concat([there, later])

    return change


def at_own_push(served: ServedRows, bound: BoundView) -> TableQuestion:
    """Return how a table is asked what it gave to the push that each row names; a stream is not pushed."""
    is_stream = served.bound.view.source.is_stream
    return TableQuestion(bound=bound, pushed=None if is_stream else of_own_push(served))


def of_own_push(served: ServedRows) -> pl.Series:
    """Return the instant of the push that each row names, that of reading where it names none of before."""
    instants = pl.DataFrame([served.pushed.alias("own"), served.asked.alias("at")])
    return instants.select(pl.coalesce(pl.when(pl.col("own") < pl.col("at")).then("own"), "at")).to_series()


def _stale_pushes(served: ServedRows, known: TablePast) -> Iterator[Hypothesis]:
    """Values of the push that a row names, where that is another instant, and of pushes before each row's own."""
    if served.known is not None and served.bound.view.source.is_stream:
        return
    if (served.pushed.is_not_null() & (served.pushed != served.at)).any():
        detail = "the push that the row names"
        yield Hypothesis(cause="stale push", detail=detail, asking=TableQuestion(pushed=of_own_push(served)))
    instants = pl.Series("push", sorted(set(known.pushes)), dtype=INSTANT)
    for back in range(1, _PUSHES_BACK + 1):
        place = pl.Series(instants.search_sorted(served.asked, side="left"), dtype=pl.Int64) - back
        if not len(instants) or not (place >= 0).any():
            return
        found = instants.gather(place.clip(0))
        earlier = pl.DataFrame([place.alias("place"), found.alias("push"), served.asked.alias("at")]).select(
            pl.when(pl.col("place") >= 0).then("push").otherwise("at")
        )
        detail = f"{back} push{'es' if back > 1 else ''} before" + _one(found)
        yield Hypothesis(cause="stale push", detail=detail, asking=TableQuestion(pushed=earlier.to_series()))


def _one(instants: pl.Series) -> str:
    first = instants[0]
    return f", of {format_instant(first)}" if isinstance(first, datetime) and instants.n_unique() == 1 else ""
