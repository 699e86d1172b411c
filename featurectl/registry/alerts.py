"""Alerts in a SQL registry: states by compare-and-set, an outbox of messages with leases, silences."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select, update

from featurectl.core.documents import of_fields
from featurectl.core.units import format_iso, parse_instant
from featurectl.registry import tables
from featurectl.registry.alert_state import (
    AffectedSubject,
    AlertState,
    Delivery,
    DeliveryState,
    Silence,
    first_of_each,
)
from featurectl.registry.database import Database
from featurectl.registry.dialect import insert_new, read_clock
from featurectl.registry.rows import read_document

_IN_DOCUMENTS: Final = {"notified": "told", "root_cause": "subject"}  # as they are called there
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
        """Return every state, by alert and root cause."""
        rows = self._read(_STATES, [_STATES.c.alert, _STATES.c.subject])
        return [replace(_load_state(row["document"]), revision=row["revision"]) for row in rows]

    def write_state(
        self, before: AlertState, after: AlertState, deliveries: Sequence[Delivery], *, withdraw: bool = False
    ) -> bool:
        """Write a state and the messages that it causes in one transaction, unless it is no longer as `before`."""
        with self._database.writing() as connection:
            if not self._write(connection, after, before.revision):
                return False
            if withdraw and (withdrawn := self._withdraw(connection, after)):
                notified = {name: last for name, last in after.notified.items() if name not in withdrawn}
                self._write(connection, replace(after, notified=notified), before.revision + 1)
            self._insert(connection, deliveries)
            return True

    def load_deliveries(self, states: Sequence[DeliveryState] = ("waiting", "failed")) -> Sequence[Delivery]:
        """Return the messages in these states, in their order."""
        order = [_DELIVERIES.c.number, _DELIVERIES.c.id]
        return [_load_delivery(row) for row in self._read(_DELIVERIES, order, _DELIVERIES.c.state.in_(states))]

    def claim(self, lease_s: float, held: Callable[[Delivery], bool] = lambda _: False) -> Delivery | None:
        """Return the next message that is due and nobody sends, leased to the caller; None when there is none."""
        if not self._is_there_any(_DELIVERIES.c.state == "waiting"):
            return None
        with self._database.writing() as connection:
            now, lease = self._time(connection), uuid.uuid4().hex
            until = now + timedelta(seconds=lease_s)
            for candidate in first_of_each(self._in_state(connection, "waiting")):
                free = candidate.lease_until is None or candidate.lease_until <= now
                if candidate.due_at <= now and free and not held(candidate):
                    claimed = replace(candidate, lease=lease, lease_until=until)
                    if self._update(connection, claimed, candidate.lease):
                        return claimed
        return None

    def settle(self, delivery: Delivery) -> bool:
        """Write how a try ended and give the lease back; False when it is another's by now, which changes nothing."""
        with self._database.writing() as connection:
            settled = replace(delivery, lease="", lease_until=self._time(connection))
            written = self._update(connection, settled, delivery.lease)
            if written and delivery.state != "waiting":
                failed = self._in_state(connection, "failed")
                self._remove(connection, [d for d in failed if _of(d) == _of(delivery) and d.number < delivery.number])
            return written

    def revive(self, delivery: Delivery) -> bool:
        """Let a message that was given up wait again, due at once and for as long as a new one; False when it does."""
        with self._database.writing() as connection:
            now = self._time(connection)
            revived = replace(delivery, state="waiting", created_at=now, due_at=now)
            return self._update(connection, revived, "", "failed")

    def postpone(self, notifier: str, until: datetime) -> None:
        """Let no message to a notifier be due before an instant."""
        with self._database.writing() as connection:
            for waiting in self._in_state(connection, "waiting"):
                if waiting.notifier == notifier and not waiting.lease and waiting.due_at < until:
                    self._update(connection, replace(waiting, due_at=until), "")

    def forget(self, after: timedelta, keep: Collection[str] = ()) -> None:
        """Remove the messages that were sent or given up so long ago, but for those whose ID is in `keep`."""
        before = format_iso(self.now() - after)
        over = (_DELIVERIES.c.state != "waiting", _DELIVERIES.c.lease_until < before, _DELIVERIES.c.id.not_in(keep))
        if self._is_there_any(*over):
            with self._database.writing() as connection:
                connection.execute(delete(_DELIVERIES).where(*self._own(_DELIVERIES), *over))

    def now(self) -> datetime:
        """Return the time by which leases run."""
        with self._database.reading() as connection:
            return datetime.now(UTC) if connection is None and self._clock is None else self._time(connection)

    def load_silences(self) -> Sequence[Silence]:
        """Return every silence, those that are over too, oldest first."""
        silences = [_load_silence(row["document"]) for row in self._read(_SILENCES, [_SILENCES.c.id])]
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
        """Return rows; none where there is no registry yet."""
        with self._database.reading() as connection:
            if connection is None:
                return []
            return self._rows(connection, table, order, *where)

    def _rows(
        self,
        connection: Connection,
        table: Table,
        order: Sequence[Any],
        *where: Any,
    ) -> list[Mapping[str, Any]]:
        asked = select(table).where(*self._own(table), *where).order_by(*order)
        return [dict(row) for row in connection.execute(asked).mappings()]

    def _own(self, table: Table) -> list[ColumnElement[bool]]:
        return [table.c[name] == value for name, value in self._key.items()]

    def _is_there_any(self, *where: ColumnElement[bool]) -> bool:
        """Return whether there is such a message; it waits for no writer."""
        asked = select(_DELIVERIES.c.id).where(*self._own(_DELIVERIES), *where).limit(1)
        with self._database.reading() as connection:
            if connection is None:
                return False
            return connection.execute(asked).first() is not None

    def _in_state(self, connection: Connection, state: DeliveryState) -> list[Delivery]:
        order = [_DELIVERIES.c.number, _DELIVERIES.c.id]
        return [_load_delivery(row) for row in self._rows(connection, _DELIVERIES, order, _DELIVERIES.c.state == state)]

    def _write(self, connection: Connection, state: AlertState, revision: int) -> bool:
        """Write a state as the one after a revision; False when that is not the last."""
        key = self._key | {"alert": state.alert, "subject": state.root_cause}
        written = {"revision": revision + 1, "document": _dump(replace(state, revision=0))}
        if revision == 0:
            return insert_new(connection, _STATES, key | written)
        same = [_STATES.c[name] == value for name, value in key.items()]
        change = update(_STATES).where(*same, _STATES.c.revision == revision).values(written)
        return connection.execute(change.returning(_STATES.c.revision)).first() is not None

    def _withdraw(self, connection: Connection, state: AlertState) -> set[str]:
        """Remove what waits to say that it fires and nobody has tried to; return whom it would have reached first."""
        waiting = [d for d in self._in_state(connection, "waiting") if not d.lease and not d.attempts]
        of = [d for d in waiting if (d.alert, d.root_cause) == (state.alert, state.root_cause) and d.kind != "resolved"]
        removed = self._remove(connection, of)
        return {d.notifier for d in of if d.id in removed and d.kind == "firing"}

    def _remove(self, connection: Connection, deliveries: Sequence[Delivery]) -> set[str]:
        """Remove messages that are as they were read, and return the IDs of those that were."""
        if not deliveries:
            return set()
        ids = [delivery.id for delivery in deliveries]
        gone = delete(_DELIVERIES).where(*self._own(_DELIVERIES), _DELIVERIES.c.id.in_(ids), _DELIVERIES.c.lease == "")
        return {row.id for row in connection.execute(gone.returning(_DELIVERIES.c.id))}

    def _insert(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        last = connection.execute(select(func.max(_DELIVERIES.c.number)).where(*self._own(_DELIVERIES))).scalar() or 0
        if any(item.kind == "repeat" for item in deliveries):
            waiting = {_of(item) for item in self._in_state(connection, "waiting")}
            deliveries = [item for item in deliveries if item.kind != "repeat" or _of(item) not in waiting]
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

    def _update(self, connection: Connection, delivery: Delivery, lease: str, state: DeliveryState = "waiting") -> bool:
        """Write a message that is in this state and under this lease still; False when it is not."""
        own = (*self._own(_DELIVERIES), _DELIVERIES.c.id == delivery.id)
        change = update(_DELIVERIES).where(*own, _DELIVERIES.c.state == state, _DELIVERIES.c.lease == lease)
        change = change.values(**self._row(delivery))
        return connection.execute(change.returning(_DELIVERIES.c.id)).first() is not None


def _of(delivery: Delivery) -> tuple[str, str, str]:
    return delivery.alert, delivery.root_cause, delivery.notifier


def _dump(value: AlertState | Delivery | Silence) -> str:
    fields = asdict(value)
    if not isinstance(value, Silence):
        fields = {_IN_DOCUMENTS.get(key, key): item for key, item in fields.items()}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=format_iso)


