"""What a list says at an instant: the values of a view's stored features, as a row of the online store has them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from featurectl.core.dtypes import BOOL, INT64, decimal_parts, list_item
from featurectl.core.errors import DataError
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.event_rows import EventRows
from featurectl.online.stream_state.folded_states import ANSWERS, CellValues, StateValues, as_floats
from featurectl.online.stream_state.layout import FoldedState, ListLayout, state_of
from featurectl.online.stream_state.packed_columns import scaled
from featurectl.online.stream_state.parsed_list import ParsedList
from featurectl.online.stream_state.record import broken_list
from featurectl.online.stream_state.tiles import Tiles, fold_tiles, folded_kind, merge_state, state_of_rows

_INT64_END: Final = 1 << 63
_DECIMAL_END: Final = 10**38
_NAN: Final = object()


class ListAnswer(NamedTuple):
    """The values of features, as MessagePack has them, and the instants of the newest event that is behind any.

    Of a state view None where there is no row; `event_us` is None where no event is known.
    """

    values: Mapping[str, object] | None
    event_us: int | None
    available_us: int | None


class ListReader:
    """Answers the features of a view from lists of one layout; those that the layout does not have are left out."""

    def __init__(self, features: Sequence[Feature], layout: ListLayout) -> None:
        self._layout = layout
        self._features = [feature for feature in features if layout.has(feature)]
        self._places = {name: i for i, name in enumerate(layout.inputs)}

    def answer(self, found: ParsedList, at_us: int) -> ListAnswer:
        """Return what a list says at an instant, which is not before that of its head by more than the margin.

        Raises:
            DataError: FC507, a sum is outside of its type.
            StoreError: the list holds what no worker has written.
        """
        try:
            with np.errstate(all="ignore"):  # a sum of floats may be infinite
                return self._answer(found, at_us)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise broken_list("a list has other values than its layout") from error

    def _answer(self, found: ParsedList, at_us: int) -> ListAnswer:
        rows = found.rows(self._layout).seen_at(at_us)
        if self._layout.kind == "state":
            return self._state(rows, at_us)
        newest = found.head.newest
        if rows.height:
            newest = max((int(rows.event_us[-1]), int(rows.available_us[-1])), newest or (-_INT64_END, 0))
        event_us, available_us = newest or (None, None)
        return ListAnswer(self._windows(rows, found, at_us), event_us, available_us)

    def _state(self, rows: EventRows, at_us: int) -> ListAnswer:
        hi = int(np.searchsorted(rows.event_us, at_us, "right"))
        ttl_us = self._layout.ttl_us
        lo = 0 if ttl_us is None else int(np.searchsorted(rows.event_us, at_us - ttl_us, "left"))
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

    def _windows(self, rows: EventRows, found: ParsedList, at_us: int) -> dict[str, object]:
        values: dict[str, object] = {}
        known: dict[tuple[int | None, int], ListWindow] = {}
        for feature in self._features:
            place = feature.window_us, feature.offset_us
            window = known.get(place)
            if window is None:
                window = known[place] = _window(rows, found, self._layout, feature, at_us)
            values[feature.name] = window.value(feature)
        return values


class ListWindow:
    """The rows, tiles and the state before them that are inside of one window of an entity."""

    def __init__(self, rows: EventRows, lo: int, hi: int, layout: ListLayout) -> None:
        self._rows, self._lo, self._hi, self._layout = rows, lo, max(lo, hi), layout
        self._tiles: Tiles | None = None
        self._first_tile = 0
        self._lifetime: Sequence[StateValues] | None = None
        self._states: dict[FoldedState, StateValues] = {}

    def add_tiles(self, tiles: Tiles, first: int, lifetime: Sequence[StateValues] | None) -> None:
        """Take the tiles from a place on, and the states of what was before all of them."""
        self._tiles, self._first_tile, self._lifetime = tiles, first, lifetime

    def value(self, feature: Feature) -> object:
        """Return the value of an aggregate, as MessagePack has it.

        Raises:
            DataError: FC507, a sum is outside of its type.
        """
        dtype = "" if feature.column is None else self._layout.inputs[feature.column]
        kept = state_of(feature)
        if kept is None:
            answer = _of_rows(feature, self._values(feature), dtype)
        else:
            state = self._state(kept)
            empty = AGGREGATES[feature.op].empty
            if state is None:
                return list(empty) if isinstance(empty, tuple) else empty
            answer = ANSWERS[feature.op](state, dtype, feature.n or 0)
        _check_size(feature, answer)
        return stored(answer, feature.dtype or "")

    def _values(self, feature: Feature) -> CellValues:
        assert feature.column is not None
        column = self._rows.columns[[*self._layout.inputs].index(feature.column)]
        return column.part(self._lo, self._hi)

    def _state(self, kept: FoldedState) -> StateValues:
        if kept in self._states:
            return self._states[kept]
        state = state_of_rows(self._rows, kept, self._layout, self._lo, self._hi)
        places = [i for i, k in enumerate(self._layout.folded) if (k.name, k.column) == (kept.name, kept.column)]
        for i in places:
            kind = folded_kind(self._layout.folded[i], self._layout)
            if self._tiles is not None and self._tiles.height:
                state = merge_state(fold_tiles(self._tiles, self._first_tile, i, kind), state, kind)
            if self._lifetime is not None:
                state = merge_state(self._lifetime[i], state, kind)
        self._states[kept] = state
        return state


def _window(rows: EventRows, found: ParsedList, layout: ListLayout, feature: Feature, at_us: int) -> ListWindow:
    """Return the window of a feature at an instant."""
    end_us, closed = at_us - feature.offset_us, layout.closed
    hi = int(np.searchsorted(rows.event_us, end_us, "right" if closed in ("right", "both") else "left"))
    if feature.window_us is None:
        window = ListWindow(rows, 0, hi, layout)
        window.add_tiles(found.head.tiles, 0, found.head.lifetime)
        return window
    start_us = end_us - feature.window_us
    first = 0
    if layout.hop_us is not None:
        tile = start_us // layout.hop_us
        start_us = tile * layout.hop_us
        first = int(np.searchsorted(found.head.tiles.numbers, tile, "left"))
    lo = int(np.searchsorted(rows.event_us, start_us, "left" if closed in ("left", "both") else "right"))
    window = ListWindow(rows, lo, hi, layout)
    if layout.hop_us is not None:
        window.add_tiles(found.head.tiles, first, None)
    return window


def stored(value: object, dtype: str) -> object:
    """Return a value of a column as a row of the online store has it."""
    if value is None:
        return None
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
