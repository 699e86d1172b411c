"""What is kept of many rows of a column in the place of the rows, and how two such states become one.

A state is a tuple of values, `FoldedKind.parts` says of which types; None is the state of no values. One class answers
several aggregates: `ANSWERS` says how a state becomes the value of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Final, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from featurectl.core.dtypes import FLOAT64, INT64, decimal_parts
from featurectl.online.stream_state.columns import OTHER, WHOLE, Column
from featurectl.online.stream_state.layout import StateName
from featurectl.online.stream_state.value_hashes import hash_values
from featurectl.pit.arrays import Floats, Ints, Numbers
from featurectl.pit.hyperloglog import EXACT_VALUES, REGISTERS, estimated_counts, register_values

StateValues = tuple[object, ...] | None
CellValues = Sequence[object] | Numbers
_HALF: Final = 1 << 62


class ColumnValues(NamedTuple):
    """Values of rows in their order, one at least and none of them null, and the instants of their rows."""

    values: CellValues
    event_us: Ints
    available_us: Ints


class FoldedKind(Protocol):
    """What is kept of a column of one type."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The types of a state's values."""

    def of(self, given: ColumnValues) -> StateValues:
        """Return the state of values."""

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the state of the rows of two states, neither of which is None; of equal rows `first` is before."""

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the state of the rows of many states, one at least, a row of the columns each."""


def _part_type(dtype: str) -> str:
    """Return the type of a value of a column in a state: decimals are without their point already."""
    return WHOLE if decimal_parts(dtype) else dtype


def _fold_one_by_one(kind: FoldedKind, parts: Sequence[Column]) -> StateValues:
    columns = [c.values if isinstance(c.values, list) else c.values.tolist() for c in parts]
    states: list[StateValues] = list(zip(*columns, strict=True))
    found = states[0]
    for state in states[1:]:
        found = kind.merge(found, state)
    return found


class CountState:
    """How many values there are: (number,)."""

    parts: ClassVar[tuple[str, ...]] = (INT64,)

    def of(self, given: ColumnValues) -> StateValues:
        """Return the number."""
        return (len(given.values),)

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the sum."""
        (some,), (more,) = cast("tuple[int]", first), cast("tuple[int]", second)
        return (some + more,)

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the sum."""
        return (int(np.sum(cast("Ints", parts[0].values))),)


class SumState:
    """How many values there are, and their sum: of integers and decimals exact, whatever its size."""

    def __init__(self, dtype: str) -> None:
        self.parts: tuple[str, ...] = (INT64, FLOAT64 if dtype == FLOAT64 else WHOLE)

    def of(self, given: ColumnValues) -> StateValues:
        """Return the state."""
        return (len(given.values), exact_sum(given.values))

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the sums."""
        (some, one), (more, other) = cast("tuple[int, float]", first), cast("tuple[int, float]", second)
        return (some + more, one + other)

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the sums."""
        return (int(np.sum(cast("Ints", parts[0].values))), exact_sum(parts[1].values))


def exact_sum(values: CellValues) -> float | int:
    """Return the sum of floats, rounded at each addition; or of integers, exact."""
    if not isinstance(values, np.ndarray):
        return sum(cast("Sequence[int]", values))
    if values.dtype == np.float64:
        return float(np.add.reduce(values))  # as `sum` does, without its steps in Python
    if max(abs(int(values.min())), abs(int(values.max()))) * len(values) < _HALF:
        return int(np.add.reduce(values))
    numbers: list[int] = values.tolist()
    return sum(numbers)


class MomentsState:
    """(count, mean, sum of squared distances from the mean): variance that does not cancel.

    Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
    """

    parts: ClassVar[tuple[str, ...]] = (INT64, FLOAT64, FLOAT64)

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def of(self, given: ColumnValues) -> StateValues:
        """Return the moments of each value's number."""
        numbers = as_floats(given.values, self._dtype)
        mean = float(numbers.sum()) / len(numbers)
        apart = numbers - mean
        return (len(numbers), mean, float((apart * apart).sum()))

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the moments of both."""
        pairs = [cast("tuple[int, float, float]", state) for state in (first, second)]
        counts, means, spreads = (np.array(part, np.float64) for part in zip(*pairs, strict=True))
        return _moments(counts, means, spreads)

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the moments of all."""
        counts, means, spreads = (cast("Floats", part.values) for part in parts)
        return _moments(counts.astype(np.float64), means, spreads)


