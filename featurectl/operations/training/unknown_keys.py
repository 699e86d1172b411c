"""Rows of a spine with keys of which no view has a row: a prediction by HTTP names them `unknown`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import polars as pl

from featurectl.core.units import plural
from featurectl.pit.keys import AskedSpine

UnknownRows = Counter[tuple[str, ...]]  # by the columns of the spine that hold the keys of an entity


def count_unknown(asked: Iterable[tuple[tuple[str, ...], AskedSpine]], unknown: UnknownRows) -> None:
    """Count the rows of which no view that was asked by the same columns has a row, whenever that was."""
    found: dict[tuple[str, ...], pl.Series] = {}
    for columns, spine in asked:
        found[columns] = found[columns] | spine.found() if columns in found else spine.found()
    unknown.update({columns: len(rows) - int(rows.sum()) for columns, rows in found.items()})


def unknown_lines(unknown: Mapping[tuple[str, ...], int], rows: int) -> tuple[str, ...]:
    """Return a sentence for each entity of which there are such rows, of so many.

    >>> unknown_lines({("user",): 1, ("shop", "city"): 0, ("from", "to"): 20_000}, 30_000)
    ('1 of 30,000 rows has a user of which no view has a row', \
'20,000 of 30,000 rows have keys (from, to) of which no view has a row')
    """
    return tuple(
        f"{count:,} of {rows:,} {plural(rows, 'row')} {plural(count, 'has', 'have')} {_keys(columns)} "
        "of which no view has a row"
        for columns, count in unknown.items()
        if count
    )


def _keys(columns: tuple[str, ...]) -> str:
    return f"a {columns[0]}" if len(columns) == 1 else f"keys ({', '.join(columns)})"


def unknown_document(unknown: Mapping[tuple[str, ...], int]) -> list[dict[str, object]]:
    """Return the same for machines; none where every key is known."""
    return [{"keys": list(columns), "rows": count} for columns, count in unknown.items() if count]
