"""The total order of a table's rows, nulls of tiebreak columns last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final

import polars as pl

from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER

if TYPE_CHECKING:
    from featurectl.pit.arrays import Ints

_CODE, _PLACE = "\x00code", "\x00place"
_FEW: Final = 10_000  # of fewer rows it is not worth while
_DENSE: Final = 64  # numbers a row up to which keys that are numbers already are taken as they are
_REPEATED: Final = 4  # rows a text from which on it is worth while to number texts as they come
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
    """Return whether each row is at or after the row before it; a null comes last and equals a null.

    The first rows are looked at alone before the others: where there is no order they mostly show it.
    """
    if rows.height > _FEW and not is_ordered(rows.head(_FEW), order):
        return False
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
    rows = rows.rechunk()  # gathering from rows in many pieces takes several times as long
    return rows[_places(rows, order, code)]


def _places(rows: pl.DataFrame, order: Sequence[str], code: Ints) -> Ints:
    """Return the places of the rows in order, by the number of each, and among those that share it by the rest."""
    import numpy as np

    places = pl.Series(code).arg_sort().to_numpy()  # numpy's takes twice as long
    code = code[places]
    same = np.flatnonzero(code[1:] == code[:-1])
    if len(same) == 0:
        return places
    tied = np.union1d(same, same + 1)
    rest = order[order.index(EVENT_TIME) + 1 :]
    ranked = rows.select(rest)[places[tied]].with_columns(pl.Series(_CODE, code[tied]), pl.Series(_PLACE, places[tied]))
    places = places.copy()
    places[tied] = ranked.sort([_CODE, *rest], nulls_last=True)[_PLACE].to_numpy()
    return places


def _codes(rows: pl.DataFrame, keys: Sequence[str]) -> Ints | None:
    """Return a number per row that is ordered as (keys, event time) are; None when there is none in 64 bits."""
    if any(rows[name].null_count() for name in (*keys, EVENT_TIME)):
        return None
    found = _key_codes(rows, keys)
    if found is None:
        return None
    key, most = found
    time = rows[EVENT_TIME].to_physical().to_numpy()
    least = int(time.min())
    span = int(time.max()) - least + 1
    return None if (most + 1) * span > _MOST else key * span + (time - least)


def _key_codes(rows: pl.DataFrame, keys: Sequence[str]) -> tuple[Ints, int] | None:
    """Return a number per row that is ordered as the keys are, and the greatest of them; None when 64 bits are few."""
    import numpy as np

    code, most = np.zeros(rows.height, np.int64), 0
    for name in keys:
        one, greatest = _column_codes(rows[name])
        if (most + 1) * (greatest + 1) > _MOST:
            return None
        code, most = (code * (greatest + 1) + one, most * (greatest + 1) + greatest) if most else (one, greatest)
    return code, most


def _column_codes(column: pl.Series) -> tuple[Ints, int]:
    """Return a number per row that is ordered as the values of a column are, and the greatest of them."""
    if column.dtype == pl.Int64:
        numbers = column.to_numpy()
        least, most = int(numbers.min()), int(numbers.max())
        if most - least < _DENSE * len(column):
            return numbers - least, most - least
    if column.dtype == pl.String:
        texts = column.to_frame().select(pl.first().approx_n_unique()).item()
        if texts * _REPEATED < len(column):
            return _text_codes(column)
    distinct = column.unique().sort().to_frame().with_row_index(_CODE)
    found = column.to_frame().join(distinct, on=column.name, how="left", maintain_order="left")[_CODE]
    return found.cast(pl.Int64).to_numpy(), distinct.height - 1


def _text_codes(column: pl.Series) -> tuple[Ints, int]:
    """Return what `_column_codes` does, for texts: only the distinct ones are compared with each other."""
    import numpy as np

    categories = pl.Categories.random()
    coded = column.cast(pl.Categorical(categories))  # numbered as they come; they are known as long as it is there
    order = categories.to_series().arg_sort().to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[coded.to_physical().to_numpy()], len(order) - 1
