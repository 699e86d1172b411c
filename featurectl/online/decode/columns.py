"""Packed rows of one view version become values with a status each, fast where nothing is unusual.

A row that has all of the view's features in their present meaning, is not expired and not from after the moment of
reading is decoded here; every other one goes through `online/read.py`, whose answers these equal. Many rows of which
none is unusual become columns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple, cast

import msgpack

from featurectl.core.dtypes import BOOL, DATE, FLOAT64, INT64, STRING, TIMESTAMP
from featurectl.core.units import from_us, instant_us
from featurectl.expressions.row import to_closure
from featurectl.language.definitions.view import FeatureView
from featurectl.online.base import OnlineView
from featurectl.online.codec import (
    COMPACT_HEADER_BYTES,
    HEADER_BYTES,
    INSTANT_ZERO_US,
    PLAIN,
    SCHEMA_BYTES,
    SHORT_FORMATS,
    header_bytes,
)
from featurectl.online.corrupt_rows import RowPlace, stored_as
from featurectl.online.decode.heads import heads_of, instants_of
from featurectl.online.decode.moment import Moment
from featurectl.online.decode.row import row_schema_id, unpack_row
from featurectl.online.decode.values import decoder
from featurectl.online.read import ASOF, Answer, Status, ViewReader, constant_of, from_number, number_of
from featurectl.online.row_places import filled_within_ttl, stored_types
from featurectl.online.row_schema import RowSchema
from featurectl.pit.questions import ALWAYS_US

Default = bool | int | float | str | None

_PLAIN: Final = (STRING, INT64, FLOAT64, BOOL)
_ALWAYS: Final = ALWAYS_US - INSTANT_ZERO_US
_PRESENT: Final = "PRESENT"
_NULL: Final = "NULL"
FEW_ROWS: Final = 8  # so few are decoded one by one
_NIL: Final = b"\xc0"  # MessagePack's null; it may be a byte of something else, too
_UNSIGNED: Final = b"\xcf"  # before an integer that may be too large, likewise
_NULL_TYPE: Final = type(None)


class _OtherTypes(ValueError):  # noqa: N818 (becomes a `BrokenRowError`)
    """Values are not of the types that they are to be of."""


class EntityRow(NamedTuple):
    """What one entity has: values, statuses and whether a default stands there, in the order of `ViewColumns.names`.

    Instants are microseconds since 1970, None where there is none; `asof` is the one for which the values are true.
    """

    values: Sequence[object]
    statuses: Sequence[Status]
    defaulted: Sequence[bool]
    event_us: int | None
    computed_us: int | None
    asof_us: int


class EntityRows(NamedTuple):
    """What many entities have: of each feature, as `EntityRow` has it of one, by `ViewColumns.names`."""

    values: Sequence[Sequence[object]]
    statuses: Sequence[Sequence[Status]]
    defaulted: Sequence[Sequence[bool]]
    event_us: Sequence[int | None]
    computed_us: Sequence[int | None]


class ViewColumns:
    """Decodes rows of a view version; `defaults` stand before the view's own, by feature."""

    def __init__(self, view: FeatureView, online: OnlineView, defaults: Mapping[str, Default] | None = None) -> None:
        self.view = _with_defaults(view, defaults or {})
        self.online = online
        self.names = [*(f.name for f in view.features), *(d.name for d in view.derived)]
        self._slow = ViewReader(self.view, online)
        self.forms: dict[int, RowSchema] = {}  # by id, those that are known
        self._fast: set[int] = set()
        self._fast_bytes: set[bytes] = set()
        self._event = view.kind == "event"
        self._formats = frozenset([PLAIN, SHORT_FORMATS[online.versioned_by]])
        self._ttl_us = None if self._event else view.ttl_us
        self._stored = len(view.features)
        self._unpack: Callable[[bytes], object] = msgpack.unpackb
        types = [(i, feature.dtype or STRING) for i, feature in enumerate(view.features)]
        self._decoders = [(i, decoder(dtype)) for i, dtype in types if dtype not in _PLAIN]
        self._types = [stored_as(dtype) for _, dtype in types]
        self._whole = [i for i, dtype in types if dtype == INT64]
        self._timed = [i for i, dtype in types if dtype in (TIMESTAMP, DATE)]
        slots = {name: i for i, name in enumerate([*self.names[: self._stored], ASOF, *self.names[self._stored :]])}
        self._derived = []
        for item in self.view.derived:
            assert item.expression.tree is not None, f"untyped derived feature {item.name}"
            self._derived.append((item, to_closure(item.expression.tree, slots)))
        given = [(f.default, f.dtype) for f in self.view.features] + [(d.default, d.dtype) for d in self.view.derived]
        self._constants = [None if value is None else constant_of(value, dtype) for value, dtype in given]
        self.all_present: list[Status] = [_PRESENT] * len(self.names)  # of a row in which nothing is unusual
        self._none_defaulted = [False] * len(self.names)

    def learn(self, schema_id: int, schema: RowSchema) -> None:
        """Take the schema of some rows."""
        meant = all(schema.means(name, self.online.meanings.get(name)) for name in schema.features)
        plain = not filled_within_ttl(self.view) and dict(schema.features) == stored_types(self.view)
        if meant and plain and list(schema.features) == list(stored_types(self.view)):
            self._fast.add(schema_id)
            self._fast_bytes.add(schema_id.to_bytes(SCHEMA_BYTES[1] - SCHEMA_BYTES[0], "big"))
        self.forms[schema_id] = schema

    def knows(self, found: Sequence[Sequence[bytes | None]], place: int) -> bool:
        """Return whether each row at a place is long enough for every format, and of a schema that is known."""
        known = self.forms
        for row in found:
            data = row[place]
            if data is not None and (len(data) < HEADER_BYTES or data[1] << 8 | data[2] not in known):
                return False
        return True

    def unknown_rows(self, found: Sequence[bytes | None]) -> list[int]:
        """Return the places of rows whose schema is not known, or that are too few bytes to have one."""
        known = self.forms
        return [
            row
            for row, data in enumerate(found)
            if data is not None
            and ((len(data) < HEADER_BYTES and len(data) < header_bytes(data)) or data[1] << 8 | data[2] not in known)
        ]

    def rows(self, found: Sequence[bytes | None], moment: Moment) -> list[EntityRow]:
        """Return what each entity has; the schemas of all rows are known. None is an entity without a row."""
        absent: EntityRow | None = None
        expired: EntityRow | None = None
        rows = []
        for data in found:
            if data is None:
                absent = absent or self._absent(moment)
                row = absent
            elif (quick := self.quick(data, moment)) is not None:
                row = quick
            elif expired is not None and self._is_expired(data, moment):
                event, _, computed = instants_of(data)
                row = expired._replace(event_us=_known(event), computed_us=computed + INSTANT_ZERO_US)
            else:
                row = self._slowly(data, moment)
                expired = row if self._is_expired(data, moment) else expired  # of all of them the values are the same
            rows.append(row)
        return rows

    def usual(self, found: Sequence[bytes | None], moment: Moment) -> EntityRows | None:
        """Return what all entities have, as `rows` would; None where a row is unusual, or there are few."""
        known = [data for data in found if data is not None]
        if len(known) < max(len(found), FEW_ROWS) or self._derived:
            return None
        heads = heads_of(known, self._formats)
        if heads is None or not heads.schemas <= self._fast_bytes:
            return None
        _, events, available, computed = heads
        if self._event:
            after = max(computed) > moment.latest_us
        else:
            after = max(events) > moment.latest_us or max(available) > moment.latest_us
        if after or (self._ttl_us is not None and min(events) < moment.now_us - self._ttl_us):
            return None
        if not (least := min(computed)):
            raise _OtherTypes
        if (pushed := moment.pushed_us) > least:
            computed = [max(instant, pushed) for instant in computed]
        bodies = [data[header_bytes(data) :] for data in known]
        values, known_us = self._values(bodies), [*map(_known, events)]
        places = range(len(values)) if any(_NIL in body for body in bodies) else self._timed
        for i, decode in self._decoders:
            values[i] = [value if value is None else decode(value) for value in values[i]]
        computed_us = [instant + INSTANT_ZERO_US for instant in computed]
        return EntityRows(values, *self._statuses(values, places), known_us, computed_us)

    def _values(self, bodies: Sequence[bytes]) -> list[list[object]]:
        """Return the values of rows by column, each of its type or null.

        Raises:
            ValueError: they are others; `check` says which.
        """
        rows = [*map(self._unpack, bodies)]
        if {*map(type, rows)} != {list}:
            raise _OtherTypes
        columns = [*map(list, zip(*cast("list[list[object]]", rows), strict=True))]
        if len(columns) != self._stored:
            raise _OtherTypes
        for column, wanted in zip(columns, self._types, strict=True):
            found = {*map(type, column)}
            if found != {wanted} and not found <= {wanted, _NULL_TYPE}:
                raise _OtherTypes
        if self._whole and any(_UNSIGNED in body for body in bodies):
            self._check_whole([value for i in self._whole for value in columns[i]])
        return columns

    def _row_values(self, body: bytes) -> list[object]:
        """Return the values of one row, each of its type or null.

        Raises:
            ValueError: they are others.
        """
        values = self._unpack(body)
        if type(values) is not list:
            raise _OtherTypes
        found = [*map(type, values)]
        if found != self._types:
            if len(found) != self._stored:
                raise _OtherTypes
            for kind, wanted in zip(found, self._types, strict=True):
                if kind is not wanted and kind is not _NULL_TYPE:
                    raise _OtherTypes
        if self._whole and _UNSIGNED in body:
            self._check_whole([values[i] for i in self._whole])
        return values

    @staticmethod
    def _check_whole(values: Sequence[object]) -> None:
        if any(isinstance(value, int) and value >= 1 << 63 for value in values):
            raise _OtherTypes

    def _statuses(
        self, values: list[list[object]], places: Sequence[int]
    ) -> tuple[list[Sequence[Status]], list[Sequence[bool]]]:
        """Return statuses and what is defaulted of columns, and put defaults into these in place of nulls.

        `places` are those of the columns that may hold nulls: a time that is none is stored as a number.
        """
        count = len(values[0]) if values else 0
        statuses: list[Sequence[Status]] = [[_PRESENT] * count] * len(values)
        defaulted: list[Sequence[bool]] = [[False] * count] * len(values)
        for i in places:
            if None in (column := values[i]):
                missing, constant = [value is None for value in column], self._constants[i]
                statuses[i] = [_NULL if gone else _PRESENT for gone in missing]
                if constant is not None:
                    values[i], defaulted[i] = [constant if value is None else value for value in column], missing
        return statuses, defaulted

    def check(self, found: Sequence[bytes | None], places: Sequence[RowPlace]) -> None:
        """See that rows are some of the schemas that are known.

        Raises:
            BrokenRowError: one is not.
        """
        for data, place in zip(found, places, strict=True):
            if data is not None:
                unpack_row(data, self.forms[row_schema_id(data, place)], place=place)

    def unknown(self, moment: Moment) -> EntityRow:
        """Return what there is of an entity whose key has a null."""
        return self._absent(moment, null_key=True)

    def _absent(self, moment: Moment, *, null_key: bool = False) -> EntityRow:
        answer = self._slow.answer(None, moment.now, pushed=moment.pushed, null_key=null_key, latest=moment.latest)
        return entity_row(answer, self.names)

    def quick(self, data: bytes, moment: Moment) -> EntityRow | None:
        """Return what a row of the usual kind holds, None for any other; its schema is known."""
        instants = self._quick_instants(data, moment)
        if instants is None:
            return None
        event, computed, asof = instants
        values = self._row_values(data[HEADER_BYTES if data[0] == PLAIN else COMPACT_HEADER_BYTES :])
        return self.whole(values, (_known(event), computed + INSTANT_ZERO_US, asof + INSTANT_ZERO_US))

    def whole(self, values: list[object], instants: tuple[int | None, int, int]) -> EntityRow:
        """Return what an entity has of which all stored values are there, as MessagePack has them.

        `instants` are those of an `EntityRow`.
        """
        event_us, computed_us, asof_us = instants
        for i, decode in self._decoders:
            if values[i] is not None:
                values[i] = decode(values[i])
        statuses, defaulted = self.all_present, self._none_defaulted
        if None in values:
            statuses, defaulted = statuses.copy(), defaulted.copy()
            self._mark_nulls(values, statuses, defaulted)
        if self._derived:
            statuses, defaulted = self._derive(values, statuses, defaulted, asof_us)
        return EntityRow(
            values,
            statuses,
            defaulted,
            event_us,
            computed_us,
            asof_us,
        )

    def _quick_instants(self, data: bytes, moment: Moment) -> tuple[int, int, int] | None:
        """Return when a row of the usual kind was true, computed, and as of when it holds; None for any other."""
        _, _, _, now, latest, pushed = moment
        if data[1] << 8 | data[2] not in self._fast or data[0] not in self._formats:
            return None
        event, available, computed = instants_of(data)
        if not computed:
            raise _OtherTypes
        if self._event:
            if computed > latest:
                return None
            computed = max(computed, pushed)
            return event, computed, min(latest, computed)
        if event > latest or available > latest or (self._ttl_us is not None and event < now - self._ttl_us):
            return None
        return event, max(computed, pushed), now

    def _is_expired(self, data: bytes, moment: Moment) -> bool:
        """Return whether a row is older than the ttl, and known: what it holds does not count then."""
        if data[0] not in self._formats:
            return False
        event, available, _ = instants_of(data)
        return self._ttl_us is not None and 0 < event < moment.now_us - self._ttl_us and available <= moment.latest_us

    def _mark_nulls(self, values: list[object], statuses: list[Status], defaulted: list[bool]) -> None:
        for i, value in enumerate(values):
            if value is None:
                statuses[i] = _NULL
                if self._constants[i] is not None:
                    values[i], defaulted[i] = self._constants[i], True

    def _derive(
        self, values: list[object], statuses: list[Status], defaulted: list[bool], asof_us: int
    ) -> tuple[list[Status], list[bool]]:
        slots = [*values, asof_us]
        for i in self._timed:
            slots[i] = number_of(slots[i])
        for i, (item, closure) in enumerate(self._derived, self._stored):
            value = from_number(closure(slots), item.dtype)
            if value is None:
                if statuses is self.all_present:
                    statuses, defaulted = statuses.copy(), defaulted.copy()
                statuses[i] = _NULL
                value = self._constants[i]
                defaulted[i] = value is not None
            values.append(value)
            slots.append(number_of(value))
        return statuses, defaulted

    def _slowly(self, data: bytes, moment: Moment) -> EntityRow:
        row = unpack_row(data, self.forms[row_schema_id(data)], self.online.meanings)
        answer = self._slow.answer(row, moment.now, pushed=moment.pushed, latest=moment.latest)
        return entity_row(answer, self.names)


def _with_defaults(view: FeatureView, defaults: Mapping[str, Default]) -> FeatureView:
    """Return a view whose features and derived ones have some other defaults."""
    if not defaults:
        return view
    features = tuple(replace(f, default=defaults.get(f.name, f.default)) for f in view.features)
    derived = tuple(replace(d, default=defaults.get(d.name, d.default)) for d in view.derived)
    return replace(view, features=features, derived=derived)


def entity_row(answer: Answer, names: Sequence[str]) -> EntityRow:
    """Return an answer as what an entity has."""
    found = [answer.values[name] for name in names]
    return EntityRow(
        [item.value for item in found],
        [item.status for item in found],
        [item.defaulted for item in found],
        None if answer.event_time is None else instant_us(answer.event_time),
        None if answer.computed_at is None else instant_us(answer.computed_at),
        instant_us(answer.asof),
    )


def _known(event: int) -> int | None:
    """Return when a row was true, in microseconds since 1970; None where that is not known, or always."""
    return None if event in (0, _ALWAYS) else event + INSTANT_ZERO_US


def instant_of(microseconds: int | None) -> datetime | None:
    """Return an instant of a row as a datetime."""
    return None if microseconds is None else from_us(microseconds)
