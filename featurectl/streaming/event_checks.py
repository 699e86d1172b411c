"""The checks of a source, for events one by one: one that fails a check of severity error is rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from featurectl.core.dataclass import dataclass
from featurectl.core.dtypes import decimal_parts
from featurectl.language.definitions.source import Check, Source
from featurectl.online.read import constant_of, number_of
from featurectl.streaming.event_decoder import EventDecoder, EventRow

_Passes = Callable[[Sequence[object]], Sequence[bool]]  # of the values of one column, none of them null


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedChecks:
    """Which events of a batch fail: `rejected` says by the place of an event which check it fails, `warned` counts."""

    rejected: Mapping[int, Check]
    warned: int


class EventChecks:
    """The checks of a source that look at one row; what they mean is what `engines/polars/checks.py` counts."""

    def __init__(self, source: Source, decoder: EventDecoder) -> None:
        self._checks = [
            (check, decoder.places[check.column], _passes(check, decoder.columns[check.column]))
            for check in source.checks
            if check.column is not None and check.kind in ("not_null", "between", "in", "matches")
        ]

    def failed(self, rows: Sequence[EventRow]) -> FailedChecks:
        """Return which events fail a check; of several the first in the file counts."""
        rejected: dict[int, Check] = {}
        warned = 0
        for check, place, passes in self._checks:
            values = [row[place] for row in rows]
            if check.kind == "not_null":
                wrong = [number for number, value in enumerate(values) if value is None]
            else:
                there = [number for number, value in enumerate(values) if value is not None]
                right = passes([values[number] for number in there])
                wrong = [number for number, is_right in zip(there, right, strict=True) if not is_right]
            if check.severity == "warn":
                warned += len(wrong)
                continue
            for number in wrong:
                rejected.setdefault(number, check)
        return FailedChecks(rejected=rejected, warned=warned)


def _passes(check: Check, dtype: str) -> _Passes:
    if check.kind == "between":
        low, high = check.low, check.high
        assert low is not None
        assert high is not None
        return lambda values: [low <= float(str(value)) <= high for value in values]  # decimals are texts
    if check.kind == "in":
        known = {_constant(value, dtype) for value in check.values}
        return lambda values: [value in known for value in values]
    import polars as pl  # of the kinds of checks this alone needs it

    pattern = f"^(?:{check.text})$"
    return lambda values: pl.Series(values, dtype=pl.String).str.contains(pattern).to_list()


def _constant(value: float | str, dtype: str) -> object:
    """Return a constant of a file as an event has it."""
    found = constant_of(value, dtype)
    parts = decimal_parts(dtype)
    return f"{found:.{parts[1]}f}" if parts else number_of(found)
