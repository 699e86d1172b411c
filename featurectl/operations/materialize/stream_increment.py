"""What a run takes of a stream: all events there are, or those after the offsets that a table has been given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from featurectl.core.errors import DataError
from featurectl.core.units import format_instant, instant_us
from featurectl.engines.base import EventPiece, FrameScan
from featurectl.language.definitions.view import FeatureView
from featurectl.language.stream_reach import repeat_reach_us
from featurectl.offline.base import Coverage
from featurectl.offline.event_log import OFFSET, PARTITION
from featurectl.offline.event_log import STAMP as LOGGED
from featurectl.offline.inputs import has_other_definition
from featurectl.offline.stream_coverage import (
    cut_of,
    history_parts,
    log_parts,
    of_history,
    repeats_part,
    repeats_reach_us,
    taken_ends,
)
from featurectl.operations.materialize.planned_increment import why_anew
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.sources.base import RequiredColumns, SourcePart, SourceScan
from featurectl.sources.failures import reading
from featurectl.sources.increment import plan_increment
from featurectl.workspace.event_reader import ORDER, PLACE, EventSourceReader, OpenedStream, stamped_source

NO_NEW_ROWS: Final = "no new rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamIncrement:
    """What a run takes of a stream, for a table that has `base` (None: it is made anew, because of `reason`).

    `pieces` are the events, none where there are no new ones; `covered` is what `Coverage.parts` holds after the run.
    `late` is what came of the history after the cut was taken: rows and the first event time among them.
    """

    stream: OpenedStream
    base: Coverage | None
    pieces: tuple[EventPiece, ...]
    covered: Mapping[str, str]
    reason: str = ""
    late: int = 0
    late_since: datetime | None = None


def plan_stream(
    run: MaterializeRun, coverage: Coverage | None, now: datetime, *, is_asked: bool = False
) -> StreamIncrement:
    """Return what a run takes of a stream for a table that has read `coverage` (None: it is made anew).

    Raises:
        DataError: FC501, the log lacks what the table has, or files of the history are gone of which it is made anew.
        StoreError: the log can't be read.
    """
    stream = stream_reader(run).look(now)
    if coverage is not None and coverage.now is not None and now < coverage.now:
        reason = "the table was computed as of a later now"
        return StreamIncrement(stream=stream, base=coverage, pieces=(), covered=coverage.parts, reason=reason)
    why = "first read" if coverage is None else _why_anew(run, coverage, stream, is_asked=is_asked)
    if coverage is not None and not why:
        return _new_events(run, stream, coverage)
    if coverage is not None:
        _check_history(run, coverage, f"the table of {run.view.name}, made anew ({why}), would lose its rows")
    return _all_events(run, stream, why)


def whole_stream(reader: EventSourceReader, view: FeatureView, now: datetime) -> tuple[OpenedStream, list[EventPiece]]:
    """Return a stream as it is known at an instant, with all of its events for a view."""
    stream = reader.look(now)
    log = [_log_piece(reader, stream, reader.events(stream))] if stream.cut is not None else []
    return stream, [*_history_pieces(reader, view, stream, _history_parts(reader)), *log]


def stream_reader(run: MaterializeRun) -> EventSourceReader:
    """Return the reader of a run of a view of a stream."""
    assert isinstance(run.reader, EventSourceReader)
    return run.reader


def _why_anew(run: MaterializeRun, coverage: Coverage, stream: OpenedStream, *, is_asked: bool) -> str:
    """Return why no events can be added to a table; empty: they can.

    Raises:
        DataError: FC501, the log lacks what the table has.
    """
    if has_other_definition(coverage, run.view):
        return "its table was made by another definition"
    if (reach_us := repeats_reach_us(coverage)) is not None and reach_us < repeat_reach_us(run.view):
        return "its windows are longer, and repeats are known for longer"
    if why := why_anew(run, coverage) or ("a range was asked for" if is_asked else ""):
        return why
    cut = cut_of(coverage)
    if cut is None:
        history = of_history(coverage)
        reader = stream_reader(run)
        if stream.cut is not None:
            return "the stream has begun"
        if reader.history is None:
            return ""
        increment = plan_increment(reader.history, reader.history.parts(), history, stream.until)
        return "the history has other rows" if increment.scans else ""
    _check_log(run, coverage, stream, cut)
    return ""


def _check_history(run: MaterializeRun, coverage: Coverage, otherwise: str) -> None:
    """Check that what a table has read of a history is still there.

    Raises:
        DataError: FC501, a part of it is gone.
    """
    if gone := stream_reader(run).lost_parts((), coverage.parts):
        raise DataError(
            f"the history of source {run.view.source.name}: {gone[0]} is gone, and {otherwise}",
            code="FC501",
            hint=f"bring it back; featurectl materialize --full {run.view.name} makes the table of what there is",
        )


def _check_log(run: MaterializeRun, coverage: Coverage, stream: OpenedStream, cut: int) -> None:
    """Check that a log has all that a table has of it.

    Raises:
        DataError: FC501, it is another one.
    """
    partitions = stream.opened.state.partitions
    ends = taken_ends(coverage)
    lacking = [name for name, end in ends.items() if name not in partitions or partitions[name].end < end]
    if stream.cut is not None and instant_us(stream.cut) == cut and not lacking:
        return
    reader = stream_reader(run)
    what = f"ends before offset {ends[lacking[0]]} of {lacking[0]}" if lacking else "begins at another instant"
    raise DataError(
        f"the log {reader.log.shown} {what}: it is not the one that the table of {run.view.name} was made of",
        code="FC501",
        hint=f"bring it back; featurectl materialize --full {run.view.name} makes the table of what there is",
    )


def _all_events(run: MaterializeRun, stream: OpenedStream, reason: str) -> StreamIncrement:
    reader = stream_reader(run)
    parts = _history_parts(reader)
    pieces = _history_pieces(reader, run.view, stream, parts)
    covered = {**history_parts({part.name: part.stamp for part in parts}), **_repeats(run.view)}
    if stream.cut is not None:
        pieces.append(_log_piece(reader, stream, reader.events(stream)))
        ends = _open_ends(reader, stream, {}, None)
        covered |= _log_parts(stream, ends)
    return StreamIncrement(stream=stream, base=None, pieces=tuple(pieces), covered=covered, reason=reason)


def _new_events(run: MaterializeRun, stream: OpenedStream, base: Coverage) -> StreamIncrement:
    """Return the events that came since a table was written, and those of before that they may be copies of."""
    if stream.cut is None:
        return StreamIncrement(stream=stream, base=base, pieces=(), covered=base.parts, reason=NO_NEW_ROWS)
    reader, taken, until = stream_reader(run), taken_ends(base), _all_known_until(stream, base)
    ends = _open_ends(reader, stream, taken, until)
    covered = {**base.parts, **_log_parts(stream, ends), **_repeats(run.view)}
    events = reader.events(stream, until).filter(~_is_taken(PLACE, ORDER, taken))
    first = _first_stamp(reader, stream, taken, until) if ends != taken else None
    if first is None:
        return StreamIncrement(stream=stream, base=base, pieces=(), covered=covered, reason=NO_NEW_ROWS)
    pieces = [_log_piece(reader, stream, events)]
    if run.view.source.dedup_key:
        pieces += _copied(run, stream, base, first)
    return StreamIncrement(stream=stream, base=base, pieces=tuple(pieces), covered=covered)


def _all_known_until(stream: OpenedStream, base: Coverage) -> datetime | None:
    """Return an instant up to which nothing new has been stamped, so that older files need not be read; None: all are.

    An hour is left for a log that says too much of itself: offsets alone decide what is new.
    """
    known = taken_ends(base).keys() >= stream.opened.state.partitions.keys()
    return base.watermark - timedelta(hours=1) if known and base.watermark is not None else None


def _copied(run: MaterializeRun, stream: OpenedStream, base: Coverage, first: datetime) -> list[EventPiece]:
    """Return the events that a table has been given already and of which new ones may be copies.

    Raises:
        DataError: FC501, a part of the history is gone that may have such events.
    """
    reader = stream_reader(run)
    since = first - timedelta(microseconds=repeat_reach_us(run.view) + 1)
    rows = reader.events(stream, since).filter(_is_taken(PLACE, ORDER, taken_ends(base)))
    pieces = [_log_piece(reader, stream, rows)]
    if since < stream.history_until:
        _check_history(run, base, f"events of before {format_instant(first)} may have copies among its rows")
        pieces += _history_pieces(reader, run.view, stream, _history_parts(reader))
    return [replace(piece, after=since, earlier=True) for piece in pieces]


def _log_piece(reader: EventSourceReader, stream: OpenedStream, rows: pl.LazyFrame) -> EventPiece:
    """Return events of the log, which were checked when they came."""
    source = stamped_source(reader.source)
    return EventPiece(scan=FrameScan(rows=rows), source=source, until=stream.until, order=ORDER, checked=True)


def _history_parts(reader: EventSourceReader) -> tuple[SourcePart, ...]:
    return () if reader.history is None else reader.history.parts()


def _history_pieces(
    reader: EventSourceReader, view: FeatureView, stream: OpenedStream, parts: Sequence[SourcePart]
) -> list[EventPiece]:
    required = RequiredColumns(keys=view.key_columns)
    return [
        EventPiece(
            scan=SourceScan(reader=reader.history, parts=(part,), required=required),
            source=reader.history_source,
            until=stream.history_until,
        )
        for part in parts
        if reader.history is not None
    ]


def _is_taken(place: str, order: str, taken: Mapping[str, int]) -> pl.Expr:
    """Return which events lie before the offset of their partition that a table goes on from."""
    if not taken:
        return pl.lit(value=False)
    return pl.col(order) < pl.col(place).replace_strict(dict(taken), default=-1, return_dtype=pl.Int64)


def _open_ends(
    reader: EventSourceReader, stream: OpenedStream, taken: Mapping[str, int], known_after: datetime | None
) -> dict[str, int]:
    """Return the first offset of each partition that is not taken: that of an event later than `until`, or its end."""
    later = reader.stamps(stream, known_after).filter(pl.col(LOGGED) > stream.until)
    with reading(f"source {reader.source.name}"):
        found = later.group_by(PARTITION).agg(pl.col(OFFSET).min()).collect(engine="streaming")
    waiting = dict(found.iter_rows())
    ends = {name: waiting.get(name, of.end) for name, of in stream.opened.state.partitions.items()}
    return {name: max(end, taken.get(name, end)) for name, end in ends.items()}


def _first_stamp(
    reader: EventSourceReader, stream: OpenedStream, taken: Mapping[str, int], known_after: datetime | None
) -> datetime | None:
    """Return the earliest stamp of what is new; None: nothing is."""
    new = reader.stamps(stream, known_after).filter(
        (pl.col(LOGGED) <= stream.until) & ~_is_taken(PARTITION, OFFSET, taken)
    )
    with reading(f"source {reader.source.name}"):
        found = new.select(pl.col(LOGGED).min()).collect(engine="streaming").item()
    assert found is None or isinstance(found, datetime)
    return found


def _repeats(view: FeatureView) -> dict[str, str]:
    return repeats_part(repeat_reach_us(view)) if view.source.dedup_key else {}


def _log_parts(stream: OpenedStream, ends: Mapping[str, int]) -> dict[str, str]:
    assert stream.cut is not None
    return log_parts(instant_us(stream.cut), ends)
