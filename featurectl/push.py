"""Offline to online: the values of a view version at one instant, for the entities whose values may have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from featurectl.engines.polars.join import answer_view, state_questions
from featurectl.engines.polars.timestamps import INSTANT
from featurectl.engines.polars.types import polars_dtype
from featurectl.errors import DataError
from featurectl.offline.base import Coverage, OfflineTable, newest_of
from featurectl.online.base import KeyValue, OnlineRow, OnlineStore, OnlineView, PushRecord
from featurectl.online.schema import schema_digest
from featurectl.online.stored import FILLED_AT, filled_within_ttl, online_view, stored_types
from featurectl.pit.lookup import StateAnswer, answer_states
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, StateQuestion
from featurectl.progress import Progress, Silent
from featurectl.spec.definition import FeatureView
from featurectl.units import counted, format_count, instant_us

COMPUTED_AT = "computed_at"
_TIME = "\x00time"


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRequest:
    """A view version, its offline table, and where its values at `now` go."""

    view: FeatureView
    version: int
    table: OfflineTable
    store: OnlineStore
    project: str
    env: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """What a push did: rows sent, entities that the store did not have before, entities that it has now.

    `computed_at` is the instant of the values in the store; it is later than the request's `now` when a later push
    was there already, and nothing was sent then.
    """

    rows_sent: int
    new_entities: int
    entities: int
    computed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A request with what was found out about it, once."""

    request: PushRequest
    online: OnlineView
    table_version: int
    coverage: Coverage
    last: PushRecord | None
    rebuilt: bool

    @property
    def same_rows(self) -> bool:
        """True when the table and the schema are those of the last push."""
        last = self.last
        return (
            last is not None
            and not self.rebuilt
            and (last.table_version, last.schema)
            == (
                self.table_version,
                schema_digest(self.online),
            )
        )


def push_view(request: PushRequest, progress: Progress | None = None) -> PushResult:
    """Send the values at now that may differ from those in the store, and keep a record of the push.

    A state view: the latest row of each entity, whatever its age (`ttl` is checked when reading); of all entities
    when the table or the features changed since the last push, else of those with a row that became true and known
    since. An event view: its windows at now, for each entity with a row in a window at now or at any instant since
    the last push. Repeating a push changes nothing; nothing older replaces anything newer.

    When the table was rebuilt since the last push, its rows may have changed or gone: every entity is sent, its row
    replaces what was pushed before even if that was newer, and entities that the table no longer has are removed.

    Raises:
        DataError: FC510, the view has no offline table.
        StoreError: a store fails; what was sent stays, and the next push makes up for the rest.
    """
    progress = progress or Silent()
    label = f"{request.view.name}@{request.version}"
    task = _look(request)
    if task.last is not None and task.last.computed_at > request.now:
        return _result(task, 0, 0, task.last.computed_at)
    progress.start(f"push {label}")
    sent, added = _send(task)
    while (newest := _look(request)).coverage.rebuild_id != task.coverage.rebuild_id:
        task = replace(newest, rebuilt=True)  # what was sent may have replaced rows of the rebuilt table
        sent, added = _send(task)
    result = _result(task, sent, added, request.now)
    request.store.write_push_record(task.online, _record(task, result))
    progress.done(f"pushed {label}: {counted(sent, 'row')}, {format_count(added)} new")
    return result


def _send(task: _Task) -> tuple[int, int]:
    """Return how many rows were sent, and of how many new entities."""
    store, sent, added = task.request.store, 0, 0
    entities = []
    for values in _changed_values(task):
        added += store.write(task.online, values, rebuilt=task.rebuilt)
        sent += values.height
        entities.append(values.select(task.request.view.keys))
    if task.rebuilt and store.count(task.online) > sent:
        known = pl.concat(entities) if entities else pl.DataFrame(schema=_key_schema(task.request.view))
        store.keep_only(task.online, known, task.request.now)
    return sent, added


