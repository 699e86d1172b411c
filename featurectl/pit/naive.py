"""Point-in-time answers in plain Python, one spine row after another: what the kernel is compared with.

Rows are dicts with their keys, `event_time` and `available_at` as datetimes, `tie_order`, the columns asked for, and
`tie_0`, `tie_1` and so on where there are tiebreak columns.
"""

from __future__ import annotations

import math
import statistics
import struct
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from featurectl.core.units import instant_us
from featurectl.pit.questions import AVAILABLE_AT, EVENT_TIME, TIE, TIE_ORDER, Closed, StateQuestion, WindowQuestion

NaiveRow = Mapping[str, object]
EXACT_VALUES = 1024  # up to which approx_count_distinct counts


def windows_naively(
    rows: Sequence[NaiveRow],
    spine: Sequence[NaiveRow],
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[WindowQuestion],
    closed: Closed = "left",
    hop_us: int | None = None,
    known: str | None = None,
) -> list[dict[str, object]]:
    """Return what `answer_windows` returns, by looking at every row for every spine row and question."""
    answers: list[dict[str, object]] = []
    for asked in spine:
        if any(asked[name] is None for name in (*keys, time, known or time)):
            answers.append({question.name: None for question in questions})
            continue
        at = _us(asked[known or time])
        t = min(_us(asked[time]), at)
        seen = _seen(rows, asked, keys, at)
        answer: dict[str, object] = {}
        for question in questions:
            end = t - question.offset_us
            start = None if question.window_us is None else end - question.window_us
            if start is not None and hop_us is not None:
                start = math.floor(Fraction(start, hop_us)) * hop_us
            inside = [row for row in seen if _inside(_us(row[EVENT_TIME]), start, end, closed)]
            column = question.column
            answer[question.name] = aggregate_naively(question, [column is None or row[column] for row in inside])
        answers.append(answer)
    return answers


def states_naively(
    rows: Sequence[NaiveRow],
    spine: Sequence[NaiveRow],
    *,
    keys: Sequence[str],
    time: str,
    questions: Sequence[StateQuestion],
    ttl_us: int | None,
    known: str | None = None,
) -> list[dict[str, object]]:
    """Return what `answer_states` returns, with `event_time` and `available_at` beside the values."""
    answers: list[dict[str, object]] = []
    for asked in spine:
        inside: list[NaiveRow] = []
        if all(asked[name] is not None for name in (*keys, time, known or time)):
            at = _us(asked[known or time])
            t = min(_us(asked[time]), at)
            seen = _seen(rows, asked, keys, at)
            start = None if ttl_us is None else t - ttl_us
            inside = [row for row in seen if _inside(_us(row[EVENT_TIME]), start, t, "both")]
        answer: dict[str, object] = {name: inside[-1][name] if inside else None for name in (EVENT_TIME, AVAILABLE_AT)}
        for question in questions:
            values = [row[question.column] for row in inside]
            if question.fill_last:
                values = [value for value in values if value is not None]
            answer[question.name] = values[-1] if values else None
        answers.append(answer)
    return answers


def _us(instant: object) -> int:
    assert isinstance(instant, datetime)
    return instant_us(instant)


def _seen(rows: Sequence[NaiveRow], asked: NaiveRow, keys: Sequence[str], at: int) -> list[NaiveRow]:
    """Return the rows of the key that are available at an instant, in total order."""
    mine = [row for row in rows if all(row[key] == asked[key] for key in keys) and _us(row[AVAILABLE_AT]) <= at]
    return sorted(mine, key=lambda row: (_us(row[EVENT_TIME]), _us(row[AVAILABLE_AT]), _ties(row), row[TIE_ORDER]))


def _ties(row: NaiveRow) -> list[Any]:
    """Return the tiebreak values of a row in order: a null is after every value, NaN after every number."""
    values: list[Any] = []
    while (name := TIE.format(len(values))) in row:
        value = row[name]
        values.append((2,) if value is None else (1,) if _is_nan(value) else (0, value))
    return values


def _inside(event: int, start: int | None, end: int, closed: Closed) -> bool:
    after = start is None or event > start or (event == start and closed in {"left", "both"})
    return after and (event < end or (event == end and closed in {"right", "both"}))


