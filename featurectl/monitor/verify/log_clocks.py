"""As of when the rows of a prediction log were answered: requests at one instant, events at two."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from featurectl.core.frames.timestamps import INSTANT
from featurectl.language.definitions.view import FeatureView
from featurectl.monitor.verify.log_rows import KNOWN, TIME

_PUSHED = "pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowClocks:
    """The instants of the rows of a log for one view, as `ServedRows` has them; `is_event`: which rows are events."""

    at: pl.Series
    known: pl.Series | None
    read_at: pl.Series
    pushed: pl.Series
    is_event: pl.Series


def row_clocks(view: FeatureView, log: pl.DataFrame, pushed: pl.Series) -> RowClocks:
    """Return as of when each row of a log was answered; `pushed` are the instants that the view's values had.

    What the view of a stream says of an event is true of the event's time, by what was known at its `known_at`. A view
    that is pushed has what was pushed last, which may be later than both.
    """
    given = log[KNOWN] if KNOWN in log.columns else pl.Series(KNOWN, [None] * log.height, dtype=INSTANT)
    frame = log.select(TIME).with_columns(given.alias(KNOWN), pushed.alias(_PUSHED))
    is_event = pl.col(KNOWN).is_not_null()
    known: pl.Expr | None = None
    if not is_true_as_computed(view):
        at, known = pl.col(TIME), pl.when(is_event).then(pl.max_horizontal(KNOWN, _PUSHED)).otherwise(TIME)
    elif view.source.is_stream:
        at, known = pl.when(is_event).then(TIME).otherwise(_PUSHED), pl.coalesce(KNOWN, _PUSHED)
    else:
        at = pl.col(_PUSHED)
    events = frame.select(is_event).to_series()
    return RowClocks(
        at=frame.select(at).to_series(),
        known=None if known is None or not events.any() else frame.select(known).to_series(),
        read_at=frame.select(pl.coalesce(KNOWN, TIME)).to_series(),
        pushed=pushed,
        is_event=events,
    )


def is_true_as_computed(view: FeatureView) -> bool:
    """Return whether values are those of the instant at which they were computed: windows, and all of a stream."""
    return view.kind == "event" or view.source.is_stream
