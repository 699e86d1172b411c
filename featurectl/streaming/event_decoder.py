"""The bytes of an event become the columns of its source, or the reason why they can't."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import msgspec

from featurectl.core.dtypes import DATE, FLOAT64, INT64, STRING, TIMESTAMP, decimal_parts, list_item
from featurectl.core.errors import UsageError
from featurectl.core.units import instant_us, parse_local_instant
from featurectl.expressions.row import to_closure
from featurectl.language.definitions.source import Source
from featurectl.online.client.coerce import reader_of
from featurectl.streaming.plain_events import AS_THEY_ARE, PlainEvents, is_plain

if TYPE_CHECKING:
    from featurectl.streaming.avro_events import AvroEvents, IdProblem

EventRow = tuple[object, ...]  # the columns of the source, then those of `select`, in the form of the online store
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SHOWN: Final = 60
_DECODER: Final = msgspec.json.Decoder()
_BOM: Final = b"\xef\xbb\xbf"  # which some programs put before a text
_INT64_END: Final = 1 << 63
_WITH_ZONE: Final = (20, 24, 27)  # characters of the usual forms of an instant in UTC


class BadEvent(NamedTuple):
    """Why an event is rejected; `column` is the one that is wrong, "" where it is none."""

    reason: str
    column: str = ""


class EventDecoder:
    """Reads the events of a source: its columns in their types, then those of `select`.

    Values are as the online store has them: times in microseconds, dates in days, decimals as texts. What a value may
    be written as is what `sources/casts.py` says of files.
    """

    def __init__(self, source: Source, id_problem: IdProblem | None = None) -> None:
        """Read the events of a source; `id_problem` says why those of a schema's id are not read, "" where they are.

        Raises:
            UsageError: events in Avro need a library that is not installed, or their schema is none.
        """
        assert source.columns is not None, f"source {source.name} has no columns"
        assert source.event_time is not None, f"source {source.name} has no event_time"
        self.columns: Mapping[str, str] = {**source.columns, **{i.name: i.dtype or "" for i in source.select}}
        names = [*source.columns, *(item.name for item in source.select)]
        self.places: Mapping[str, int] = {name: i for i, name in enumerate(names)}  # `select` may hide a column
        self._own = [(name, dtype, _reader(dtype, source)) for name, dtype in source.columns.items()]
        slots = {name: i for i, name in enumerate(source.columns)}
        self._select = []
        for item in source.select:
            assert item.expression.tree is not None, f"untyped column {item.name}"
            self._select.append(to_closure(item.expression.tree, slots))
        self._time = self.places[source.event_time], self.columns[source.event_time] == DATE, source.timezone
        self._event_time = source.event_time
        self._avro = _open_avro(source, id_problem)
        is_usual = self._avro is None and all(map(is_plain, source.columns))
        self._plain = PlainEvents(source.columns) if is_usual else None
        self._read_after = [(i, read) for i, (_, dtype, read) in enumerate(self._own) if dtype not in AS_THEY_ARE]

    def decode(self, value: bytes) -> EventRow | BadEvent:
        """Return the columns of an event in the format of the source; what else it has is not read.

        What a JSON object lacks is null.

        Raises:
            StoreError: what an id of Avro means is asked of a schema registry, which can't be.
        """
        if self._plain is None:
            found = self.fields(value)
            return found if isinstance(found, BadEvent) else self.read(found)
        plain = self._plain.fields(value)
        row = None if plain is None else self._read_plain(plain)
        if row is not None:
            return row
        found = self.fields(value)
        if isinstance(found, BadEvent):
            return found
        self._plain.learn(found)
        return self.read(found)

    def fields(self, value: bytes) -> Mapping[str, object] | BadEvent:
        """Return the fields of an event by their names, as they are written.

        Raises:
            StoreError: as `decode`.
        """
        if self._avro is not None:
            fields = self._avro.fields(value)
            return BadEvent(fields) if isinstance(fields, str) else fields
        try:
            found = _DECODER.decode(value.removeprefix(_BOM))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:  # no JSON, no UTF-8, or nested too deeply
            return BadEvent(f"no JSON: {str(error)[:_SHOWN]}")
        if not isinstance(found, dict):
            return BadEvent(f"no JSON object but {_shown(found)}")
        return found

    def read(self, found: Mapping[str, object]) -> EventRow | BadEvent:
        """Return the columns of an event by the names of its fields."""
        row: list[object] = []
        for name, dtype, read in self._own:
            value = found.get(name)
            if value is not None:
                known = read(value)
                if known is _BAD:
                    return BadEvent(f"{_shown(value)} is no {dtype}", name)
                value = known
            row.append(value)
        return self._with_time(row)

    def _read_plain(self, found: Sequence[object]) -> EventRow | BadEvent | None:
        """Return the columns of a plain event; None where a value is to be read as `read` reads it."""
        row = [*found[: len(self._own)]]
        for place, read in self._read_after:
            value = row[place]
            if value is not None:
                known = read(value)
                if known is _BAD:
                    return None
                row[place] = known
        return self._with_time(row)

    def _with_time(self, own: Sequence[object]) -> EventRow | BadEvent:
        """Return the columns of an event with those of `select`, unless it has no time."""
        made = self.with_select(own)
        place, is_date, _ = self._time
        if made[place] is None:
            return BadEvent("null event time", self._event_time)
        if is_date and self._midnight(made) is None:
            return BadEvent("the midnight of its date is before year 1 in UTC", self._event_time)
        return made

    def with_select(self, own: Sequence[object]) -> EventRow:
        """Return the columns of an event with those of `select` behind its own."""
        return (*own, *[closure(own) for closure in self._select]) if self._select else tuple(own)

    def event_us(self, row: EventRow) -> int:
        """Return when an event was true; a date is its midnight in the time zone of the source."""
        place, is_date, _ = self._time
        value = row[place]
        assert isinstance(value, int)
        if not is_date:
            return value
        midnight = self._midnight(row)
        assert midnight is not None
        return instant_us(midnight)

    def _midnight(self, row: EventRow) -> datetime | None:
        """Return the midnight of an event's date, None where no instant is that early or late."""
        place, _, timezone = self._time
        day = date.fromordinal(cast("int", row[place]) + _EPOCH_DAY)
        return parse_local_instant(day.isoformat(), timezone)


