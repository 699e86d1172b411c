"""The total order of a table's rows, nulls of tiebreak columns last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count, takewhile
from typing import Final

import numpy as np
import polars as pl

from featurectl.pit.arrays import Ints
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER

_CODE, _PLACE = "\x00code", "\x00place"
_FEW: Final = 10_000  # of fewer rows it is not worth while
_DENSE: Final = 64  # numbers a row up to which keys that are numbers already are taken as they are
_MOST: Final = 2**63 - 1


def row_order(keys: Sequence[str], columns: Collection[str]) -> list[str]:
    """Return the columns that rows are ordered by: keys, event time, availability, tiebreak columns, hash.

    >>> row_order(["carrier"], ["carrier", "event_time", "available_at", "tie_0", "tie_order", "delay"])
    ['carrier', 'event_time', 'available_at', 'tie_0', 'tie_order']
    """
    return [*keys, EVENT_TIME, AVAILABLE_AT, *tie_columns(columns), TIE_ORDER]


def tie_columns(columns: Collection[str]) -> list[str]:
    """Return the tiebreak columns among the columns of a table, in order.

    >>> tie_columns(["tie_order", "tie_1", "tie_0"])
    ['tie_0', 'tie_1']
    """
    return list(takewhile(columns.__contains__, (TIE.format(i) for i in count())))


def is_ordered(rows: pl.DataFrame, order: Sequence[str]) -> bool:
    """Return whether each row is at or after the row before it; a null comes last and equals a null."""
    after = pl.lit(value=True)
    for name in reversed(order):
        column, before = pl.col(name), pl.col(name).shift(1)
        if rows[name].null_count():
            later = (column > before).fill_null(column.is_null() & before.is_not_null())
            after = later | (column.eq_missing(before) & after)
        else:
            after = (column > before) | ((column == before) & after)
    return rows.select(after.slice(1).all()).item() is True


def sort_rows(rows: pl.DataFrame, order: Sequence[str], few: int = _FEW) -> pl.DataFrame:
    """Return the rows in order; rows that are equal in all of its columns may change places.

    Key and time make one number, by which a machine sorts several times faster than by columns; only rows that share
    it are sorted by the rest. Up to `few` rows, and where 64 bits hold no such number, it sorts by columns.
    """
    keys = order[: order.index(EVENT_TIME)]
    code = _codes(rows, keys) if rows.height > few else None
    if code is None:
        return rows.sort(order, nulls_last=True, maintain_order=True)
    places = pl.Series(code).arg_sort().to_numpy()  # in half the time of numpy
    ordered, code = rows[places], code[places]
    same = np.flatnonzero(code[1:] == code[:-1])
    if len(same) == 0:
        return ordered
    tied = np.union1d(same, same + 1)
    places = np.arange(rows.height)
    ranked = ordered[tied].with_columns(pl.Series(_CODE, code[tied]), pl.Series(_PLACE, tied))
    places[tied] = ranked.sort([_CODE, *order[len(keys) + 1 :]], nulls_last=True)[_PLACE].to_numpy()
    return ordered[places]


def _codes(rows: pl.DataFrame, keys: Sequence[str]) -> Ints | None:
    """Return a number per row that is ordered as (keys, event time) are; None when there is none in 64 bits."""
    if any(rows[name].null_count() for name in (*keys, EVENT_TIME)):
        return None
    key, most = _key_codes(rows, keys)
    time = rows[EVENT_TIME].to_physical().to_numpy()
    least = int(time.min())
    span = int(time.max()) - least + 1
    return None if (most + 1) * span > _MOST else key * span + (time - least)


def _key_codes(rows: pl.DataFrame, keys: Sequence[str]) -> tuple[Ints, int]:
    """Return a number per row that is ordered as the keys are, and the greatest of them."""
    if not keys:
        return np.zeros(rows.height, np.int64), 0
    if len(keys) == 1 and rows.schema[keys[0]] == pl.Int64:
        key = rows[keys[0]].to_numpy()
        least, most = int(key.min()), int(key.max())
        if most - least < _DENSE * rows.height:
            return key - least, most - least
    distinct = rows.select(keys).unique().sort(keys).with_row_index(_CODE)
    found = rows.select(keys).join(distinct, on=keys, how="left", maintain_order="left")[_CODE]
    return found.cast(pl.Int64).to_numpy(), distinct.height - 1
