"""Repeats among the events of a stream: copies of an event that became available soon after the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

_PLACE: Final = "\x00place"


def find_repeats(events: pl.DataFrame, by: Sequence[str], order: Sequence[str], reach_us: int) -> pl.Series:
    """Return whether each event is a repeat, in the order of the frame.

    `by` names the event and whose it is: a null in one of these equals nothing. `order` is in which order copies came,
    the instant of availability first. A copy is a repeat when it became available within the reach of the copy before
    it, which may be a repeat itself. So whether one is does not depend on what came later.
    """
    available = order[0]
    placed = events.select(*dict.fromkeys([*by, *order])).with_row_index(_PLACE)
    named = list(dict.fromkeys(by))
    whole = placed.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in named)).sort(order)
    since_us = (pl.col(available) - pl.col(available).shift(1).over(named)).dt.total_microseconds()
    repeats = whole.filter((since_us <= reach_us).fill_null(value=False))[_PLACE]
    return placed.select(pl.col(_PLACE).is_in(repeats.implode())).to_series()
