"""Rows and keys that a table had and lacks after it was made anew: a source may hold less, and nobody says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

import polars as pl

from featurectl.core.dataclass import dataclass
from featurectl.core.units import counted, plural
from featurectl.offline.base import OfflineTable
from featurectl.operations.materialize.lost_rows import of_table
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME

_AT_ONCE: Final = 1_000_000  # rows of a table


@dataclass(frozen=True, slots=True, kw_only=True)
class FewerRows:
    """How many rows fewer a table has than before, how many keys of before have none now, and the first of these."""

    rows: int = 0
    keys: int = 0
    key: Mapping[str, object] = field(default_factory=dict)


NO_FEWER: Final = FewerRows()


def find_fewer(table: OfflineTable, keys: Sequence[str], before: int | None) -> FewerRows:
    """Return what a table lacks that it had in a version before it was made anew.

    Rows that it would not hold any more, of before its beginning, don't count. Keys are compared where rows are fewer.
    """
    after, coverage = table.version(), table.coverage()
    if before is None or after is None or coverage is None or coverage.now is None:
        return NO_FEWER
    rows = table.statistics(after).rows
    if table.statistics(before).rows <= rows:
        return NO_FEWER
    chosen, columns = of_table(coverage.since, coverage.now), [*keys, EVENT_TIME, AVAILABLE_AT]
    fewer, old = -rows, []
    for block in table.blocks(before, _AT_ONCE, columns):
        there = block.filter(chosen)
        fewer += there.height
        old.append(there.select(keys).unique())  # of a large table the keys alone are kept
    if fewer <= 0 or not keys:
        return FewerRows(rows=max(0, fewer))
    new = [block.unique() for block in table.blocks(after, _AT_ONCE, list(keys))]
    gone = pl.concat(old).unique()
    gone = gone.join(pl.concat(new), on=list(keys), how="anti") if new else gone
    first = gone.bottom_k(1, by=list(keys)).row(0, named=True) if gone.height else {}
    return FewerRows(rows=fewer, keys=gone.height, key=first)


def describe_fewer(fewer: FewerRows) -> str:
    """Return what there is to say of rows that a table has no more.

    >>> describe_fewer(FewerRows(rows=61))
    '61 rows fewer than before'
    >>> describe_fewer(FewerRows(rows=90, keys=83, key={"carrier": "AA"}))
    '90 rows fewer than before: 83 keys that it had have none (first: carrier=AA)'
    """
    said = f"{counted(fewer.rows, 'row')} fewer than before"
    if not fewer.keys:
        return said
    example = ", ".join(f"{name}={value}" for name, value in fewer.key.items())
    return (
        f"{said}: {counted(fewer.keys, 'key')} that it had {plural(fewer.keys, 'has', 'have')} none (first: {example})"
    )
