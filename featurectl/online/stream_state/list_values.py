"""What a list says at an instant: the values of a view's stored features, as a row of the online store has them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts, list_item
from featurectl.core.errors import DataError, StoreError
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.columns import scaled
from featurectl.online.stream_state.event_rows import EventRows
from featurectl.online.stream_state.folded_states import (
    ANSWERS,
    CellValues,
    ColumnValues,
    FoldedKind,
    StateValues,
    as_floats,
)
from featurectl.online.stream_state.head import Head
from featurectl.online.stream_state.known_instants import HeadMemory, RowInstant, UnknownInstantError
from featurectl.online.stream_state.layout import FoldedState, ListLayout, state_of
from featurectl.online.stream_state.parsed_list import ParsedList
from featurectl.online.stream_state.record import broken_list
from featurectl.online.stream_state.tiles import Tiles, fold_tiles, folded_kind, merge_state, values_of

_INT64_END: Final = 1 << 63
_DECIMAL_END: Final = 10**38
_NAN: Final = object()
_BROKEN: Final = (ValueError, TypeError, LookupError, ArithmeticError)
_STORED_AS_THEY_ARE: Final = (FLOAT64, INT64, STRING, TIMESTAMP, DATE)


class ListAnswer(NamedTuple):
    """The values of features, as MessagePack has them, and the instants of the newest event that is behind any.

    Of a state view None where there is no row; `event_us` is None where no event is known. `is_folded` says that there
    are events whose instants are not known any more.
    """

    values: Mapping[str, object] | None
    event_us: int | None
    available_us: int | None
    is_folded: bool = False


class ListReader:
    """Answers the features of a view from lists of one layout; those that the layout does not have are left out.

    A float that is not finite, such as a sum that overflows, is null unless the view's source keeps them (`keeps_nan`).
    """

    def __init__(self, features: Sequence[Feature], layout: ListLayout, *, keeps_nan: bool = True) -> None:
        self._layout, self._keeps_nan = layout, keeps_nan
        self._features = [feature for feature in features if layout.has(feature)]
        self._places = {name: i for i, name in enumerate(layout.inputs)}
        self._groups: dict[tuple[int | None, int], list[_Asked]] = {}
        for feature in self._features if layout.kind == "event" else ():
            self._groups.setdefault((feature.window_us, feature.offset_us), []).append(_asked(feature, layout))

    def answer(self, found: ParsedList, at_us: int, time_us: int | None = None) -> ListAnswer:
        """Return what a list says at an instant, which is not before that of its head by more than the margin.

        With `time_us` windows and ttl end there, or at `at_us` where that is earlier, and both may be of any past.

        Raises:
            UnknownInstantError: with `time_us`, the list does not know any more what was then.
            DataError: FC507, a sum is outside of its type.
            StoreError: the list holds what no worker has written.
        """
        if time_us is None:
            try:
                with np.errstate(all="ignore"):  # a sum of floats may be infinite
                    return self._answer(found.head, found.rows(self._layout), RowInstant(at_us, at_us))
            except _BROKEN as error:
                raise _broken() from error
        at = RowInstant(time_us, at_us)
        [answer] = self.answers(found, [at])
        if answer is None:
            raise UnknownInstantError("a list", at)
        return answer

    def answers(self, found: ParsedList, instants: Sequence[RowInstant]) -> list[ListAnswer | None]:
        """Return what a list says at some instants of the past; None where it does not know any more what was then.

        Its head has the instant as of which nothing was in it, where a list has none.

        Raises:
            DataError, StoreError: as `answer`.
        """
        head, memory = found.head, HeadMemory(found.head, self._layout)
        asked = [at.before(at.known_us) for at in instants]
        try:
            with np.errstate(all="ignore"):
                rows = found.rows(self._layout)
                return [self._answer(head, rows, at) if self._knows(memory, at) else None for at in asked]
        except _BROKEN as error:
            raise _broken() from error

    def _knows(self, memory: HeadMemory, at: RowInstant) -> bool:
        if self._layout.kind == "state":
            fills = [self._places[str(f.column)] for f in self._features if f.fill_last]
            return memory.knows_state(at, fills)
        for window_us, offset_us in self._groups:
            end_us = at.time_us - offset_us
            if not memory.knows_window(None if window_us is None else end_us - window_us, end_us, at.known_us):
                return False
        return True

    def _answer(self, head: Head, rows: EventRows, at: RowInstant) -> ListAnswer:
        time_us, known_us = at
        rows = rows.seen_at(known_us)
        if self._layout.kind == "state":
            return self._state(rows, time_us)
        newest = head.newest
        if newest is not None and (newest[0] > time_us or newest[1] > known_us):
            newest = None
        if hi := int(rows.event_us.searchsorted(time_us, "right")):
            last = int(rows.event_us[hi - 1]), int(rows.available_us[hi - 1])
            newest = last if newest is None or last > newest else newest
        event_us, available_us = newest or (None, None)
        found_values: dict[str, object] = {}
        for (window_us, offset_us), asked in self._groups.items():
            window = self._window(rows, head, window_us, time_us - offset_us)
            for each in asked:
                value = window.value(each)
                is_lost = type(value) is float and not (self._keeps_nan or math.isfinite(value))
                found_values[each.name] = None if is_lost else value
        values = {feature.name: found_values[feature.name] for feature in self._features}
        return ListAnswer(values, event_us, available_us, head.lifetime is not None or head.tiles.height > 0)

    def _window(self, rows: EventRows, head: Head, window_us: int | None, end_us: int) -> ListWindow:
        """Return what of a list is inside of a window that ends at an instant."""
        layout, event_us = self._layout, rows.event_us
        hi = int(event_us.searchsorted(end_us, "right" if layout.closed in ("right", "both") else "left"))
        if window_us is None:
            return ListWindow(rows, (0, hi), (head.tiles, 0), head.lifetime)
        start_us, first = end_us - window_us, 0
        if layout.hop_us is not None:
            tile = start_us // layout.hop_us
            start_us = tile * layout.hop_us
            first = int(head.tiles.numbers.searchsorted(tile))
        lo = int(event_us.searchsorted(start_us, "left" if layout.closed in ("left", "both") else "right"))
        return ListWindow(rows, (min(lo, hi), hi), (head.tiles, first), None)

    def _state(self, rows: EventRows, at_us: int) -> ListAnswer:
        hi = int(rows.event_us.searchsorted(at_us, "right"))
        ttl_us = self._layout.ttl_us
        lo = 0 if ttl_us is None else int(rows.event_us.searchsorted(at_us - ttl_us))
        if lo >= hi:
            return ListAnswer(None, None, None)
        values: dict[str, object] = {}
        for feature in self._features:
            assert feature.column is not None
            column, row = rows.columns[self._places[feature.column]], hi - 1
            if feature.fill_last:
                filled = column.rows(lo, hi)
                row = int(filled[-1]) if len(filled) else row
            values[feature.name] = stored(column.at(row), feature.dtype or "")
        return ListAnswer(values, int(rows.event_us[hi - 1]), int(rows.available_us[hi - 1]))


def _broken() -> StoreError:
    return broken_list("a list has other values than its layout")


class _Asked(NamedTuple):
    """What is to be known of an aggregate: its column by its place, -1 for rows, and of what it is answered.

    `kept` is None where it needs the rows; `folded` is the place of its state in tiles and lifetime, -1 where there is
    none.
    """

    name: str
    feature: Feature
    column: int
    dtype: str
    kept: FoldedState | None
    kind: FoldedKind | None
    folded: int
    empty: int | tuple[()] | None


def _asked(feature: Feature, layout: ListLayout) -> _Asked:
    kept = state_of(feature)
    folded = -1
    is_folded = layout.hop_us is not None or feature.window_us is None  # else `folded` may be of fewer values
    for i, each in enumerate(layout.folded if is_folded else ()):
        if kept is not None and (each.name, each.column) == (kept.name, kept.column):
            folded = i
    kind = None
    if kept is not None:
        kind = folded_kind(layout.folded[folded] if folded >= 0 else kept, layout)
    return _Asked(
        name=feature.name,
        feature=feature,
        column=-1 if feature.column is None else [*layout.inputs].index(feature.column),
        dtype="" if feature.column is None else layout.inputs[feature.column],
        kept=kept,
        kind=kind,
        folded=folded,
        empty=AGGREGATES[feature.op].empty,
    )


class ListWindow:
    """What is inside of one window of an entity: some of its rows, tiles from a place on, states of all before."""

    def __init__(
        self,
        rows: EventRows,
        part: tuple[int, int],
        tiles_from: tuple[Tiles, int],
        lifetime: Sequence[StateValues] | None,
    ) -> None:
        self._rows, (self._lo, self._hi) = rows, part
        tiles, self._first_tile = tiles_from
        self._tiles = tiles if tiles.height else None
        self._lifetime = lifetime
        self._states: dict[tuple[int, FoldedKind], StateValues] = {}
        self._cells: dict[int, ColumnValues] = {}

    def value(self, asked: _Asked) -> object:
        """Return the value of an aggregate, as MessagePack has it.

        Raises:
            DataError: FC507, a sum is outside of its type.
        """
        feature = asked.feature
        if asked.kind is None:
            answer = _of_rows(feature, self._values(asked.column).values, asked.dtype)
        else:
            state = self._state(asked, asked.kind)
            if state is None:
                return list(asked.empty) if isinstance(asked.empty, tuple) else asked.empty
            answer = ANSWERS[feature.op](state, asked.dtype, feature.n or 0)
        if type(answer) is float:
            return answer
        _check_size(feature, answer)
        return stored(answer, feature.dtype or "")

    def _values(self, column: int) -> ColumnValues:
        """Return the values of a column that are not null, with their instants."""
        found = self._cells.get(column)
        if found is None:
            found = self._cells[column] = values_of(self._rows, column, self._lo, self._hi)
        return found

    def _state(self, asked: _Asked, kind: FoldedKind) -> StateValues:
        place = asked.column, kind
        if place in self._states:
            return self._states[place]
        state: StateValues = None
        if asked.column < 0:
            state = (self._hi - self._lo,) if self._hi > self._lo else None
        elif self._hi > self._lo and len((values := self._values(asked.column)).values):
            state = kind.of(values)
        if asked.folded >= 0:
            if self._tiles is not None:
                state = merge_state(fold_tiles(self._tiles, self._first_tile, asked.folded, kind), state, kind)
            if self._lifetime is not None:
                state = merge_state(self._lifetime[asked.folded], state, kind)
        self._states[place] = state
        return state


def stored(value: object, dtype: str) -> object:
    """Return a value of a column as a row of the online store has it."""
    if value is None or dtype in _STORED_AS_THEY_ARE:
        return value
    if parts := decimal_parts(dtype):
        return scaled(value, parts[1]) if isinstance(value, int) else value
    if dtype == BOOL:
        return bool(value)
    if (item := list_item(dtype)) and isinstance(value, list):
        return [stored(one, item) for one in value]
    return value


def _check_size(feature: Feature, answer: object) -> None:
    if feature.op != "sum" or isinstance(answer, float) or answer is None:
        return
    end = _INT64_END if feature.dtype == INT64 else _DECIMAL_END
    if not -end <= cast("int", answer) < end:
        size = "64 bits" if feature.dtype == INT64 else "38 digits"
        raise DataError(
            f'the sum of "{feature.column}" for feature "{feature.name}" is outside {size}',
            code="FC507",
            hint=f'cast "{feature.column}" to float64 in the source\'s select, or use a shorter window',
        )


def _of_rows(feature: Feature, values: CellValues, dtype: str) -> object:
    """Return an aggregate that looks at every value."""
    if feature.op == "count_distinct":
        return len({_same(value) for value in _listed(values)})
    if feature.op == "top_k":
        return _most_frequent(_listed(values), feature.n or 0)
    if len(values) == 0:
        return None
    return _percentile(as_floats(values, dtype), 0.5 if feature.q is None else feature.q)


def _listed(values: CellValues) -> list[object]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _same(value: object) -> object:
    """Return what stands for a value among different ones: a NaN equals itself."""
    return _NAN if isinstance(value, float) and math.isnan(value) else value


def _most_frequent(values: Sequence[object], n: int) -> list[object]:
    """Return the n most frequent values, of equally frequent ones the least first, NaN last."""
    often = Counter(map(_same, values))
    found = sorted((value for value in often if value is not _NAN), key=lambda value: cast("float", value))
    ordered = sorted([*found, *([_NAN] if _NAN in often else [])], key=lambda value: -often[value])
    return [math.nan if value is _NAN else value for value in ordered[:n]]


def _percentile(numbers: np.typing.NDArray[np.float64], q: float) -> float:
    ordered = np.sort(numbers)  # NaN is last
    place = q * (len(ordered) - 1)
    low, high = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    return low if low == high else low + (high - low) * (place - math.floor(place))
