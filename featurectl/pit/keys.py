"""Rows in total order, the run of rows of each key, and the run that each spine row asks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Final

import numpy as np
import polars as pl

from featurectl.core.errors import StoreError
from featurectl.pit.arrays import Bools, Ints
from featurectl.pit.columns import pick
from featurectl.pit.order import is_ordered, key_codes, places_in_order, row_order, sort_rows, tie_columns
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE_ORDER

_CODE: Final = "\x00code"


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The half-open run [starts, ends) of rows of each key; the runs follow each other without a gap."""

    starts: Ints
    ends: Ints

    @cached_property
    def owner(self) -> Ints:
        """The number of its group for every row."""
        return np.repeat(np.arange(len(self.starts)), self.ends - self.starts)

    def moved(self, before: Ints) -> Groups:
        """Return the groups after rows were left out; `before[i]` is how many of the first i rows stayed."""
        return Groups(starts=before[self.starts], ends=before[self.ends])


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedTable:
    """Rows in total order. The last group is empty: it belongs to every key that has no row.

    `delay_us`: every row is available so long after its event time; None: `available_at` tells.
    """

    frame: pl.DataFrame
    keys: tuple[str, ...]
    distinct: pl.DataFrame  # the keys of all groups but the last, in order
    groups: Groups
    event_time: Ints  # microseconds, as available_at
    available_at: Ints
    delay_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """The spine rows that can have an answer (key and times not null), ordered by (key, t).

    `known` is when each was asked, at its time or later: the rows available then count. `place` holds for every spine
    row, in spine order, the probe that answers it, or null.
    """

    group: Ints
    time: Ints
    known: Ints
    place: pl.Series


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedSpine:
    """The rows of a spine as `Probes` has them, before any table is asked: `code` is the row of a probe in `distinct`.

    `distinct` has the different keys in ascending order; without keys it is one row without columns. `found` says of
    each of them whether a table that was asked has a row of it, whenever that was: it is marked by each search.
    """

    distinct: pl.DataFrame
    code: Ints
    time: Ints
    known: Ints
    place: pl.Series
    found: Bools


class AskedSpine:
    """A spine whose order by some keys is found once, when first needed, for all tables with these keys.

    `known`: its column of the instants of knowledge, see `order_spine`.
    """

    def __init__(self, rows: pl.DataFrame, keys: Sequence[str], time: str, known: str | None = None) -> None:
        self.rows, self.time, self.known = rows, time, known
        self._keys = tuple(keys)
        self._found_at_others: list[pl.Series] = []

    @cached_property
    def ordered(self) -> OrderedSpine:
        """The rows in their order."""
        return order_spine(self.rows, self._keys, self.time, self.known)

    def found(self) -> pl.Series:
        """Return of each row whether a table that was asked has a row of its key; a null in a key has none.

        A row without a time asks nothing: of its key nothing is missed.
        """
        ordered = self.ordered
        own = pick(pl.Series(ordered.found[ordered.code]), ordered.place)
        if own.null_count():
            own = own.fill_null(self.rows.select(pl.all_horizontal(pl.col(self._keys).is_not_null())).to_series())
        return reduce(or_, self._found_at_others, own)

    def take_found(self, others: AskedSpine) -> None:
        """Take over what was found for the same rows at other times."""
        self._found_at_others.append(others.found())


def microseconds(times: pl.Series) -> Ints:
    """Return a timestamp column without nulls as microseconds since 1970."""
    dtype = times.dtype
    assert isinstance(dtype, pl.Datetime), f"{times.name} is {dtype}"
    return times.cast(pl.Datetime("us", dtype.time_zone)).cast(pl.Int64).to_numpy()


def arrange(rows: pl.DataFrame, keys: Sequence[str], delay_us: int = 0) -> SortedTable:
    """Return the rows as a table, sorted by (keys, event_time, available_at, tiebreak columns, tie_order).

    Tables are kept sorted, so this is a few comparisons with the row before; rows in any other order are sorted. Rows
    without `available_at` are available `delay_us` after their event time. Rows without `tie_order` come from where
    ties are kept in order: they are not sorted again.

    Raises:
        StoreError: FC603, such rows are not in order.
    """
    table = _table(rows, tuple(keys), delay_us)
    if _in_order(table):
        return table
    if TIE_ORDER not in rows.columns:
        raise StoreError("a file of an offline table is not in order", code="FC603", hint="materialize --full")
    return _table(sort_rows(rows, row_order(keys, rows.columns)), tuple(keys), delay_us)


