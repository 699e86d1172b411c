"""Look at every source and view of a project, and judge its freshness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from featurectl.core.errors import DataError, FeaturectlError, NoAnswerError, StoreError
from featurectl.core.units import counted, format_instant, instant_us, plural
from featurectl.engines.base import TOO_LATE, Engine
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.entities import StaleEntities, count_stale
from featurectl.monitor.freshness import FreshnessRow, age_at, judge_age
from featurectl.monitor.last_event import last_event_until
from featurectl.offline.base import OfflineTable
from featurectl.online.base import Bound, OnlineStore, OnlineView
from featurectl.online.future_pushes import how_far_ahead, tell_ahead
from featurectl.online.missing_rows import rows_lost
from featurectl.operations.materialize.part_begins import changed_since
from featurectl.operations.materialize.part_rows import describe_changed, to_mend
from featurectl.sources.base import SourceReader, SourceScan
from featurectl.sources.failures import reading
from featurectl.workspace.event_reader import EventSourceReader, selected_source

NO_ROWS: Final = "no rows yet"
NOT_MATERIALIZED: Final = "not materialized yet"
NOT_PUSHED: Final = "not pushed to the online store yet"
NOT_ONLINE: Final = "not online: no worker has run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedView:
    """A view version to look at: its table, and its place in the online store (None: offline only).

    `lost`: the place of all tables is gone, so that a table that is not there says nothing. `clock` is the real time
    where that is what now means. `latest_run` and `latest_push` give the latest instants as of which a table, or what
    is online, can rightly have been computed. `stream_asof` is given of a view that workers keep online: it reads the
    instant up to which all events of its stream are in it, None where it is not online; `stream_event` reads when the
    last event was that the stream's log has.
    """

    view: FeatureView
    version: int
    table: OfflineTable
    online: OnlineView | None
    lost: str = ""
    clock: datetime | None = None
    latest_run: Bound | None = None
    latest_push: Bound | None = None
    stream_asof: Callable[[], datetime | None] | None = None
    stream_event: Callable[[], datetime | None] = lambda: None


def freshness_of_views(
    served: Sequence[ServedView], store: Callable[[], OnlineStore], now: datetime, *, entities: bool = False
) -> list[FreshnessRow]:
    """Return a row per view: its age is now - the source watermark behind the values that it serves.

    A store that does not answer is not asked again for the next view. With `entities` those that are stale are counted
    (`monitor/entities.py`), which reads the clocks of all rows.
    """
    rows: list[FreshnessRow] = []
    gone: dict[str, FeaturectlError] = {}  # by code: the offline store's, the online store's
    for item in served:
        error = gone.get("FC603") or (gone.get("FC602") if item.online else None)
        if error is not None:
            rows.append(_failed(item, error.message))
            continue
        row, error = _check_view(item, store, now, entities=entities)
        rows.append(row)
        if isinstance(error, NoAnswerError):
            gone[error.code] = error
    return rows


def freshness_of_source(
    source: Source, reader: Callable[[Source], SourceReader], engine: Engine, now: datetime
) -> FreshnessRow:
    """Return the row of a source: its age is now - its greatest available_at; rows of the future do not count."""
    try:
        opened = reader(source)
        with reading(f"source {source.name}"):
            event, available = _newest(source, opened, engine, now)
    except FeaturectlError as error:
        return FreshnessRow(
            kind="source", name=source.name, verdict="ERROR", freshness=source.freshness, error=error.message
        )
    age = age_at(now, available)
    if age is None and not source.static:
        return FreshnessRow(kind="source", name=source.name, verdict="ERROR", freshness=source.freshness, error=NO_ROWS)
    verdict, over = judge_age(age, source.freshness)
    return FreshnessRow(
        kind="source",
        name=source.name,
        verdict=verdict,
        freshness=source.freshness,
        last_event=event,
        last_available=available,
        age_us=age,
        over_us=over,
    )


def _newest(
    source: Source, reader: SourceReader, engine: Engine, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return the newest event and the newest availability of a source; of a stream that is the `asof` of its log."""
    scan = SourceScan(reader=reader, parts=reader.parts())
    if not isinstance(reader, EventSourceReader):
        return engine.newest(scan, source, now)
    event, available = engine.newest(scan, selected_source(source), now)
    stream = reader.look(now)
    return event, available if stream.cut is None else stream.until


