"""The label of each row: a column or an expression of the spine, or what happens in [t, t + horizon)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import within_datetime
from featurectl.core.units import format_instant, plural
from featurectl.engines.base import BucketedRows, Engine, Piece, Prepared, ViewBuckets
from featurectl.engines.row_keys import key_fits
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.frames import compile_over
from featurectl.identity.facts.views import read_columns
from featurectl.language.definitions.aggregates import horizon_base
from featurectl.language.definitions.model import Label
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView
from featurectl.language.resolve.training_columns import label_columns
from featurectl.language.typing.registered import type_source, type_view
from featurectl.language.typing.scope import bare_column
from featurectl.offline.order import choose_buckets
from featurectl.operations.materialize.stream_increment import whole_stream
from featurectl.operations.training.spine import SpineRows, require_typed
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER
from featurectl.sources.base import RequiredColumns, SourceReader, SourceScan
from featurectl.sources.casts import cast_exact
from featurectl.sources.failures import reading
from featurectl.sources.increment import plan_increment
from featurectl.workspace.event_reader import EventSourceReader

_TIME: Final = "\x00time"
_VALUE: Final = "\x00value"
_ROWS_PER_BUCKET: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonRows:
    """The rows of a label's source that were known when they were read, to be asked for what comes after an instant.

    `view` is an event view over them whose one feature is the label's aggregate. `watermark` is the greatest
    availability of the rows read, `first_event` their least event time; None: there was none, or of `first_event` that
    nobody asks for it.
    """

    view: FeatureView
    rows: BucketedRows
    watermark: datetime | None
    first_event: datetime | None = None

    def table(self) -> ViewBuckets:
        """Return the rows as a table that is asked at t + horizon: every row is there from its event time on."""
        buckets = choose_buckets(self.rows.height, _ROWS_PER_BUCKET) if self.view.keys else 1
        return ViewBuckets(
            view=self.view,
            buckets=buckets,
            read=lambda bucket: _at_once(self.rows.of(bucket, buckets), self.view.source),
            part=lambda part, parts: _at_once(self.rows.of(part, parts), self.view.source),
            rows=self.rows.height,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTarget:
    """A label and, when it looks over a horizon, the rows that it looks at."""

    label: Label
    ahead: HorizonRows | None = None


def _no_rows() -> pl.Series:
    return pl.Series(dtype=pl.Boolean)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLabels:
    """Which rows of a spine have no label over a horizon, by reason; both empty where a label has no horizon.

    `immature`: the horizon is not over yet; `before_source`: others, which lie before the first event of the source.
    """

    immature: pl.Series = field(default_factory=_no_rows)
    before_source: pl.Series = field(default_factory=_no_rows)

    def up_to(self, now: datetime | None, time: pl.Series) -> MissingLabels:
        """Return those of the rows that are not later than `now`; None: all."""
        if now is None or not len(self.immature):
            return self
        past = time <= now
        return MissingLabels(immature=self.immature.filter(past), before_source=self.before_source.filter(past))


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """The label of each row of a spine, and which rows have none."""

    column: pl.Series
    missing: MissingLabels = field(default_factory=MissingLabels)


def label_view(label: Label) -> FeatureView:
    """Return the event view, not yet typed, whose one feature is the aggregate of a label over a horizon."""
    assert label.source is not None
    assert label.op is not None
    assert label.horizon_us is not None
    keys = label.entity.keys if label.entity else {}
    value = None if label.column is None else NamedExpression(name=_VALUE, expression=bare_column(label.column))
    return FeatureView(
        name=f"label {label.name}",
        kind="event",
        entity=label.entity,
        source=label.source,
        join={key: key for key in keys},
        where=label.where,
        inputs=() if value is None else (value,),
        features=(
            Feature(
                name=horizon_base(label.op, label.column),
                op=label.op,
                column=None if value is None else value.name,
                dtype=None,
                window_us=label.horizon_us,
            ),
        ),
    )


def read_target(
    engine: Engine, label: Label | None, open_source: Callable[[Source], SourceReader], now: datetime, room: SpillRoom
) -> LabelTarget | None:
    """Return a label with all rows of its source that are available at now; None without a label.

    Rows that outgrow the memory lie in files as long as `room` is open.

    Raises:
        DataError: the source can't be read, or its columns don't fit the label.
    """
    if label is None or label.source is None:
        return None if label is None else LabelTarget(label=label)
    if label.source.is_stream:
        return _read_stream_target(engine, label, open_source(label.source), now, room)
    reader = open_source(label.source)
    view, columns = label_view(label), reader.columns()
    _check_columns(view, columns)
    view = type_view(replace(view, source=type_source(view.source, columns)), columns)
    scans = plan_increment(reader, reader.parts(), None, now).scans
    required = RequiredColumns(keys=view.key_columns)
    pieces = [
        Piece(scan=SourceScan(reader=reader, parts=(part,), since=scan.since, required=required), until=now)
        for scan in scans
        for part in scan.parts
    ]
    with reading(f"source {view.source.name}"):
        prepared = engine.prepare(pieces, view, room=room)
    return LabelTarget(label=label, ahead=ahead_of(view, prepared))


def _read_stream_target(
    engine: Engine, label: Label, reader: SourceReader, now: datetime, room: SpillRoom
) -> LabelTarget:
    """Return a label over the events of a stream: those up to the `asof` of its log, which labels wait for."""
    assert isinstance(reader, EventSourceReader)
    view, columns = label_view(label), reader.source.columns or {}
    view = type_view(replace(view, source=type_source(view.source, columns)), columns)
    with reading(f"source {view.source.name}"):
        stream, pieces = whole_stream(reader, view, now)
        prepared = engine.prepare_events(pieces, view, room=room)
    watermark = prepared.watermark if stream.cut is None else stream.until
    return LabelTarget(label=label, ahead=ahead_of(view, replace(prepared, watermark=watermark)))


def _check_columns(view: FeatureView, columns: Mapping[str, str]) -> None:
    """See that a label's source has the columns that it is made of."""
    made = {item.name for item in view.source.select}
    if gone := sorted(read_columns(view) - columns.keys() - made):
        source = view.source
        message = f"{view.name}: source {source.name}, {source.place} has no column {gone[0]!r}"
        hint = f"bring back the data as it was, or change the label; its columns: {', '.join(columns)}"
        raise DataError(message, code="FC503", hint=hint)


