"""Stored rows become answers: a status per value, defaults, then the view's derived features.

An answer equals the training set's row at the instant for which it is true: the moment of reading for a state view,
`computed_at` for an event view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from featurectl.core.dtypes import DATE, FLOAT64, TIMESTAMP, decimal_parts, fixed_point
from featurectl.core.units import from_us, instant_us, parse_instant
from featurectl.expressions.row import to_closure
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.online.base import KeyValue, OnlineRow, OnlineStore, OnlineView
from featurectl.online.row_places import FILLED_AT
from featurectl.pit.questions import ALWAYS_US

Status = Literal["PRESENT", "NULL", "NOT_FOUND", "EXPIRED"]

ASOF = "asof"
_EPOCH_DATE = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureValue:
    """A value and why it is what it is: the status says what was found, `defaulted` that a default replaced null."""

    value: object
    status: Status
    defaulted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The features of one entity at `asof`, the instant for which they are true.

    `event_time` is that of the newest row behind the values (None: none, or a static source), `age_us` how long
    before `read_at` it was; `computed_at` is None when nothing was ever pushed.
    """

    version: int
    values: Mapping[str, FeatureValue]
    asof: datetime
    read_at: datetime
    event_time: datetime | None
    available_at: datetime | None
    computed_at: datetime | None

    @property
    def age_us(self) -> int | None:
        """The microseconds from the newest event behind the values to the moment of reading."""
        return None if self.event_time is None else (self.read_at - self.event_time) // _MICROSECOND


class ViewReader:
    """Reads one view version; its derived features are compiled once."""

    def __init__(self, view: FeatureView, online_view: OnlineView) -> None:
        self._view = view
        self._online = online_view
        names = [*(f.name for f in view.features), ASOF, *(d.name for d in view.derived)]
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._derived = [(item, _closure(item, self._slots)) for item in view.derived]

    def read(
        self,
        store: OnlineStore,
        entities: Sequence[Sequence[KeyValue | None]],
        now: datetime,
        latest: datetime | None = None,
    ) -> list[Answer]:
        """Return an answer per entity, in order; for an event view the push record is read first.

        The record says until when rows that a push had no reason to touch are true, absent ones included; read
        first, it never says so of a row that was read before a later push.
        """
        record = store.read_push_record(self._online) if self._view.kind == "event" else None
        pushed = record.computed_at if record else None
        keys = [_whole(entity) for entity in entities]
        found = iter(store.read(self._online, [key for key in keys if key is not None]))
        rows = [None if key is None else next(found) for key in keys]
        return [
            self.answer(row, now, pushed=pushed, null_key=key is None, latest=latest)
            for key, row in zip(keys, rows, strict=True)
        ]

    def answer(
        self,
        row: OnlineRow | None,
        now: datetime,
        *,
        pushed: datetime | None = None,
        null_key: bool = False,
        latest: datetime | None = None,
    ) -> Answer:
        """Return what a stored row, or the absence of one, says at now; `pushed` is the last push.

        Where now is a clock's, which may be behind that of who pushed, what is of no later than `latest` counts.
        """
        latest = now if latest is None else latest
        later = self._is_later(row, pushed, latest) or (self._view.kind == "event" and row is None and pushed is None)
        instants = [pushed, row.computed_at if row else None]
        computed_at = max((instant for instant in instants if instant is not None), default=None)
        row = None if later else row
        asof = now if self._view.kind != "event" or computed_at is None else min(computed_at, latest)
        event_time = None if row is None or row.event_time == from_us(ALWAYS_US) else row.event_time
        return Answer(
            version=self._online.version,
            values=self._values(row, now, asof, unknown=null_key or later),
            asof=asof,
            read_at=now,
            event_time=event_time,
            available_at=None if row is None or event_time is None else row.available_at,
            computed_at=computed_at,
        )

    def _is_later(self, row: OnlineRow | None, pushed: datetime | None, now: datetime) -> bool:
        """True when nobody could have had it at now: what is read as of an instant before its push is not known."""
        if self._view.kind == "event":
            known = [row.computed_at if row else pushed]
        else:
            known = [row.event_time, row.available_at] if row else []
        return any(instant is not None and instant > now for instant in known)

    def _values(
        self, row: OnlineRow | None, now: datetime, asof: datetime, *, unknown: bool
    ) -> dict[str, FeatureValue]:
        values = {f.name: self._stored(f, row, now, unknown=unknown) for f in self._view.features}
        slots: list[object] = [None] * len(self._slots)
        for feature in self._view.features:
            slots[self._slots[feature.name]] = number_of(values[feature.name].value)
        slots[self._slots[ASOF]] = instant_us(asof)
        missing: Status = "NOT_FOUND" if row is None else "EXPIRED" if self._expired(row.event_time, now) else "NULL"
        for item, closure in self._derived:
            found = from_number(closure(slots), item.dtype)
            values[item.name] = _or_default(found, "PRESENT" if found is not None else missing, item)
            slots[self._slots[item.name]] = number_of(values[item.name].value)
        return values

    def _stored(self, feature: Feature, row: OnlineRow | None, now: datetime, *, unknown: bool) -> FeatureValue:
        if row is None:
            return _or_default(None if unknown else self._without_rows(feature), "NOT_FOUND", feature)
        if self._expired(row.event_time, now):
            return _or_default(None, "EXPIRED", feature)
        if feature.name not in row.values:  # the row is older than the feature
            return _or_default(None, "NOT_FOUND", feature)
        value = row.values[feature.name]
        if value is not None and self._expired(row.values.get(FILLED_AT.format(feature.name)), now):
            return _or_default(None, "EXPIRED", feature)
        return _or_default(value, "NULL" if value is None else "PRESENT", feature)

    def _expired(self, true_at: object, now: datetime) -> bool:
        """True when a state is older than its ttl at now."""
        ttl_us = self._view.ttl_us
        if ttl_us is None or self._view.kind == "event" or not isinstance(true_at, datetime):
            return False
        return instant_us(true_at) < instant_us(now) - ttl_us

    def _without_rows(self, feature: Feature) -> object:
        """Return what an aggregate of no rows is."""
        if self._view.kind != "event":
            return None
        empty = AGGREGATES[feature.op].empty
        return list(empty) if isinstance(empty, tuple) else empty


