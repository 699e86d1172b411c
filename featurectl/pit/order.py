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
_FEW: Final = 10_000  # rows that are looked at before the others
_DENSE: Final = 8  # numbers a row up to which keys that are numbers already are taken as they are
_BITS: Final = 63  # of a number that is sorted


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


def sort_rows(rows: pl.DataFrame, order: Sequence[str]) -> pl.DataFrame:
    """Return the rows in order, as they are where they have it; nulls last, equal rows may change places."""
    if is_ordered(rows, order):
        return rows
    keys = order[: order.index(EVENT_TIME)]
    rest = order[order.index(EVENT_TIME) + 1 :]
    rows = rows.rechunk()  # gathering from rows in many pieces takes several times as long
    code, greatest = key_codes(rows, keys)
    time = _numbers(rows[EVENT_TIME])
    places = places_in_order(code, greatest, time)
    tied, group = _ties(code[places], time[places])
    if len(tied):
        among = places[tied]
        ranked = rows.select(rest)[among].with_columns(pl.Series(_CODE, group), pl.Series(_PLACE, among))
        places[tied] = ranked.sort([_CODE, *rest], nulls_last=True)[_PLACE].to_numpy()
    return rows[places]


def places_in_order(code: Ints, greatest: int, time: Ints) -> Ints:
    """Return the places of rows in order of (code, time), equal ones as they stand; codes are from 0 to `greatest`.

    Code, time and place make one number of 63 bits, for numbers are sorted several times faster than rows. Where time
    has too few bits left it counts in longer steps, and the few rows that share a code and a step are sorted again.
    """
    import numpy as np

    if len(code) == 0:
        return np.zeros(0, np.int64)
    bits = (len(code) - 1).bit_length()
    room = 1 << (_BITS - bits)
    assert greatest < room, f"{len(code):,} rows are too many to be ordered at once"
    least = int(time.min())
    span = int(time.max()) - least + 1
    slots = min(span, room // (greatest + 1))  # of a code, so that the last of the last code has room
    step = -(-span // slots)
    since = (time - least).view(np.uint64)  # times may be further apart than 63 bits reach
    slot = (since if step == 1 else since // np.uint64(step)).view(np.int64)
    number = code * slots + slot
    packed = pl.Series(number << bits | np.arange(len(code))).sort().to_numpy()
    places: Ints = packed & ((1 << bits) - 1)
    if step > 1:
        tied, group = _ties(packed >> bits)
        among = places[tied]
        if len(tied):
            first = np.minimum.reduceat(time[among], np.searchsorted(group, np.arange(group[-1] + 1)))
            places[tied] = among[places_in_order(group, int(group[-1]), time[among] - first[group])]
    return places


def _ties(*columns: Ints) -> tuple[Ints, Ints]:
    """Return the places that have an equal neighbour in sorted columns, and in them the number of each run, from 0."""
    import numpy as np

    same = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    after, before = np.append(False, same), np.append(same, False)
    tied = np.flatnonzero(after | before)
    return tied, np.cumsum(~after[tied]) - 1


def key_codes(rows: pl.DataFrame, keys: Sequence[str]) -> tuple[Ints, int]:
    """Return a number per row that is ordered as the keys are, nulls last, and the greatest of them.

    Numbers are from 0 and few: at most 8 times as many as there are rows, so that those of two columns make one.
    """
    import numpy as np

    code, greatest = np.zeros(rows.height, np.int64), 0
    for number, name in enumerate(keys if rows.height else ()):
        one, most = _column_codes(rows[name])
        code, greatest = (code * (most + 1) + one, greatest * (most + 1) + most) if number else (one, most)
        if greatest >= _DENSE * rows.height:
            code, greatest = _ranked(pl.Series(_CODE, code))
    return code, greatest


def _column_codes(column: pl.Series) -> tuple[Ints, int]:
    """Return a number per row that is ordered as the values of a column are, and the greatest of them."""
    if column.dtype == pl.Int64 and not column.null_count():
        numbers = column.to_numpy()
        least, most = int(numbers.min()), int(numbers.max())
        if most - least < _DENSE * len(column):
            return numbers - least, most - least
    return _ranked_texts(column) if column.dtype == pl.String else _ranked(column)


def _ranked(column: pl.Series) -> tuple[Ints, int]:
    """Return the rank of each value among the different ones, from 0, nulls last, and the greatest rank."""
    distinct = column.unique().sort(nulls_last=True).to_frame().with_row_index(_PLACE)
    found = column.to_frame().join(distinct, on=column.name, how="left", maintain_order="left", nulls_equal=True)
    return found[_PLACE].cast(pl.Int64).to_numpy(), distinct.height - 1


def _ranked_texts(column: pl.Series) -> tuple[Ints, int]:
    """Return what `_ranked` does, in half the time: texts are numbered as they come, and each one compared once."""
    import numpy as np

    categories = pl.Categories.random()
    coded = column.cast(pl.Categorical(categories))  # its texts are known as long as it is there
    order = categories.to_series().arg_sort().to_numpy()
    ranks = np.empty(len(order) + 1, np.int64)
    ranks[order], ranks[-1] = np.arange(len(order)), len(order)
    greatest = len(order) if column.null_count() else len(order) - 1
    return ranks[coded.to_physical().cast(pl.Int64).fill_null(len(order)).to_numpy()], greatest


def _numbers(times: pl.Series) -> Ints:
    """Return instants as numbers, nulls as one after the last."""
    numbers = times.to_physical().cast(pl.Int64)
    if numbers.null_count():
        known = numbers.drop_nulls().to_numpy()
        numbers = numbers.fill_null(int(known.max()) + 1 if len(known) else 0)
    return numbers.to_numpy()
