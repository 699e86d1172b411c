"""Offline to online: the values of a view version at one instant, for the entities whose values may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.errors import DataError
from featurectl.core.frames.types import polars_dtype
from featurectl.core.progress import Progress, Silent
from featurectl.core.units import counted, format_count, moved_by
from featurectl.engines.base import Engine
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import OfflineTable
from featurectl.online.base import Bound, OnlineStore, OnlineView, Origin, PushRecord, Writing
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.future_pushes import CLOCKS_DIFFER, how_far_ahead
from featurectl.online.missing_rows import rows_lost
from featurectl.online.row_places import online_view
from featurectl.online.row_schema import schema_digest
from featurectl.operations.push.choose_entities import PushTask, read_parts
from featurectl.operations.push.erased import PushErasures
from featurectl.operations.push.values import never_materialized, values_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """A view version, its offline table, and where its values at `now` go.

    `clock` is the real time where that is what `now` means: rows that no push sends again for a `retention` and a
    quarter may then be let go by the store. Where `now` was given they stay. `columns` are those of `PushRecord`.
    Nothing can rightly have been pushed as of later than `latest` says (None: nobody knows). `full`: every entity is
    sent, in place of whatever is there. `erasures` reads what is erased by now. `applied_at` is that of `PushRecord`.
    """

    view: FeatureView
    version: int
    table: OfflineTable
    store: OnlineStore
    project: str
    env: str
    now: datetime
    engine: Engine
    clock: datetime | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    latest: Bound | None = None
    full: bool = False
    erasures: Callable[[], Erasures] = lambda: NOTHING_ERASED
    applied_at: datetime | None = None

    def none_after(self) -> datetime:
        """Return the instant later than which nothing stays that stands in the way of a push of everything.

        Where `now` is the clock's that is `latest`: what others push at the same time stays.
        """
        return self.now if self.clock is None or self.latest is None else max(self.now, self.latest())

    def is_of_the_future(self, last: PushRecord) -> bool:
        """Return whether a push was as of an instant that has not come yet."""
        return self.latest is not None and last.computed_at > max(self.now, self.latest())

    @property
    def kept_until(self) -> datetime | None:
        """Until when the store has to keep the rows; None: for good."""
        retention_us = None if self.view.source.static else self.view.retention_us
        if self.clock is None or retention_us is None:
            return None
        return self.clock + timedelta(microseconds=retention_us + retention_us // 4)

    def runs_out(self, last: PushRecord) -> bool:
        """Return whether rows in the store must be sent again to be kept: a `retention` is longer than their life.

        Either a quarter of it went by without a change of the table, or it is longer than it was; or they are to stay.
        """
        if last.kept_until is None:
            return False
        if self.clock is None or self.view.retention_us is None:
            return True
        return last.kept_until < self.clock + timedelta(microseconds=self.view.retention_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What a push did: rows sent, entities that the store did not have before, entities that it has now.

    `computed_at` is the instant of the values in the store; it is later than the request's `now` when a later push
    was there already, and nothing was sent then, or when both were the first and a later one ended before this one.
    `lost` rows were found gone since the last push, and all were sent for that.
    """

    rows_sent: int
    new_entities: int
    entities: int
    computed_at: datetime
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRows:
    """How many rows were sent, and how many entities the store did not have before."""

    rows: int = 0
    new_entities: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPlan:
    """What a push would do at most: rows that it would send, and entities in the store before and after it.

    `computed_at` is the instant of the values in the store, None before the first push.
    """

    rows: int
    entities: int
    entities_after: int
    computed_at: datetime | None