def _moments(counts: Floats, means: Floats, spreads: Floats) -> StateValues:
    count = float(counts.sum())
    first = float(means[0])
    mean = first + float((counts * (means - first)).sum()) / count
    apart = means - mean
    return (int(count), mean, float(spreads.sum() + (counts * apart * apart).sum()))


def as_floats(values: CellValues, dtype: str) -> Floats:
    """Return numbers of a column as floats: decimals with their point."""
    numbers = np.asarray(values, np.float64) if isinstance(values, np.ndarray) else None
    if numbers is None:
        parts = decimal_parts(dtype)
        unit = 10 ** (parts[1] if parts else 0)
        numbers = np.array([cast("int", value) / unit for value in values], np.float64)
    return numbers


class ExtremeState:
    """The least or the greatest value; NaN where one is NaN."""

    def __init__(self, dtype: str, *, greatest: bool) -> None:
        self.parts: tuple[str, ...] = (_part_type(dtype),)
        self._greatest = greatest

    def of(self, given: ColumnValues) -> StateValues:
        """Return the value."""
        return (self._pick(given.values),)

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the one of two values."""
        both = [cast("tuple[object]", state)[0] for state in (first, second)]
        return (self._pick(np.array(both, np.float64) if isinstance(both[0], float) else both),)

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the one of all values."""
        return (self._pick(parts[0].values),)

    def _pick(self, values: CellValues) -> object:
        if isinstance(values, np.ndarray):
            found: object = (values.max() if self._greatest else values.min()).item()
            return found
        texts = cast("Sequence[str]", values)
        return max(texts) if self._greatest else min(texts)


class EndState:
    """The first or the last value in the total order: (event_time, available_at, value)."""

    def __init__(self, dtype: str, *, last: bool) -> None:
        self.parts: tuple[str, ...] = (INT64, INT64, _part_type(dtype))
        self._last = last

    def of(self, given: ColumnValues) -> StateValues:
        """Return the state."""
        few = slice(-1, None) if self._last else slice(1)
        [state] = _in_order(given, few)
        return tuple(state)

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the one of two."""
        one, other = cast("tuple[int, int, object]", first), cast("tuple[int, int, object]", second)
        return second if (other[:2] >= one[:2]) == self._last else first

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the one of all."""
        return _fold_one_by_one(self, parts)


class EndsState:
    """The first or the last n values in the total order: ([[event_time, available_at, value], ...],)."""

    parts: ClassVar[tuple[str, ...]] = (OTHER,)

    def __init__(self, n: int, *, last: bool) -> None:
        self._few = slice(-n, None) if last else slice(n)

    def of(self, given: ColumnValues) -> StateValues:
        """Return the state."""
        return (_in_order(given, self._few),)

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the n of both."""
        rows = [row for state in (first, second) for row in cast("tuple[list[list[int]]]", state)[0]]
        rows.sort(key=lambda row: row[:2])
        return (rows[self._few],)

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the n of all."""
        return _fold_one_by_one(self, parts)


def _in_order(given: ColumnValues, few: slice) -> list[list[object]]:
    """Return event_time, available_at and value of a few rows."""
    values = given.values[few]
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return [[*row] for row in zip(given.event_us[few].tolist(), given.available_us[few].tolist(), listed, strict=True)]


