"""What is looked at in the columns of an event: its keys, and the checks of its source.

An event is rejected that fails a check of severity error, or has a key that is too long for a store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from featurectl.core.dtypes import decimal_parts
from featurectl.language.definitions.source import Check, Source
from featurectl.online.read import constant_of, number_of
from featurectl.streaming.entity_keys import EntityKey, LongKeys
from featurectl.streaming.event_decoder import BadEvent, EventDecoder, EventRow

_Passes = Callable[[Sequence[object]], Sequence[bool]]  # of the values of one column, none of them null


RejectionKind = Literal["unreadable", "value", "check", "ahead", "store"]
AHEAD: Final = "its time is more than 1 h ahead of its stamp"
REFUSED: Final = "the online store refuses it: "
_FAILS: Final = "fails the check "


def rejection_kind(reason: str, column: str) -> RejectionKind:
    """Return the kind of reason for which an event is rejected: of these there are few, whatever events hold.

    >>> rejection_kind("'x' is no int64", "swipe"), rejection_kind("fails the check amount > 0", "amount")
    ('value', 'check')
    """
    if reason.startswith(_FAILS):
        return "check"
    if reason.startswith(REFUSED):
        return "store"
    if reason == AHEAD:
        return "ahead"
    return "value" if column else "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedChecks:
    """Which events of a batch fail: `rejected` says by the place of an event why, `warned` counts."""

    rejected: Mapping[int, BadEvent]
    warned: int


class EventChecks:
    """The checks of a source that look at one row, and the keys of its entities.

    What checks mean is what `engines/polars/checks.py` counts.
    """

    def __init__(self, source: Source, decoder: EventDecoder, keys: Collection[EntityKey] = ()) -> None:
        self._long_keys = LongKeys(keys, decoder)
        self._checks = [
            (check, decoder.places[check.column], _passes(check, decoder.columns[check.column]))
            for check in source.checks
            if check.column is not None and check.kind in ("not_null", "between", "in", "matches")
        ]

    def failed(self, rows: Sequence[EventRow]) -> FailedChecks:
        """Return which events fail, and why: a key that is too long, then the first check in the file."""
        rejected = {**self._long_keys.find(rows)}
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
                rejected.setdefault(number, BadEvent(f"{_FAILS}{check.label}", check.column or ""))
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