def push_view(request: PushRequest, progress: Progress | None = None) -> PushResult:
    """Send the values at now that may differ from those in the store, and keep a record of the push.

    A state view: the latest row of each entity, whatever its age (`ttl` is checked when reading); of all entities
    when the table or the features changed since the last push or the store is to let its rows go, else of those with
    a row that became true and known since. An event view: its windows at now, for each entity with a row in a window
    at now or at any instant since the last push; for each of all when the features changed. Repeating a push changes
    nothing; nothing older replaces anything newer.

    When the table was rebuilt since the last push, its rows may have changed or gone: every entity is sent, its row
    replaces what was pushed before even if that was newer, and entities that the table no longer has are removed. So it
    is when the store is seen to have lost rows, and in a `full` push, which replaces what was pushed as of later, too.

    Raises:
        DataError: FC510, the view has no offline table; FC527, the last push was as of an instant that has not come.
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    online = _open_rows(request)
    erased = PushErasures(request.view, online, request.erasures)
    erased.remove_older(request.store)
    task = _look(request, online, counted_rows=True)
    last = task.last
    if task.none_after is None and last is not None and last.computed_at > request.now:
        if request.is_of_the_future(last):
            raise _of_the_future(request, last)
        return _result(request, task, SentRows(), last.computed_at)
    progress = progress or Silent()
    progress.start(f"push {request.view.name}@{request.version}")
    result = _push(request, task, progress, erased)
    sent, new = counted(result.rows_sent, "row"), format_count(result.new_entities)
    progress.done(f"pushed {request.view.name}@{request.version}: {sent}, {new} new")
    return result


def _open_rows(request: PushRequest) -> OnlineView:
    """Return where the rows go, with room made for them in the store.

    Raises:
        DataError: FC510, it has no offline table.
    """
    if request.table.version() is None:
        raise never_materialized(request.view.name)
    online = _place_of(request)
    request.store.prepare(online)
    if request.full:
        request.store.reset_broken_count(online)
    return online


def _push(request: PushRequest, task: PushTask, progress: Progress, erased: PushErasures) -> PushResult:
    """Send what is there to be sent, again where something else went on meanwhile, and write the record."""
    request, task = _not_before(request, task, task.last)
    sent = _send(request, task, progress, erased)
    while _is_overtaken(task, newest := _look(request, task.online)):
        # What was sent may have replaced, or joined, other rows.
        newest = replace(newest, rebuilt=True, none_after=task.none_after, lost=task.lost)
        request, task = _not_before(request, newest, newest.last)
        sent = _send(request, task, progress, erased)
    sends_all = erased.remove_newer(request.store)
    result = _result(request, task, sent, request.now)
    record = replace(_record(request, task, result), erased=erased.number)
    record = replace(record, schema="") if sends_all else record
    request.store.write_push_record(task.online, record, task.none_after)
    return result


def _of_the_future(request: PushRequest, last: PushRecord) -> DataError:
    assert request.latest is not None
    label, far = f"{request.view.name}@{request.version}", how_far_ahead(last.computed_at, request.latest())
    return DataError(
        f"{label} was pushed as of {far}: its values are not found before, and nothing replaces them",
        code="FC527",
        hint=f"featurectl push --full {request.view.name} puts the values of now in their place",
    )


def _not_before(request: PushRequest, task: PushTask, last: PushRecord | None) -> tuple[PushRequest, PushTask]:
    """Return the same as of no earlier than the last push, unless that is to be replaced.

    What replaces it is as of no earlier than the store's clock: pushes until then may have been before that one.
    """
    now, bound = request.now, task.none_after
    if bound is not None and request.clock is not None and request.latest is not None:
        now = max(now, moved_by(request.latest(), -CLOCKS_DIFFER))
    if last is not None and (bound is None or last.computed_at <= bound()):
        now = max(now, last.computed_at)
    return replace(request, now=now), replace(task, now=now)


def _is_overtaken(task: PushTask, newest: PushTask) -> bool:
    """Return whether what was sent may not be all that is there to be sent, or stand among other rows.

    The table was rebuilt meanwhile, or another first push ended, of other entities; or a push of everything has put an
    earlier instant in place of the last one; or another push ended that this one was to replace.
    """
    was, last = task.last, newest.last
    if newest.coverage.rebuild_id != task.coverage.rebuild_id or last is None:
        return newest.coverage.rebuild_id != task.coverage.rebuild_id
    if was is None or last.computed_at < was.computed_at:
        return True
    return task.none_after is not None and last != was and last.computed_at > task.none_after()


def plan_push(request: PushRequest) -> PushPlan:
    """Return what a push would do at most, reading keys and clocks only; nothing is written.

    Raises:
        DataError: FC510, the view has no offline table.
        StoreError: a store can't be read.
    """
    known = (request.view.name, request.version) in request.store.prepared(request.project, request.env)
    task = _look(request, _place_of(request), known=known, counted_rows=True)
    entities = request.store.count(task.online) if known else 0
    columns = [*request.view.keys, "event_time", "available_at"]
    later = task.none_after is None and task.last is not None and task.last.computed_at > request.now
    rows = 0 if later else sum(part.count for part in read_parts(task, columns))
    after = rows if task.rebuilt else entities + rows
    return PushPlan(
        rows=rows,
        entities=entities,
        entities_after=after,
        computed_at=task.last.computed_at if task.last else None,
    )


class _Frames:
    """The values to send, made as they are asked for; reports how far it is of about how many."""

    def __init__(self, request: PushRequest, task: PushTask, progress: Progress, erased: PushErasures) -> None:
        self._request, self._task, self._progress, self._erased = request, task, progress, erased
        self._of = max(request.table.statistics().rows, 1)
        self._read = 0
        self.rows = 0
        self.entities: list[pl.DataFrame] = []  # kept only where those that are gone have to be found

    def __iter__(self) -> Iterator[pl.DataFrame]:
        view, engine = self._request.view, self._request.engine
        for part in read_parts(self._task):
            self._read += part.rows.height
            if not part.count:
                continue
            values = values_at(engine, view, self._erased.without(part.rows), part.entities, self._request.now)
            self.rows += values.height
            if self._task.rebuilt:
                self.entities.append(values.select(view.keys) if view.keys else pl.DataFrame(height=values.height))
            yield values

    def report(self, written: int) -> None:
        """Report how many rows are in the store, of as many as there are if what is still unread is like the rest."""
        total = self.rows * max(self._of, self._read) // max(self._read, 1)
        self._progress.advance(written, total, "rows")


def _send(request: PushRequest, task: PushTask, progress: Progress, erased: PushErasures) -> SentRows:
    """Return what was sent."""
    store, frames, coverage = request.store, _Frames(request, task, progress, erased), task.coverage
    origin = Origin(at=request.now, table_version=task.table_version, rebuild_id=coverage.rebuild_id)
    how = Writing(
        rebuilt=task.rebuilt,
        origin=origin,
        on_rows=frames.report,
        kept_until=request.kept_until,
        none_after=task.none_after,
    )
    added = store.write_all(task.online, frames, how)
    if task.rebuilt and (task.none_after is not None or store.count(task.online) != frames.rows):
        kept = frames.entities
        known = pl.concat(kept) if kept else pl.DataFrame(schema=_key_schema(request.view))
        store.keep_only(task.online, known, request.now, task.none_after)
    return SentRows(rows=frames.rows, new_entities=added)


def _place_of(request: PushRequest) -> OnlineView:
    """Return where the rows go, with what their values mean: every expression is fingerprinted for it, so once."""
    return online_view(request.view, request.version, request.project, request.env)


def _look(request: PushRequest, online: OnlineView, *, known: bool = True, counted_rows: bool = False) -> PushTask:
    """Return the task as things stand now; a store that does not know the view is not asked about it.

    With `counted_rows` the store is asked how many rows there are, where it can say.
    """
    table_version, coverage = request.table.newest()
    if table_version is None or coverage is None:
        raise never_materialized(request.view.name)
    last = _last_push(request, online) if known else None
    there = request.store.count_rows(online) if last and counted_rows else None
    lost = rows_lost(request.view, last, there, request.clock) if last else 0
    # Rows without a record are those of a first push that was cut off, of whichever table there was then.
    anew = last.rebuild_id != coverage.rebuild_id if last else known and request.store.count(online) > 0
    replaces = request.full or (anew and last is not None and request.is_of_the_future(last))
    return PushTask(
        view=request.view,
        online=online,
        table=request.table,
        now=request.now,
        table_version=table_version,
        coverage=coverage,
        last=last,
        rebuilt=anew or replaces or lost > 0,
        runs_out=last is not None and request.view.kind != "event" and request.runs_out(last),
        lost=lost,
        none_after=request.none_after if replaces else None,
    )


def _last_push(request: PushRequest, online: OnlineView) -> PushRecord | None:
    """Return the record of the last push; of one that is broken none, where everything is sent anew."""
    try:
        return request.store.read_push_record(online)
    except BrokenRecordError:
        if not request.full:
            raise
        return None


def _record(request: PushRequest, task: PushTask, result: PushResult) -> PushRecord:
    watermark = task.coverage.watermark
    ends = [request.kept_until] if result.rows_sent else []
    ends += [task.last.kept_until] if task.last and task.same_rows else []  # of the rows that were not sent
    return PushRecord(
        computed_at=result.computed_at,
        watermark=None if watermark is None else min(watermark, task.now),
        newest_event=task.coverage.newest_event,
        table_version=task.table_version,
        entities=result.entities,
        schema=schema_digest(task.online),
        rebuild_id=task.coverage.rebuild_id,
        kept_until=min((end for end in ends if end is not None), default=None),
        columns=request.columns,
        applied_at=request.applied_at,
    )


def _result(request: PushRequest, task: PushTask, sent: SentRows, computed_at: datetime) -> PushResult:
    entities = request.store.count(task.online)
    return PushResult(
        rows_sent=sent.rows,
        new_entities=sent.new_entities,
        entities=entities,
        computed_at=computed_at,
        lost=task.lost,
    )


def _key_schema(view: FeatureView) -> dict[str, pl.DataType]:
    return {name: polars_dtype(dtype) for name, dtype in view.key_types.items()}