def _open_avro(source: Source, id_problem: IdProblem | None) -> AvroEvents | None:
    stream = source.stream
    if stream is None or stream.format != "avro":
        return None
    with fastavro_named(source):
        from featurectl.streaming.avro_events import AvroEvents
    return AvroEvents(stream.schema, stream.schema_path, id_problem)


@contextmanager
def fastavro_named(source: Source) -> Iterator[None]:
    """Say which package events in Avro need where it is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "fastavro":
            raise
        hint = "pip install 'featurectl[avro]'"
        raise UsageError(f"source {source.name}: events in Avro need the package fastavro", hint=hint) from error


_Read = Callable[[object], object]  # gives `_BAD` for a value that does not fit; what fits may be read as null
_BAD: Final = object()


def _reader(dtype: str, source: Source) -> _Read:
    """Return what reads a value that is not null as a type, in the form of the online store.

    Values as they nearly always come are taken at once; all others are read as `reader_of` reads them.
    """
    if item := list_item(dtype):
        return _list_reader(_reader(item, source))
    drops_nan, timezone = source.nan == "null", source.timezone
    if parts := decimal_parts(dtype):
        scale = parts[1]
        return _either(lambda _: _BAD, reader_of(dtype), lambda found: f"{cast('Decimal', found):.{scale}f}")
    if dtype == TIMESTAMP:
        return _instant_reader(timezone)
    if dtype == FLOAT64:
        return _either(_plain_float, reader_of(dtype), lambda found: _number(found, drops_nan=drops_nan))
    if dtype == DATE:
        return _either(lambda _: _BAD, reader_of(dtype), _days)
    plain = {STRING: _plain_text, INT64: _plain_int}.get(dtype, _plain_bool)
    return _either(plain, reader_of(dtype), lambda found: found)


def _either(plain: _Read, read: _Read, stored: Callable[[object], object]) -> _Read:
    def known(value: object) -> object:
        found = plain(value)
        if found is not _BAD:
            return found
        found = read(value)
        return _BAD if found is None else stored(found)

    return known


def _plain_text(value: object) -> object:
    return value if type(value) is str and value.isascii() else _BAD


def _plain_int(value: object) -> object:
    return value if type(value) is int and -_INT64_END <= value < _INT64_END else _BAD


def _plain_bool(value: object) -> object:
    return value if value is True or value is False else _BAD


def _plain_float(value: object) -> object:
    return value if type(value) is float and -math.inf < value < math.inf else _BAD


def _list_reader(read: _Read) -> _Read:
    def known(value: object) -> object:
        if not isinstance(value, list):
            return _BAD
        items = [None if item is None else read(item) for item in value]
        return _BAD if _BAD in items else items

    return known


def _instant_reader(timezone: str) -> _Read:
    """Return what reads an instant; one without an offset is of a time zone."""
    read = reader_of(TIMESTAMP)

    def known(value: object) -> object:
        # The marks of 2026-01-31T05:30:00Z, with a fraction of 3 or 6 digits or without.
        if type(value) is str and len(value) in _WITH_ZONE and value[4:17:3] == "--T::" and value[-1] == "Z":
            if value[11:13] == "24":  # which newer Pythons take for the next day
                return _BAD
            try:
                return instant_us(datetime.fromisoformat(value))
            except ValueError:
                return _BAD
        found = read(value)
        if isinstance(value, str) and found is not None and timezone != "UTC":
            found = parse_local_instant(value.upper(), timezone)
        return instant_us(found) if isinstance(found, datetime) else _BAD

    return known


def _number(value: object, *, drops_nan: bool) -> object:
    assert isinstance(value, float)
    return None if drops_nan and not math.isfinite(value) else value


def _days(value: object) -> int:
    assert isinstance(value, date)
    assert not isinstance(value, datetime)
    return value.toordinal() - _EPOCH_DAY


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