def values_at(view: FeatureView, rows: pl.DataFrame, entities: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the stored features of entities at now, before any default and whatever the ttl of a state view.

    Columns: the keys, event_time and available_at of the entity's newest row at now, computed_at (= now), the
    features. An entity without a row at now has none here either. `rows` are the table's, of all these entities.
    """
    spine = entities.with_columns(pl.lit(now, INSTANT).alias(_TIME)) if view.keys else _one_row(now)
    types = {name: polars_dtype(_known(dtype, name)) for name, dtype in stored_types(view).items()}
    if view.kind == "event":
        states = answer_states(rows, spine, keys=view.keys, time=_TIME, questions=[], ttl_us=None)
        values = answer_view(view, rows, spine, _TIME)
    else:
        states = _latest(view, rows, spine)
        values = states.values
    typed = values.select(pl.col(name).cast(dtype) for name, dtype in types.items())
    frame = spine.select(
        *view.keys,
        states.event_time.alias(EVENT_TIME),
        states.available_at.alias(AVAILABLE_AT),
        pl.lit(now, INSTANT).alias(COMPUTED_AT),
    )
    return frame.hstack(typed).filter(pl.col(EVENT_TIME).is_not_null())


def read_offline(
    view: FeatureView, table: OfflineTable, entity: Mapping[str, KeyValue], now: datetime
) -> OnlineRow | None:
    """Return what a push at now would store for one entity, computed from the offline table.

    Raises:
        DataError: FC510, the view has no offline table; FC504, a time is none that can be told.
    """
    if table.version() is None:
        raise _never_materialized(view.name)
    keys = view.key_types
    wanted = pl.DataFrame([pl.Series(name, [entity[name]]).cast(polars_dtype(t)) for name, t in keys.items()])
    parts = (table.read(bucket=bucket) for bucket in range(table.buckets()))
    rows = [part.join(wanted, on=view.keys, how="semi", maintain_order="left") if keys else part for part in parts]
    found = values_at(view, pl.concat([rows[0], *(r for r in rows[1:] if r.height)]), wanted, now)
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


def _latest(view: FeatureView, rows: pl.DataFrame, spine: pl.DataFrame) -> StateAnswer:
    """Return the latest values whatever their age, and of a filled one also when it was true."""
    questions = state_questions(view)
    for feature in filled_within_ttl(view):
        column = "\x00" + feature.name
        true_at = pl.when(pl.col(str(feature.column)).is_not_null()).then(EVENT_TIME)
        rows = rows.with_columns(true_at.alias(column))
        questions.append(StateQuestion(name=FILLED_AT.format(feature.name), column=column, fill_last=True))
    return answer_states(rows, spine, keys=view.keys, time=_TIME, questions=questions, ttl_us=None)


def _look(request: PushRequest) -> _Task:
    table_version, coverage = newest_of(request.table)
    if table_version is None or coverage is None:
        raise _never_materialized(request.view.name)
    online = online_view(request.view, request.version, request.project, request.env)
    request.store.prepare(online)
    last = request.store.read_push_record(online)
    return _Task(
        request=request,
        online=online,
        table_version=table_version,
        coverage=coverage,
        last=last,
        # Rows without a record are those of a first push that was cut off, of whichever table there was then.
        rebuilt=last.rebuild_id != coverage.rebuild_id if last else request.store.count(online) > 0,
    )


def _changed_values(task: _Task) -> Iterator[pl.DataFrame]:
    """Yield the values to send, a bucket at a time."""
    if _is_settled(task):
        return
    view, table, now = task.request.view, task.request.table, task.request.now
    choice = _window_rows(task) if view.kind == "event" else _state_rows(task)
    for bucket in range(table.buckets(task.table_version)):
        rows = table.read(bucket=bucket, version=task.table_version)
        chosen = rows.filter((pl.col(EVENT_TIME) <= now) & (pl.col(AVAILABLE_AT) <= now) & choice)
        if chosen.height:
            yield values_at(view, rows, chosen.select(view.keys).unique(maintain_order=True), now)


def _is_settled(task: _Task) -> bool:
    """True when no value can have changed since the last push, so that no row need be read."""
    if task.last is None or not task.same_rows:
        return False
    if task.last.computed_at == task.request.now:
        return True
    newest = (task.coverage.watermark, task.coverage.newest_event)
    return task.request.view.kind != "event" and all(t is None or t <= task.last.computed_at for t in newest)


def _state_rows(task: _Task) -> pl.Expr:
    if task.last is None or not task.same_rows:
        return pl.lit(True)
    return pl.max_horizontal(EVENT_TIME, AVAILABLE_AT) > task.last.computed_at


def _window_rows(task: _Task) -> pl.Expr:
    """Choose the rows that lie in a window at now, or at any instant since the last push.

    The instants between count too: a push that was cut off has stored values of one of them. After a rebuild, and
    when even the first push was cut off, every row counts.
    """
    view, now = task.request.view, task.request.now
    if task.rebuilt:
        return pl.lit(True)
    since_us = instant_us(task.last.computed_at if task.last else now)
    event_us = pl.col(EVENT_TIME).to_physical()
    windows = {(feature.offset_us, feature.window_us) for feature in view.features}
    choices = []
    for offset_us, window_us in sorted(windows, key=str):
        choice = event_us <= instant_us(now) - offset_us
        if window_us is not None:
            choice &= event_us >= since_us - offset_us - window_us - (view.hop_us or 0)
        choices.append(choice)
    return pl.any_horizontal(choices)


def _record(task: _Task, result: PushResult) -> PushRecord:
    watermark = task.coverage.watermark
    return PushRecord(
        computed_at=result.computed_at,
        watermark=None if watermark is None else min(watermark, task.request.now),
        newest_event=task.coverage.newest_event,
        table_version=task.table_version,
        entities=result.entities,
        schema=schema_digest(task.online),
        rebuild_id=task.coverage.rebuild_id,
    )


def _result(task: _Task, sent: int, added: int, computed_at: datetime) -> PushResult:
    entities = task.request.store.count(task.online)
    return PushResult(rows_sent=sent, new_entities=added, entities=entities, computed_at=computed_at)


def _key_schema(view: FeatureView) -> dict[str, pl.DataType]:
    return {name: polars_dtype(dtype) for name, dtype in view.key_types.items()}


def _one_row(now: datetime) -> pl.DataFrame:
    return pl.DataFrame({_TIME: [now]}, schema={_TIME: INSTANT})


def _known(dtype: str | None, feature: str) -> str:
    assert dtype is not None, f"untyped feature {feature}"
    return dtype


def _never_materialized(view: str) -> DataError:
    return DataError(
        f"{view} has no offline table yet", code="FC510", hint=f"featurectl materialize {view} computes it"
    )