def aggregate_naively(question: WindowQuestion, inputs: Sequence[object]) -> object:
    """Return the aggregate of values in total order, by its definition."""
    values: list[Any] = [value for value in inputs if value is not None]
    op = question.op
    if op == "count":
        return len(values)
    if op == "count_distinct":
        return len({_same(value) for value in values})
    if op == "approx_count_distinct":
        return _approx({_same(value): value for value in values}.values())
    if op in _LISTS:
        assert question.n is not None
        return _LISTS[op](values, question.n)
    if op == "percentile":
        assert question.q is not None
        return _percentile(values, question.q) if values else None
    return _SCALARS[op](values) if values else None


def _same(value: object) -> object:
    """Return what stands for the value among different ones: a NaN equals itself, a list can be counted."""
    if isinstance(value, list):
        return tuple(value)
    return "NaN" if _is_nan(value) else value


def _approx(values: Collection[object]) -> int:
    """Return the number of different values; above `EXACT_VALUES` of them as 4,096 registers estimate it."""
    if len(values) <= EXACT_VALUES:
        return len(values)
    registers = [0] * 4096
    for value in values:
        bits = f"{_mixed(_MARK ^ _hash(value)):064b}"
        registers[int(bits[:12], 2)] = max(registers[int(bits[:12], 2)], min((bits[12:] + "1").index("1") + 1, 52))
    total = math.fsum(2.0**-value for value in registers if value)
    share = registers.count(0) / 4096
    empty = share + math.fsum(share ** (2**k) * 2 ** (k - 1) for k in range(1, 18))
    return round(4096**2 / (2 * math.log(2)) / (total + 4096 * empty))


_MARK = 0x9E3779B97F4A7C15


def _mixed(number: int) -> int:
    """Return splitmix64 of the number."""
    number = (number + _MARK) % 2**64
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
    return number ^ (number >> 31)


def _hash(value: object) -> int:
    if isinstance(value, float):
        return _mixed(int.from_bytes(struct.pack(">d", math.nan if _is_nan(value) else value + 0.0)))
    if isinstance(value, str | Decimal):
        text = (value if isinstance(value, str) else f"{value:f}").encode()
        mixed = _mixed(len(text))
        for start in range(0, len(text), 8):
            mixed = _mixed(mixed ^ int.from_bytes(text[start : start + 8], "little"))
        return mixed
    if isinstance(value, datetime):
        return _mixed(instant_us(value) % 2**64)
    assert isinstance(value, int | date)
    return _mixed(value % 2**64 if isinstance(value, int) else (value - date(1970, 1, 1)).days % 2**64)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _top_k(values: list[Any], n: int) -> list[Any]:
    often = Counter(math.nan if _is_nan(value) else value for value in values)
    return sorted(sorted(often, key=lambda value: (_is_nan(value), value)), key=lambda value: -often[value])[:n]


def _percentile(values: list[Any], q: float) -> float:
    ordered = sorted(map(float, values), key=lambda value: (math.isnan(value), value))
    place = q * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low if low == high else low + (high - low) * (place - math.floor(place))


def _extreme(values: list[Any], pick: Callable[[list[Any]], Any]) -> object:
    return math.nan if any(map(_is_nan, values)) else pick(values)


def _sum(values: list[Any]) -> object:
    if isinstance(values[0], Decimal):
        with localcontext(prec=100):
            return sum(values, start=Decimal(0))
    return sum(values)


def _mean(values: list[Any]) -> float:
    return float(statistics.mean([int(v) if isinstance(v, bool) else v for v in values]))


def _variance(values: list[Any], less: int) -> float | None:
    numbers = [float(value) for value in values]
    if len(numbers) <= less:
        return None
    if any(math.isnan(value) for value in numbers):
        return math.nan
    return statistics.pvariance(numbers) * len(numbers) / (len(numbers) - less)


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(variance)


_LISTS: Mapping[str, Callable[[list[Any], int], list[Any]]] = {
    "first_n": lambda values, n: values[:n],
    "last_n": lambda values, n: values[-n:],
    "top_k": _top_k,
}
_SCALARS: Mapping[str, Callable[[list[Any]], object]] = {
    "sum": _sum,
    "mean": _mean,
    "min": lambda values: _extreme(values, min),
    "max": lambda values: _extreme(values, max),
    "any": any,
    "all": all,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "median": lambda values: _percentile(values, 0.5),
    "var": lambda values: _variance(values, 1),
    "var_pop": lambda values: _variance(values, 0),
    "stddev": lambda values: _root(_variance(values, 1)),
    "stddev_pop": lambda values: _root(_variance(values, 0)),
}