def _check_view(
    item: ServedView, store: Callable[[], OnlineStore], now: datetime, *, entities: bool
) -> tuple[FreshnessRow, FeaturectlError | None]:
    try:
        served = _with_last_event(item, look_at_served(item, store), now)
        counts = entities and item.stream_asof is None  # a table is behind what is online of a stream
        stale = count_stale(item.view, item.table, served.computed_at, now) if counts else None
        future = _of_the_future(item, served)
    except FeaturectlError as error:
        return _failed(item, "; ".join(filter(None, [error.message, error.hint]))), error
    if future:
        return replace(_failed(item, future), future=True), None
    return _row(item, served, stale, now), None


def _row(item: ServedView, served: ServedFreshness, stale: StaleEntities | None, now: datetime) -> FreshnessRow:
    later = served.computed_at is not None and served.computed_at > now
    done = f"{_how(item)} as of {_minute(served.computed_at)}"
    if served.watermark is not None and served.watermark > now:
        return _failed(item, f"{done}, later than this now: what was known before is not kept")
    age = age_at(now, served.watermark)
    verdict, over = judge_age(age, item.view.freshness)
    rows = served.lost + (served.entities or 0)
    are_gone = f"{plural(rows, 'row')} {plural(served.lost, 'is', 'are')} gone"
    gone = f"{served.lost:,} of {rows:,} {are_gone}: featurectl push {item.view.name}"
    ahead, changed = served.newest_event is not None and served.newest_event > now, served.changed_parts
    late = f"{counted(served.late, 'late row')} left out: {to_mend(item.view.name, served.late_since)}"
    notes = [
        served.note,
        gone if served.lost else "",
        f"{done} only" if later else "",
        "newer events lie ahead of now" if ahead else "",
        late if served.late else "",
        f"{describe_changed(changed)}: {to_mend(item.view.name, served.changed_since)}" if changed else "",
    ]
    return FreshnessRow(
        kind="view",
        name=item.view.name,
        verdict="ERROR" if served.lost else verdict,
        freshness=item.view.freshness,
        last_event=served.last_event if ahead else served.newest_event,
        last_available=served.watermark,
        age_us=age,
        over_us=over,
        version=item.version,
        rows=served.rows,
        online_keys=None if later else served.entities,
        computed_at=None if later else served.computed_at,
        entities=None if stale is None else stale.entities,
        stale_entities=None if stale is None else stale.stale,
        lost=served.lost,
        late_rows=served.late,
        changed_parts=served.changed_parts,
        note=", ".join(note for note in notes if note),
    )


def _how(item: ServedView) -> str:
    """Return what was done to a view as of the instant that it serves."""
    if item.stream_asof is not None:
        return "online"
    return "materialized" if item.online is None else "pushed"


def _with_last_event(item: ServedView, served: ServedFreshness, now: datetime) -> ServedFreshness:
    """Return what stands behind a view with the last event until now, where its newest lies ahead."""
    if item.stream_asof is not None or served.newest_event is None or served.newest_event <= now:
        return served
    if served.watermark is None:
        return served
    return replace(served, last_event=last_event_until(item.table, now, served.watermark))