def _load_state(document: str) -> AlertState:
    return read_document(document, _state)


def _state(fields: dict[str, Any]) -> AlertState:
    root_cause = fields.pop("subject")
    named = (name for name in ("began", "since", "changed_at") if name in fields)
    own: dict[str, Any] = {name: fields[name] and parse_instant(fields[name]) for name in named}
    own["notified"] = {name: parse_instant(text) for name, text in fields.pop("told").items()}
    # An older document has no subjects: each was about one, by its name.
    own["subjects"] = tuple(of_fields(AffectedSubject, item) for item in fields.pop("subjects", [{"name": root_cause}]))
    return of_fields(AlertState, fields | own | {"root_cause": root_cause})


def _load_delivery(row: Mapping[str, Any]) -> Delivery:
    until = parse_instant(row["lease_until"]) if row["lease_until"] else None
    return replace(read_document(row["document"], _delivery), lease=row["lease"], lease_until=until)


def _delivery(fields: dict[str, Any]) -> Delivery:
    root_cause = fields.pop("subject")
    subjects = tuple(fields.pop("subjects", [root_cause]))
    return of_fields(Delivery, _with_instants(fields) | {"root_cause": root_cause, "subjects": subjects})


def _load_silence(document: str) -> Silence:
    return read_document(document, lambda fields: of_fields(Silence, _with_instants(fields)))


def _with_instants(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {name: parse_instant(fields[name]) for name in ("created_at", "due_at", "until") if name in fields}