def ahead_of(view: FeatureView, prepared: Prepared) -> HorizonRows:
    """Return prepared rows of a typed `label_view`."""
    first = None if prepared.begins is None else prepared.begins[0]
    return HorizonRows(view=view, rows=prepared.rows, watermark=prepared.watermark, first_event=first)


def label_rows(engine: Engine, target: LabelTarget | None, spine: SpineRows) -> Labelled | None:
    """Return the label of each row; None where there is none or the spine lacks what it is made of.

    A label over a horizon is null where t + horizon is after the watermark of its source (it is immature), where t is
    before the first event of its source, whose files may have held earlier ones, where a key or t is null, where the
    key is too long for a store (rows of it are dropped), and where its expression is. It counts every row with
    t <= event_time < t + horizon.

    Raises:
        DataError: FC504, a column has a type that the label can't read.
    """
    if target is None:
        return None
    label = target.label
    if not label_columns(label) <= set(spine.own.columns):
        return None
    if target.ahead is not None:
        return _horizon_label(engine, label, target.ahead, spine)
    require_typed(spine.rows, spine.own, label_columns(label), f"label {label.name}")
    if label.expression is None:
        return Labelled(column=spine.rows[label.name])
    column = compile_over(label.expression.text, spine.rows, f"label {label.name}")
    return Labelled(column=spine.rows.select(column.alias(label.name)).to_series())


def _horizon_label(engine: Engine, label: Label, ahead: HorizonRows, spine: SpineRows) -> Labelled:
    view = ahead.view
    over = _after(spine.time, label)
    keys = [
        cast_exact(spine.column(key), dtype, f"spine {spine.origin}: key {key}").alias(key)
        for key, dtype in view.key_types.items()
    ]
    asked = pl.DataFrame([*keys, over.alias(_TIME)])
    values = engine.answer(ahead.table(), asked, _TIME)
    if label.expression is not None:
        values = values.select(compile_over(label.expression.text, values, f"label {label.name}"))
    fits = key_fits([*view.key_types], [*view.key_types.values()]) if view.key_types else None  # others were dropped
    whole = pl.all_horizontal(pl.col(asked.columns).is_not_null(), *([] if fits is None else [fits]))
    mature = pl.lit(False) if ahead.watermark is None else pl.col(_TIME) <= ahead.watermark
    known = asked.select(whole=whole, mature=whole & mature)
    before = known["mature"] & _is_before(ahead.first_event, spine.time)
    column = values.to_series().alias(label.name).to_frame()
    column = column.select(pl.when(known["mature"] & ~before).then(pl.col(label.name)))
    missing = MissingLabels(immature=known["whole"] & ~known["mature"], before_source=before)
    return Labelled(column=column.to_series(), missing=missing)


def before_source_line(target: LabelTarget | None, rows: int) -> str:
    """Return what there is to say of rows whose label is null because they lie before its source; "" without any."""
    if not rows or target is None or target.ahead is None or target.ahead.first_event is None:
        return ""
    source, are = target.ahead.view.source, plural(rows, "row is", "rows are")
    first = f"the first event that source {source.name} holds now ({format_instant(target.ahead.first_event)})"
    return f"{rows:,} {are} before {first}: the label {target.label.name} is null there"


def _is_before(first: datetime | None, time: pl.Series) -> pl.Series:
    """Return which instants are before the first event; one that is null is not."""
    if first is None:
        return pl.repeat(value=False, n=len(time), eager=True)
    earlier = within_datetime(pl.col(time.name)) < first  # which is within, too
    return time.to_frame().select(earlier.fill_null(value=False)).to_series()


def _after(time: pl.Series, label: Label) -> pl.Series:
    """Return the end of each row's horizon."""
    return time.to_frame().select(pl.col(time.name) + pl.duration(microseconds=label.horizon_us)).to_series()


def _at_once(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Return rows in their order as if each had been available when it happened."""
    ties = [TIE.format(i) for i in range(len(source.tiebreak))]
    number = pl.int_range(pl.len(), dtype=pl.Int64)
    return rows.drop(ties).with_columns(pl.col(EVENT_TIME).alias(AVAILABLE_AT), number.alias(TIE_ORDER))
