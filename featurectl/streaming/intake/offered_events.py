"""Events that are offered to a source: each becomes a message, or the reason why a worker would reject it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from featurectl.core.errors import UsageError
from featurectl.language.definitions.source import Source
from featurectl.online.stream_state.layout import AHEAD_US
from featurectl.streaming.entity_keys import EntityKey
from featurectl.streaming.event_checks import EventChecks, RejectionKind, rejection_kind
from featurectl.streaming.event_decoder import BadEvent, EventDecoder, EventRow
from featurectl.streaming.event_keys import EventKeys
from featurectl.streaming.topics.base import Record

_AHEAD: Final = "its time is more than 1 h ahead of the clock"


class EventMisfit(NamedTuple):
    """An event that a worker would reject: its place in the list, from 0, what column is wrong ("": none), and why."""

    place: int
    column: str
    reason: str
    kind: RejectionKind


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedEvents:
    """Messages of the events that fit, in their order, and those that don't."""

    records: Sequence[Record]
    misfits: Sequence[EventMisfit]


def misfit_sentence(source: str, count: int, misfits: Sequence[EventMisfit]) -> str:
    """Return why none of so many events was sent, with the first that does not fit.

    >>> misfit_sentence("swipes", 3, [EventMisfit(1, "amount", "'x' is no float64", "value")])
    "1 of 3 events do not fit source swipes, and none was sent: event 2, column amount: 'x' is no float64"
    """
    first = misfits[0]
    where = f"event {first.place + 1:,}{f', column {first.column}' if first.column else ''}: {first.reason}"
    return f"{len(misfits):,} of {count:,} events do not fit source {source}, and none was sent: {where}"


class OfferedEvents:
    """Checks events as the workers of a source do, and makes messages of them in the bytes that they have."""

    def __init__(self, source: Source, keys: Collection[EntityKey] = ()) -> None:
        """Check the events of a source whose entities have some `keys`.

        Raises:
            UsageError: its events are not in JSON.
        """
        assert source.stream is not None
        if source.stream.format != "json":
            message = f"source {source.name} reads {source.stream.format}, and events are handed over as json"
            raise UsageError(message, hint="send these events with a producer of your own")
        self._decoder = EventDecoder(source)
        self._checks = EventChecks(source, self._decoder, keys)
        self._keys = EventKeys(source)
        self._event_time = source.event_time or ""

    def check(self, values: Sequence[bytes], now_us: int, first: int = 0) -> CheckedEvents:
        """Return messages of some events, as of an instant by the clock; `first` is the place of the first of them."""
        records: list[Record] = []
        rows: list[EventRow] = []
        places: list[int] = []
        misfits: list[EventMisfit] = []
        for place, value in enumerate(values, first):
            made = self._read(value, place, now_us)
            if isinstance(made, EventMisfit):
                misfits.append(made)
            else:
                rows.append(made[0])
                records.append((made[1], value))
                places.append(place)
        for number, bad in self._checks.failed(rows).rejected.items():
            misfits.append(EventMisfit(places[number], bad.column, bad.reason, rejection_kind(bad.reason, bad.column)))
        return CheckedEvents(records=records, misfits=sorted(misfits))

    def _read(self, value: bytes, place: int, now_us: int) -> tuple[EventRow, bytes | None] | EventMisfit:
        """Return the columns of an event and the key of its message."""
        fields = self._decoder.fields(value)
        if isinstance(fields, BadEvent):
            return EventMisfit(place, "", fields.reason, "unreadable")
        row = self._decoder.read(fields)
        if isinstance(row, BadEvent):
            return EventMisfit(place, row.column, row.reason, "value")
        if self._decoder.event_us(row) > now_us + AHEAD_US:
            return EventMisfit(place, self._event_time, _AHEAD, "ahead")
        return row, self._keys.key_of(fields)