class DistinctState:
    """(0, the hashes of different values, 8 bytes each, ascending); of more than 1,024: (1, a byte a register)."""

    parts: ClassVar[tuple[str, ...]] = (INT64, OTHER)

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype

    def of(self, given: ColumnValues) -> StateValues:
        """Return the state."""
        return _sketch(hash_values(self._dtype, given.values))

    def merge(self, first: StateValues, second: StateValues) -> StateValues:
        """Return the state of both."""
        both = [cast("tuple[int, bytes]", state) for state in (first, second)]
        exact = [np.frombuffer(data, "<u8") for is_many, data in both if not is_many]
        if len(exact) == len(both):
            return _sketch(np.concatenate(exact))
        registers = _registers(np.concatenate([np.zeros(0, np.uint64), *exact]))
        for is_many, data in both:
            if is_many:
                registers = np.maximum(registers, np.frombuffer(data, np.uint8))
        return (1, registers.tobytes())

    def fold(self, parts: Sequence[Column]) -> StateValues:
        """Return the state of all."""
        return _fold_one_by_one(self, parts)


def _sketch(hashes: npt.NDArray[np.uint64]) -> StateValues:
    different = np.unique(hashes)
    if len(different) <= EXACT_VALUES:
        return (0, different.astype("<u8").tobytes())
    return (1, _registers(different).tobytes())


def _registers(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    registers = np.zeros(REGISTERS, np.uint8)
    register, value = register_values(hashes)
    np.maximum.at(registers, register, value.astype(np.uint8))
    return registers


KINDS: Final[Mapping[StateName, Callable[[str, int], FoldedKind]]] = {
    "rows": lambda _, __: CountState(),
    "count": lambda _, __: CountState(),
    "sum": lambda dtype, _: SumState(dtype),
    "moments": lambda dtype, _: MomentsState(dtype),
    "min": lambda dtype, _: ExtremeState(dtype, greatest=False),
    "max": lambda dtype, _: ExtremeState(dtype, greatest=True),
    "first": lambda dtype, _: EndState(dtype, last=False),
    "last": lambda dtype, _: EndState(dtype, last=True),
    "first_n": lambda _, n: EndsState(n, last=False),
    "last_n": lambda _, n: EndsState(n, last=True),
    "distinct": lambda dtype, _: DistinctState(dtype),
}


@lru_cache(maxsize=1024)
def kind_of(name: StateName, dtype: str, n: int) -> FoldedKind:
    """Return what is kept of a column of a type ("" of rows), `n` values at most."""
    return KINDS[name](dtype, n)


def _mean(state: tuple[object, ...], dtype: str) -> float:
    count, total = cast("tuple[int, float]", state)
    parts = decimal_parts(dtype)
    return total / (count * 10 ** parts[1]) if parts and parts[1] else total / count


def _variance(state: tuple[object, ...], less: int) -> float | None:
    count, _, apart = cast("tuple[int, float, float]", state)
    return apart / (count - less) if count > less else None


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


def _different(state: tuple[object, ...]) -> int:
    is_many, data = cast("tuple[int, bytes]", state)
    if not is_many:
        return len(data) // 8
    having = np.bincount(np.frombuffer(data, np.uint8), minlength=64)[np.newaxis, :]
    return int(estimated_counts(having)[0])


def _values_of(state: tuple[object, ...]) -> list[object]:
    return [row[2] for row in cast("list[list[object]]", state[0])]


ANSWERS: Final[Mapping[str, Callable[[tuple[object, ...], str, int], object]]] = {
    "count": lambda state, _, __: state[0],
    "sum": lambda state, _, __: state[1],
    "mean": lambda state, dtype, __: _mean(state, dtype),
    "min": lambda state, _, __: state[0],
    "max": lambda state, _, __: state[0],
    "all": lambda state, _, __: state[0],
    "any": lambda state, _, __: state[0],
    "var": lambda state, _, __: _variance(state, 1),
    "var_pop": lambda state, _, __: _variance(state, 0),
    "stddev": lambda state, _, __: _root(_variance(state, 1)),
    "stddev_pop": lambda state, _, __: _root(_variance(state, 0)),
    "first": lambda state, _, __: state[2],
    "last": lambda state, _, __: state[2],
    "first_n": lambda state, _, n: _values_of(state)[:n],
    "last_n": lambda state, _, n: _values_of(state)[-n:],
    "approx_count_distinct": lambda state, _, __: _different(state),
}
