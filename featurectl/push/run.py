"""Offline to online: the values of a view version at one instant, for the entities whose values may have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from featurectl.engines.base import Engine
from featurectl.engines.polars.types import polars_dtype
from featurectl.offline.base import OfflineTable, newest_of
from featurectl.online.base import OnlineStore, Origin, PushRecord, Writing
from featurectl.online.schema import schema_digest
from featurectl.online.stored import online_view
from featurectl.progress import Progress, Silent
from featurectl.push.choose import Task, read_parts
from featurectl.push.values import never_materialized, values_at
from featurectl.spec.definition import FeatureView
from featurectl.units import counted, format_count


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """A view version, its offline table, and where its values at `now` go.

    `clock` is the real time where that is what `now` means: rows that no push sends again for a `retention` and a
    quarter may then be let go by the store. Where `now` was given they stay. `columns` are those of `PushRecord`.
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
    """

    rows_sent: int
    new_entities: int
    entities: int
    computed_at: datetime


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
    replaces what was pushed before even if that was newer, and entities that the table no longer has are removed.

    Raises:
        DataError: FC510, the view has no offline table.
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    progress = progress or Silent()
    label = f"{request.view.name}@{request.version}"
    if request.table.version() is None:
        raise never_materialized(request.view.name)
    request.store.prepare(online_view(request.view, request.version, request.project, request.env))
    task = _look(request)
    if task.last is not None and task.last.computed_at > request.now:
        return _result(request, task, (0, 0), task.last.computed_at)
    progress.start(f"push {label}")
    sent, added = _send(request, task, progress)
    while _is_overtaken(task, newest := _look(request)):
        request = replace(request, now=max(request.now, newest.last.computed_at if newest.last else request.now))
        task = replace(newest, rebuilt=True, now=request.now)  # what was sent may have replaced, or joined, other rows
        sent, added = _send(request, task, progress)
    result = _result(request, task, (sent, added), request.now)
    request.store.write_push_record(task.online, _record(request, task, result))
    progress.done(f"pushed {label}: {counted(sent, 'row')}, {format_count(added)} new")
    return result


def _is_overtaken(task: Task, newest: Task) -> bool:
    """Return whether the table was rebuilt meanwhile, or another first push ended, of other entities."""
    is_first = task.last is None and newest.last is not None
    return is_first or newest.coverage.rebuild_id != task.coverage.rebuild_id


def plan_push(request: PushRequest) -> PushPlan:
    """Return what a push would do at most, reading keys and clocks only; nothing is written.

    Raises:
        DataError: FC510, the view has no offline table.
        StoreError: a store can't be read.
    """
    known = (request.view.name, request.version) in request.store.prepared(request.project, request.env)
    task = _look(request, known=known)
    entities = request.store.count(task.online) if known else 0
    columns = [*request.view.keys, "event_time", "available_at"]
    later = task.last is not None and task.last.computed_at > request.now
    rows = 0 if later else sum(part.count for part in read_parts(task, columns))
    after = rows if task.rebuilt else entities + rows
    return PushPlan(
        rows=rows,
        entities=entities,
        entities_after=after,
        computed_at=task.last.computed_at if task.last else None,
    )


class _Frames:
    """The values to send, made as they are asked for; tells how far it is of about how many."""

    def __init__(self, request: PushRequest, task: Task, progress: Progress) -> None:
        self._request, self._task, self._progress = request, task, progress
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
            values = values_at(engine, view, part.rows, part.entities, self._request.now)
            self.rows += values.height
            if self._task.rebuilt:
                self.entities.append(values.select(view.keys))
            yield values

    def told(self, written: int) -> None:
        """Tell how many rows are in the store, of as many as there are if what is still unread is like the rest."""
        total = self.rows * max(self._of, self._read) // max(self._read, 1)
        self._progress.advance(written, total, "rows")


def _send(request: PushRequest, task: Task, progress: Progress) -> tuple[int, int]:
    """Return how many rows were sent, and of how many new entities."""
    store, frames, coverage = request.store, _Frames(request, task, progress), task.coverage
    origin = Origin(at=request.now, table_version=task.table_version, rebuild_id=coverage.rebuild_id)
    how = Writing(rebuilt=task.rebuilt, origin=origin, told=frames.told, kept_until=request.kept_until)
    added = store.write_all(task.online, frames, how)
    if task.rebuilt and store.count(task.online) > frames.rows:
        kept = frames.entities
        known = pl.concat(kept) if kept else pl.DataFrame(schema=_key_schema(request.view))
        store.keep_only(task.online, known, request.now)
    return frames.rows, added


def _look(request: PushRequest, *, known: bool = True) -> Task:
    """Return the task as things stand now; a store that does not know the view is not asked about it."""
    table_version, coverage = newest_of(request.table)
    if table_version is None or coverage is None:
        raise never_materialized(request.view.name)
    online = online_view(request.view, request.version, request.project, request.env)
    last = request.store.read_push_record(online) if known else None
    return Task(
        view=request.view,
        online=online,
        table=request.table,
        now=request.now,
        table_version=table_version,
        coverage=coverage,
        last=last,
        # Rows without a record are those of a first push that was cut off, of whichever table there was then.
        rebuilt=last.rebuild_id != coverage.rebuild_id if last else known and request.store.count(online) > 0,
        runs_out=last is not None and request.view.kind != "event" and request.runs_out(last),
    )


def _record(request: PushRequest, task: Task, result: PushResult) -> PushRecord:
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
    )


def _result(request: PushRequest, task: Task, sent: tuple[int, int], computed_at: datetime) -> PushResult:
    entities = request.store.count(task.online)
    return PushResult(rows_sent=sent[0], new_entities=sent[1], entities=entities, computed_at=computed_at)


def _key_schema(view: FeatureView) -> dict[str, pl.DataType]:
    return {name: polars_dtype(dtype) for name, dtype in view.key_types.items()}