def _of_the_future(item: ServedView, served: ServedFreshness) -> str:
    """Return what was computed as of an instant that has not come, and what to do; "" where nothing was."""
    name = item.view.name
    if item.stream_asof is not None and item.clock is not None and served.watermark is not None:
        return tell_ahead(instant_us(served.watermark), instant_us(item.clock))
    far = _far(served.computed_at, item.latest_push, "the online store's clock") if item.online is not None else ""
    if far:
        return f"pushed as of {far}: featurectl push --full {name}"
    far = _far(served.table_at, item.latest_run, "the registry's clock")
    return f"materialized as of {far}: featurectl materialize --full {name}" if far else ""


def _far(computed_at: datetime | None, latest: Bound | None, of: str) -> str:
    return "" if computed_at is None or latest is None else how_far_ahead(computed_at, latest(), of)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedFreshness:
    """What stands behind the values of a view: of the last push, without an online store of its table.

    `entities` are those in the online store, as they were counted there now, where it can say, else as of the last
    push; `lost` so many it had then and has not now. `last_event` is the last until now where the newest lies ahead,
    and is looked for. `table_at` is the instant as of which the table was computed.
    `late` rows were known before the watermark when their files came, and are not in the table; `late_since` is the
    first of their event times. Of `changed_parts` it has rows that were changed or are gone since, from
    `changed_since` on.
    """

    rows: int
    entities: int | None
    newest_event: datetime | None
    watermark: datetime | None
    computed_at: datetime | None
    table_at: datetime | None
    last_event: datetime | None = None
    lost: int = 0
    late: int = 0
    late_since: datetime | None = None
    changed_parts: tuple[str, ...] = ()
    changed_since: datetime | None = None
    note: str = ""


def look_at_served(item: ServedView, store: Callable[[], OnlineStore]) -> ServedFreshness:
    """Return what stands behind the values that a view serves.

    Raises:
        DataError: it serves nothing: FC510 it has no table, FC511 nothing was pushed.
        StoreError: a store can't be read, or is not there.
    """
    item.table.check_files()
    if item.stream_asof is not None:
        return _look_at_stream(item, item.stream_asof())
    coverage = item.table.coverage()
    if coverage is None and item.lost:
        raise StoreError(item.lost, code="FC603")
    if coverage is None:
        raise DataError(NOT_MATERIALIZED, code="FC510")
    record = None if item.online is None else store().read_push_record(item.online)
    if item.online is not None and record is None:
        raise DataError(NOT_PUSHED, code="FC511")
    behind = coverage if record is None else record
    there = None if item.online is None else store().count_rows(item.online)
    return ServedFreshness(
        rows=item.table.statistics().rows,
        entities=None if record is None else record.entities if there is None else there,
        newest_event=behind.newest_event,
        watermark=behind.watermark,
        computed_at=coverage.now if record is None else record.computed_at,
        table_at=coverage.now,
        lost=0 if record is None else rows_lost(item.view, record, there, item.clock),
        late=coverage.dropped.get(TOO_LATE, 0),
        late_since=coverage.late_events[0] if coverage.late_events else None,
        changed_parts=coverage.changed_parts,
        changed_since=changed_since(coverage),
    )


def _look_at_stream(item: ServedView, asof: datetime | None) -> ServedFreshness:
    """Return what stands behind a view of a stream, which has a table or not: all events up to an instant."""
    if asof is None:
        raise DataError(NOT_ONLINE, code="FC550")
    coverage = item.table.coverage()
    return ServedFreshness(
        rows=0 if coverage is None else item.table.statistics().rows,
        entities=None,
        newest_event=item.stream_event(),
        watermark=asof,
        computed_at=asof,
        table_at=None if coverage is None else coverage.now,
        note=NOT_MATERIALIZED if coverage is None else "",
    )


def _failed(item: ServedView, why: str) -> FreshnessRow:
    return FreshnessRow(
        kind="view",
        name=item.view.name,
        verdict="ERROR",
        freshness=item.view.freshness,
        version=item.version,
        error=why,
    )


def _minute(instant: datetime | None) -> str:
    return "-" if instant is None else format_instant(instant)
