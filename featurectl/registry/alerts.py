"""Alerts in a SQL registry: states by compare-and-set, an outbox of messages with leases, silences."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, insert, inspect, select, update

from featurectl.registry import tables
from featurectl.registry.alert_state import AlertState, Delivery, DeliveryState, Silence
from featurectl.registry.database import Database
from featurectl.registry.dialect import insert_new, read_clock
from featurectl.units import format_iso, parse_instant

T = TypeVar("T", Delivery, Silence)

_STATES, _DELIVERIES, _SILENCES = tables.alert_states, tables.deliveries, tables.silences


class SqlAlertLedger:
    """The alerts of a project's environment. `clock` is what leases run by, instead of the database's."""

    def __init__(
        self, database: Database, project: str, environment: str, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._database = database
        self._key = {"project": project, "environment": environment}
        self._clock = clock

    def load_states(self) -> Sequence[AlertState]:
        """Return every state, by alert and subject."""
        rows = self._read(_STATES, [_STATES.c.alert, _STATES.c.subject])
        return [replace(_load_state(row["document"]), revision=row["revision"]) for row in rows]

    def write_state(self, before: AlertState, after: AlertState, deliveries: Sequence[Delivery]) -> bool:
        """Write a state and the messages that it causes in one transaction, unless it is no longer as `before`."""
        key = self._key | {"alert": after.alert, "subject": after.subject}
        document = _dump(replace(after, revision=0))
        with self._database.writing() as connection:
            if before.revision == 0:
                written = insert_new(connection, _STATES, key | {"revision": 1, "document": document})
            else:
                same = [_STATES.c[name] == value for name, value in key.items()]
                change = update(_STATES).where(*same, _STATES.c.revision == before.revision)
                change = change.values(revision=before.revision + 1, document=document)
                written = connection.execute(change.returning(_STATES.c.revision)).first() is not None
            if written:
                self._insert(connection, deliveries)
            return written

    def load_deliveries(self, states: Sequence[DeliveryState] = ("waiting", "failed")) -> Sequence[Delivery]:
        """Return the messages in these states, in their order."""
        order = [_DELIVERIES.c.number, _DELIVERIES.c.id]
        return [_load_delivery(row) for row in self._read(_DELIVERIES, order, _DELIVERIES.c.state.in_(states))]

    def claim(self, lease_s: float, without: Collection[str] = ()) -> Delivery | None:
        """Return the next message that is due and nobody sends, leased to the caller; None when there is none."""
        if not self._does_any_wait():
            return None
        with self._database.writing() as connection:
            now, lease = self._time(connection), uuid.uuid4().hex
            until = now + timedelta(seconds=lease_s)
            for candidate in _first_of_each(self._waiting(connection)):
                free = candidate.lease_until is None or candidate.lease_until <= now
                if candidate.due_at <= now and free and candidate.notifier not in without:
                    claimed = replace(candidate, lease=lease, lease_until=until)
                    if self._update(connection, claimed, candidate.lease):
                        return claimed
        return None

    def settle(self, delivery: Delivery) -> bool:
        """Write how a try ended and give the lease back; False when it is another's by now, which changes nothing."""
        with self._database.writing() as connection:
            return self._update(connection, replace(delivery, lease="", lease_until=None), delivery.lease)

    def now(self) -> datetime:
        """Return the time by which leases run."""
        with self._database.reading() as connection:
            return datetime.now(UTC) if connection is None and self._clock is None else self._time(connection)

    def load_silences(self) -> Sequence[Silence]:
        """Return every silence, those that are over too, oldest first."""
        silences = [_load(Silence, row["document"]) for row in self._read(_SILENCES, [_SILENCES.c.id])]
        return sorted(silences, key=lambda silence: (silence.created_at, silence.id))

    def write_silence(self, silence: Silence) -> None:
        """Write a silence, over one of its ID."""
        key, document = self._key | {"id": silence.id}, _dump(silence)
        with self._database.writing() as connection:
            if not insert_new(connection, _SILENCES, key | {"document": document}):
                same = [_SILENCES.c[name] == value for name, value in key.items()]
                connection.execute(update(_SILENCES).where(*same).values(document=document))

    def _time(self, connection: Connection | None) -> datetime:
        if self._clock is not None:
            return self._clock()
        assert connection is not None
        return read_clock(connection)

    def _read(self, table: Table, order: Sequence[Any], *where: Any) -> list[Mapping[str, Any]]:
        """Return rows; none in a registry that is older than the table, for reading upgrades no schema."""
        with self._database.reading() as connection:
            if connection is None or not inspect(connection).has_table(table.name):
                return []
            return self._rows(connection, table, order, *where)

    def _rows(
        self,
        connection: Connection,
        table: Table,
        order: Sequence[Any],
        *where: Any,
    ) -> list[Mapping[str, Any]]:
        own = [table.c[name] == value for name, value in self._key.items()]
        return [dict(row) for row in connection.execute(select(table).where(*own, *where).order_by(*order)).mappings()]

    def _does_any_wait(self) -> bool:
        own = [_DELIVERIES.c[name] == value for name, value in self._key.items()]
        asked = select(_DELIVERIES.c.id).where(*own, _DELIVERIES.c.state == "waiting").limit(1)
        with self._database.reading() as connection:
            if connection is None or not inspect(connection).has_table(_DELIVERIES.name):
                return False
            return connection.execute(asked).first() is not None

    def _waiting(self, connection: Connection) -> Iterator[Delivery]:
        order = [_DELIVERIES.c.number, _DELIVERIES.c.id]
        rows = self._rows(connection, _DELIVERIES, order, _DELIVERIES.c.state == "waiting")
        return (_load_delivery(row) for row in rows)

    def _insert(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        own = [_DELIVERIES.c[name] == value for name, value in self._key.items()]
        last = connection.execute(select(func.max(_DELIVERIES.c.number)).where(*own)).scalar() or 0
        rows = [self._row(replace(item, number=last + at)) for at, item in enumerate(deliveries, start=1)]
        if rows:
            connection.execute(insert(_DELIVERIES), rows)

    def _row(self, delivery: Delivery) -> dict[str, object]:
        until = format_iso(delivery.lease_until) if delivery.lease_until else ""
        return {
            **self._key,
            "id": delivery.id,
            "number": delivery.number,
            "state": delivery.state,
            "lease": delivery.lease,
            "lease_until": until,
            "document": _dump(replace(delivery, lease="", lease_until=None)),
        }

    def _update(self, connection: Connection, delivery: Delivery, lease: str) -> bool:
        """Write a message that waits under this lease still; False when it does not."""
        own = [_DELIVERIES.c[name] == value for name, value in (self._key | {"id": delivery.id}).items()]
        change = update(_DELIVERIES).where(*own, _DELIVERIES.c.state == "waiting", _DELIVERIES.c.lease == lease)
        change = change.values(**self._row(delivery))
        return connection.execute(change.returning(_DELIVERIES.c.id)).first() is not None


def _first_of_each(waiting: Iterable[Delivery]) -> Iterator[Delivery]:
    """Give the first message of each alert, subject and notifier."""
    seen = set()
    for delivery in waiting:
        of = (delivery.alert, delivery.subject, delivery.notifier)
        if of not in seen:
            seen.add(of)
            yield delivery


def _dump(value: AlertState | Delivery | Silence) -> str:
    return json.dumps(asdict(value), ensure_ascii=False, separators=(",", ":"), default=format_iso)


def _load_state(document: str) -> AlertState:
    fields = json.loads(document)
    told = {name: parse_instant(text) for name, text in fields["told"].items()}
    instants = {name: fields[name] and parse_instant(fields[name]) for name in ("since", "changed_at")}
    return AlertState(**(fields | instants | {"told": told}))


def _load_delivery(row: Mapping[str, Any]) -> Delivery:
    until = parse_instant(row["lease_until"]) if row["lease_until"] else None
    return replace(_load(Delivery, row["document"]), lease=row["lease"], lease_until=until)


def _load(cls: type[T], document: str) -> T:
    fields = json.loads(document)
    instants = {name: parse_instant(fields[name]) for name in ("created_at", "due_at", "until") if name in fields}
    return cls(**(fields | instants))
