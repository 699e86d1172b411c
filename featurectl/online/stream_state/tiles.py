"""Tiles of the length of a view's `hop`: what is kept of the rows that lie in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from featurectl.language.definitions.view import Closed
from featurectl.online.stream_state.columns import Column, column_of, join_columns, order_column
from featurectl.online.stream_state.event_rows import EventRows
from featurectl.online.stream_state.folded_states import ColumnValues, FoldedKind, StateValues, kind_of
from featurectl.online.stream_state.layout import FoldedState, ListLayout
from featurectl.pit.arrays import Ints

TileStates = tuple[StateValues, ...]  # one for each of `ListLayout.folded`


class Tiles(NamedTuple):
    """Tiles in ascending order: tile k begins at k hops. Of each state of the layout a column for each of its parts."""

    numbers: Ints
    states: tuple[tuple[Column, ...], ...]

    @property
    def height(self) -> int:
        """How many tiles there are."""
        return len(self.numbers)


def no_tiles(layout: ListLayout) -> Tiles:
    """Return no tiles."""
    return tiles_of({}, layout)


def tiles_of(found: Mapping[int, TileStates], layout: ListLayout) -> Tiles:
    """Return tiles by their states."""
    index = sorted(found)
    states = tuple(
        _columns(part_types(kept, layout), [found[tile][i] for tile in index]) for i, kept in enumerate(layout.folded)
    )
    return Tiles(np.array(index, np.int64), states)


def _columns(types: Sequence[str], states: Sequence[StateValues]) -> tuple[Column, ...]:
    parts = [[None if state is None else state[part] for state in states] for part in range(len(types))]
    return tuple(column_of(dtype, values) for dtype, values in zip(types, parts, strict=True))


def part_types(kept: FoldedState, layout: ListLayout) -> tuple[str, ...]:
    """Return the types of a state's parts."""
    return folded_kind(kept, layout).parts


def folded_kind(kept: FoldedState, layout: ListLayout) -> FoldedKind:
    """Return what a state is of."""
    return kind_of(kept.name, "" if kept.column is None else layout.inputs[kept.column], kept.n)


def tile_numbers(event_us: Ints, hop_us: int, closed: Closed) -> Ints:
    """Return the tile of each instant: one at a boundary is in the tile of the windows that include it."""
    if closed in ("left", "both"):
        return event_us // hop_us
    return -(-event_us // hop_us) - 1


def states_of(rows: EventRows, layout: ListLayout, lo: int, hi: int) -> TileStates:
    """Return the states of the rows from `lo` to before `hi`."""
    return tuple(state_of_rows(rows, kept, layout, lo, hi) for kept in layout.folded)


def state_of_rows(rows: EventRows, kept: FoldedState, layout: ListLayout, lo: int, hi: int) -> StateValues:
    """Return one state of the rows from `lo` to before `hi`; None where none has a value."""
    if lo >= hi:
        return None
    if kept.column is None:
        return (hi - lo,)
    found = values_of(rows, [*layout.inputs].index(kept.column), lo, hi)
    return folded_kind(kept, layout).of(found) if len(found.values) else None


def values_of(rows: EventRows, column: int, lo: int, hi: int) -> ColumnValues:
    """Return the values of a column, by its place, that are not null of the rows from `lo` to before `hi`."""
    cells = rows.columns[column]
    values = cells.part(lo, hi)
    if len(values) == hi - lo:
        return ColumnValues(values, rows.event_us[lo:hi], rows.available_us[lo:hi])
    filled = cells.rows(lo, hi)
    return ColumnValues(values, rows.event_us[filled], rows.available_us[filled])


def merge_states(first: TileStates, second: TileStates, layout: ListLayout) -> TileStates:
    """Return the states of the rows of both."""
    kinds = (folded_kind(kept, layout) for kept in layout.folded)
    return tuple(map(merge_state, first, second, kinds))


def merge_state(first: StateValues, second: StateValues, kind: FoldedKind) -> StateValues:
    """Return the state of the rows of both."""
    if first is None or second is None:
        return first if second is None else second
    return kind.merge(first, second)


def add_rows(tiles: Tiles, rows: EventRows, layout: ListLayout) -> Tiles:
    """Return tiles with more rows in them."""
    if rows.height == 0:
        return tiles
    assert layout.hop_us is not None
    numbers = tile_numbers(rows.event_us, layout.hop_us, layout.closed)  # ascending, as the rows are
    found = {int(number): states_of(rows, layout, lo, hi) for number, lo, hi in zip(*_runs(numbers), strict=True)}
    places = {int(tiles.numbers[place]): place for place in np.flatnonzero(np.isin(tiles.numbers, [*found])).tolist()}
    for number, place in places.items():
        found[number] = merge_states(states_at(tiles, place), found[number], layout)
    others = keep_tiles(tiles, ~np.isin(tiles.numbers, [*found]))
    return _join(others, tiles_of(found, layout))


def _runs(numbers: Ints) -> tuple[list[int], list[int], list[int]]:
    """Return the numbers, each once, with where its run begins and ends."""
    starts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist()]
    return numbers[starts].tolist(), starts, [*starts[1:], len(numbers)]


def states_at(tiles: Tiles, place: int) -> TileStates:
    """Return the states of one tile."""
    found: list[StateValues] = []
    for parts in tiles.states:
        values = tuple(part.at(place) for part in parts)
        found.append(None if values[0] is None else values)
    return tuple(found)


def keep_tiles(tiles: Tiles, chosen: np.typing.NDArray[np.bool_]) -> Tiles:
    """Return the tiles that are chosen."""
    states = tuple(tuple(part.take(chosen) for part in parts) for parts in tiles.states)
    return Tiles(tiles.numbers[chosen], states)


def _join(one: Tiles, other: Tiles) -> Tiles:
    index = np.concatenate((one.numbers, other.numbers))
    places = np.argsort(index, kind="stable")
    states = tuple(
        tuple(order_column(join_columns((a, b)), places) for a, b in zip(parts, more, strict=True))
        for parts, more in zip(one.states, other.states, strict=True)
    )
    return Tiles(index[places], states)


def fold_tiles(tiles: Tiles, lo: int, i: int, kind: FoldedKind) -> StateValues:
    """Return the state, number `i` of the layout, of all tiles from place `lo` on."""
    parts = [part.slice(lo, tiles.height) for part in tiles.states[i]]
    filled = parts[0].filled()
    if not filled.any():
        return None
    if not filled.all():
        parts = [part.take(filled) for part in parts]
    return kind.fold(parts)