def _table(rows: pl.DataFrame, keys: tuple[str, ...], delay_us: int) -> SortedTable:
    new = np.zeros(rows.height, np.bool_)
    new[:1] = True
    for key in keys:
        new |= rows[key].ne_missing(rows[key].shift(1)).to_numpy()
    starts = np.append(np.flatnonzero(new), rows.height)
    distinct = rows.select(keys) if keys else pl.DataFrame()
    event_time = microseconds(rows[EVENT_TIME])
    is_given = AVAILABLE_AT in rows.columns
    return SortedTable(
        frame=rows,
        keys=keys,
        distinct=distinct[starts[:-1]] if keys and not new.all() else distinct,
        groups=Groups(starts=starts, ends=np.append(starts[1:], rows.height)),
        event_time=event_time,
        available_at=microseconds(rows[AVAILABLE_AT]) if is_given else event_time + delay_us,
        delay_us=None if is_given else delay_us,
    )


def _in_order(table: SortedTable) -> bool:
    """Return whether each key is one run and its rows are in total order."""
    if table.keys and table.distinct.is_duplicated().any():
        return False
    same_key = np.ones(max(table.frame.height - 1, 0), np.bool_)
    same_key[table.groups.starts[1:-1] - 1] = False
    before, after = table.event_time[:-1], table.event_time[1:]
    if np.any(same_key & (after < before)):
        return False
    if TIE_ORDER not in table.frame.columns:
        return True
    tied = np.flatnonzero(same_key & (after == before))
    if tie_columns(table.frame.columns):
        return _ties_in_order(table, np.union1d(tied, tied + 1))
    available, tie = table.available_at, table.frame[TIE_ORDER].to_numpy()
    earlier = available[tied + 1] < available[tied]
    swapped = (available[tied + 1] == available[tied]) & (tie[tied + 1] < tie[tied])
    return not np.any(earlier | swapped)


def _ties_in_order(table: SortedTable, places: Ints) -> bool:
    """Return whether the rows at these places, in order of key and event time, are in total order."""
    group = "\x00group"
    rows = table.frame[places].with_columns(pl.Series(group, table.groups.owner[places]))
    return is_ordered(rows, row_order([group], rows.columns))


def order_spine(spine: pl.DataFrame, keys: Sequence[str], time: str, known: str | None = None) -> OrderedSpine:
    """Return the rows of a spine ordered by (keys, time), for every table with these keys; nulls ask nothing.

    Rows of a table count that were available at `known`; without it at `time`. Where it is before `time`, it is the
    time as well: nobody knows at an instant what happens after it.
    """
    asks: Bools = np.ones(spine.height, np.bool_)
    for column in (spine[name] for name in (time, *([known] if known else []), *keys)):
        if column.null_count():
            asks &= column.is_not_null().to_numpy()
    asking = np.flatnonzero(asks)
    chosen = spine if len(asking) == spine.height else spine[asking]
    moment = asked = microseconds(chosen[time])
    if known:
        asked = microseconds(chosen[known])
        moment = np.minimum(moment, asked)
    distinct, code, order = _grouped(chosen, keys, moment)
    place = np.full(spine.height, -1, np.int64)
    place[asking[order]] = np.arange(len(order))
    answered = pl.Series(place)
    if len(asking) < spine.height:
        answered = answered.set(pl.Series(~asks), None)
    return OrderedSpine(
        distinct=distinct,
        code=code,
        time=moment[order],
        known=asked[order],
        place=answered,
        found=np.zeros(distinct.height, np.bool_),
    )


def _grouped(rows: pl.DataFrame, keys: Sequence[str], moment: Ints) -> tuple[pl.DataFrame, Ints, Ints]:
    """Return the different keys, the rows' places in order of (keys, moment), and in that order the key of each."""
    code, greatest = key_codes(rows, keys)
    order = places_in_order(code, greatest, moment)
    ordered = code[order]
    new = np.append(True, ordered[1:] != ordered[:-1])[: len(order)]
    distinct = rows.select(keys)[order[new]] if keys else pl.DataFrame(height=1)
    return distinct, np.cumsum(new) - 1, order


def find_probes(table: SortedTable, spine: OrderedSpine) -> Probes:
    """Return the questions that the spine asks of the table, ordered so that the search walks forward.

    A key that the table does not hold asks the empty group; those that it holds are marked in the spine.
    """
    group = _group_of(table, spine.distinct)
    spine.found[group < len(table.groups.starts) - 1] = True  # never back: another table may be asked meanwhile
    return Probes(group=group[spine.code], time=spine.time, known=spine.known, place=spine.place)


def _group_of(table: SortedTable, keys: pl.DataFrame) -> Ints:
    """Return the group of each row of keys, the last where the table has none of it."""
    if not table.keys:
        return np.zeros(keys.height, np.int64)
    if keys.equals(table.distinct):
        return np.arange(keys.height)
    numbered = table.distinct.with_row_index(_CODE)
    found = keys.join(numbered, on=table.keys, how="left", maintain_order="left")[_CODE]
    return found.cast(pl.Int64).fill_null(table.distinct.height).to_numpy()