def read_features(
    store: OnlineStore,
    view: FeatureView,
    online_view: OnlineView,
    entities: Sequence[Sequence[KeyValue | None]],
    now: datetime,
) -> list[Answer]:
    """Return an answer per entity (key values in the entity's order, a date as days since 1970-01-01), in order."""
    return ViewReader(view, online_view).read(store, entities, now)


def _whole(entity: Sequence[KeyValue | None]) -> list[KeyValue] | None:
    """Return the key, or None when a part of it is null."""
    known = [value for value in entity if value is not None]
    return known if len(known) == len(entity) else None


def _closure(item: Derived, slots: Mapping[str, int]) -> Callable[[Sequence[object]], object]:
    assert item.expression.tree is not None, f"untyped derived feature {item.name}"
    return to_closure(item.expression.tree, slots)


def _or_default(value: object, status: Status, item: Feature | Derived) -> FeatureValue:
    if value is not None or item.default is None:
        return FeatureValue(value=value, status=status)
    return FeatureValue(value=constant_of(item.default, item.dtype), status=status, defaulted=True)


def constant_of(value: float | str, dtype: str | None) -> object:
    """Return a default in its type, as a training set has it: files keep times as texts, decimals as numbers."""
    if dtype == FLOAT64:
        return float(value)
    if dtype == TIMESTAMP:
        return parse_instant(str(value))
    if dtype == DATE:
        return date.fromisoformat(str(value))
    if parts := decimal_parts(dtype or ""):
        return fixed_point(Decimal(str(value)), parts[1])
    return value


def number_of(value: object) -> object:
    """Return a value as expressions see it: instants in microseconds, dates in days."""
    if isinstance(value, datetime):
        return instant_us(value)
    return (value - _EPOCH_DATE).days if isinstance(value, date) else value


def from_number(value: object, dtype: str | None) -> object:
    """Return a value of an expression in its type: instants from microseconds, dates from days."""
    if isinstance(value, int) and dtype == TIMESTAMP:
        return from_us(value)
    return _EPOCH_DATE + timedelta(days=value) if isinstance(value, int) and dtype == DATE else value
