"""The registry in a SQL database: SQLite or PostgreSQL, by SQLAlchemy."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from random import SystemRandom
from typing import Final

from sqlalchemy import Connection, Table, func, insert, select

from featurectl.core.erasures import Tombstone
from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.variables import shown_location
from featurectl.registry import tables
from featurectl.registry.alerts import SqlAlertLedger
from featurectl.registry.aliases import forget_previous, move_aliases, read_alias
from featurectl.registry.base import HistoryEntry, Lock, Pin, RegistryChange, SeenColumns
from featurectl.registry.canaries import end_canary, insert_canary, load_canaries
from featurectl.registry.database import Database, registry_id
from featurectl.registry.dialect import read_clock
from featurectl.registry.erasures import (
    insert_tombstones,
    known_secret,
    load_erasures,
    make_secret,
    mark_done,
    newest_tombstone,
    require_erased,
)
from featurectl.registry.leases import SqlLeases
from featurectl.registry.locks import delete_lock, hold_lock, not_locked, refusal, remove_lock, take_lock
from featurectl.registry.model_documents import insert_document, write_documents, write_retired
from featurectl.registry.object_rows import delete_objects
from featurectl.registry.pins import delete_pins, insert_pins, load_pins
from featurectl.registry.rows import (
    history_row,
    load_history,
    load_model_versions,
    load_object,
    object_row,
    registered_entry,
)
from featurectl.registry.serials import next_serial, serial_after
from featurectl.registry.state import CanaryRun, ModelVersion, State
from featurectl.registry.view_columns import replace_view_columns, select_view_columns
from featurectl.registry.waiting import PATIENT, Patience

_POLL_S: Final = (0.05, 0.25)  # between two tries for a lock: drawn anew each time, so that many don't keep step


class SqlRegistry:
    """A registry behind a SQLAlchemy URL; `postgresql://` is served by psycopg.

    Nothing is opened before the first call. Reading a registry that does not exist gives empty projects and makes
    nothing; the first write makes the database's folder and tables. `shown` is what errors call it, the URL without
    its secrets by default; `clock` is what leases run by, instead of the database's; `patience`: how it is waited for.
    """

    def __init__(
        self, url: str, *, shown: str = "", clock: Callable[[], datetime] | None = None, patience: Patience = PATIENT
    ) -> None:
        self._database = Database(url, shown or shown_location(url), patience)
        self._clock = clock

    def load_state(self, project: str) -> State:
        """Return the state of a project; an unknown one is empty, with serial 0. Never writes a project."""
        with self._database.reading() as connection:
            if connection is None:
                return State(project=project, registry_id="", serial=0)
            return _load_state(connection, project)

    @contextmanager
    def lock(
        self, project: str, holder: str, timeout_s: float = 0.0, waiting: Callable[[str], None] | None = None
    ) -> Iterator[str]:
        """Hold the project's lock for the body, and give its ID.

        While another has it, `waiting` hears who (once each), and it is tried again for `timeout_s`. The lease is
        `locks.LEASE`: a body that takes longer can write as long as nobody has taken the lock meanwhile.

        Raises:
            TryAgainError: another holder has it still; the message names them.
        """
        lock_id = uuid.uuid4().hex[:12]
        try:
            self._wait_for_lock(project, holder, lock_id, timeout_s, waiting)
        except FeaturectlError:
            raise
        except BaseException as interrupt:  # Ctrl-C, say: it may have come between taking the lock and knowing it
            interrupt.__traceback__ = None  # whose frames keep the transaction open that it came into
            self._release_lock(project, lock_id)
            raise
        try:
            yield lock_id
        finally:
            try:
                self._release_lock(project, lock_id)
            except KeyboardInterrupt as interrupt:
                interrupt.__traceback__ = None  # as above
                self._release_lock(project, lock_id)
                raise

    def unlock(self, project: str, lock_id: str) -> Lock:
        """Take a lock away from its holder, who can't write under it any more, and return it.

        Raises:
            UsageError: the project has no such lock; the hint describes the one that it has.
        """
        with self._database.reading() as connection:
            if connection is None:
                raise not_locked(project)
        with self._database.writing() as connection:
            return remove_lock(connection, project, lock_id)

    def write_change(self, state: State, change: RegistryChange, entry: HistoryEntry, lock_id: str = "") -> State:
        """Apply a change in one transaction, with its entry in the history, and return the new state.

        `lock_id` is the lock that it is done under; empty: under none.

        Raises:
            TryAgainError: the project has changed since `state` was read, or the lock is no longer held.
        """
        with self._database.writing() as connection:
            if lock_id:
                hold_lock(connection, state.project, lock_id)
            serial = serial_after(connection, state, hint="plan again")
            delete_objects(connection, state.project, [*change.write, *change.retire])
            since = {(o.kind, o.name, o.version): o.applied_at for o in state.objects if o.current}
            written = [
                replace(o, applied_at=since.get((o.kind, o.name, o.version), o.applied_at)) for o in change.write
            ]
            kept = [*written, *(replace(item, current=False) for item in change.retire)]
            _insert(connection, tables.objects, [object_row(state.project, item, entry.at) for item in kept])
            _insert(connection, tables.history, [history_row(state.project, entry, serial)])
            return _load_state(connection, state.project)

    def write_model_version(  # noqa: PLR0913  # what is written, and what it must not pass over
        self,
        project: str,
        version: ModelVersion,
        aliases: Sequence[str],
        who: str = "",
        claims: Sequence[str] = (),
        *,
        erased: int | None = None,
    ) -> ModelVersion:
        """Register a model version under the next number (the argument's number is ignored), moving `aliases`.

        Of `claims` it gets those aliases that no version has, `who` is for the history; `TryAgainError` after `erased`.
        """
        with self._database.writing() as connection:
            serial = next_serial(connection, project)
            require_erased(connection, project, erased)
            table = tables.model_versions.c
            last = select(func.max(table.version)).where(table.project == project, table.model == version.model)
            version = replace(version, version=(connection.execute(last).scalar() or 0) + 1)
            insert_document(connection, project, version)
            free = [name for name in claims if read_alias(connection, project, version.model, name) is None]
            moved = [*aliases, *free]
            move_aliases(connection, project, version.model, dict.fromkeys(moved, version.version))
            _insert(connection, tables.history, [history_row(project, registered_entry(version, moved, who), serial)])
        return version

    def write_copied_version(
        self, state: State, version: ModelVersion, moves: Mapping[str, int | None], entry: HistoryEntry
    ) -> None:
        """Register a model version under the number that it has, moving aliases, in one transaction with one `entry`.

        Raises:
            TryAgainError: the project has changed since `state` was read, in which the number is free.
        """
        with self._database.writing() as connection:
            serial = serial_after(connection, state, hint="run it again")
            insert_document(connection, state.project, version)
            move_aliases(connection, state.project, version.model, moves)
            _insert(connection, tables.history, [history_row(state.project, entry, serial)])

    def write_aliases(
        self,
        project: str,
        model: str,
        moves: Mapping[str, int | None],
        entry: HistoryEntry,
        seen: Mapping[str, int] | None = None,
    ) -> None:
        """Point aliases of a model at versions of it (None: at none any more), in one transaction with one `entry`.

        Raises:
            UsageError: the model has no such version.
            TryAgainError: `seen`, the aliases as they were read, are not those of now.
        """
        with self._database.writing() as connection:
            serial = next_serial(connection, project)
            move_aliases(connection, project, model, moves, seen)
            _insert(connection, tables.history, [history_row(project, entry, serial)])

    def write_alias(self, project: str, model: str, alias: str, version: int, entry: HistoryEntry) -> None:
        """Point one alias of a model at one of its versions; see `write_aliases`."""
        self.write_aliases(project, model, {alias: version}, entry)

    def retire_models(self, state: State, versions: Sequence[ModelVersion], entry: HistoryEntry) -> None:
        """Mark versions of models as retired, in one transaction with one `entry`; none of them is `previous` then.

        Raises:
            TryAgainError: the project has changed since `state` was read, in which no other alias points at them.
        """
        with self._database.writing() as connection:
            serial = serial_after(connection, state, hint="run it again")
            write_retired(connection, state.project, versions)
            forget_previous(connection, state.project, versions)
            _insert(connection, tables.history, [history_row(state.project, entry, serial)])

    def replace_models(self, state: State, versions: Sequence[ModelVersion], entry: HistoryEntry) -> None:
        """Write what is known of model versions, which has changed, in one transaction with one `entry`; see `base`."""
        with self._database.writing() as connection:
            serial = serial_after(connection, state, hint="run it again")
            write_documents(connection, state.project, versions)
            _insert(connection, tables.history, [history_row(state.project, entry, serial)])

    def start_canary(self, project: str, run: CanaryRun, entry: HistoryEntry) -> CanaryRun:
        """Begin a canary under the next number (the argument's is ignored), pointing `challenger` at its version.

        Raises:
            UsageError: one of the model is running, or a version is not there or rejected.
            TryAgainError: the champion is another by now.
        """
        with self._database.writing() as connection:
            serial = next_serial(connection, project)
            run = insert_canary(connection, project, run)
            _insert(connection, tables.history, [history_row(project, entry, serial)])
        return run

    def decide_canary(self, project: str, decided: CanaryRun, entry: HistoryEntry) -> bool:
        """Write how a canary ended, once, and return whether it was this call that did; the others change nothing.

        Raises:
            TryAgainError: it is to be promoted, and the champion is another by now than it was compared with.
        """
        with self._database.writing() as connection:
            if not end_canary(connection, project, decided):
                return False
            serial = next_serial(connection, project)
            _insert(connection, tables.history, [history_row(project, entry, serial)])
        return True

    def read_history(self, project: str) -> Sequence[HistoryEntry]:
        """Return what happened, newest first."""
        with self._database.reading() as connection:
            if connection is None:
                return ()
            table = tables.history
            query = select(table).where(table.c.project == project).order_by(table.c.serial.desc())
            return tuple(load_history(dict(row)) for row in connection.execute(query).mappings())

    def read_last_apply(self, project: str) -> HistoryEntry | None:
        """Return the newest change that was applied from a commit, without its plan; None: there is none."""
        with self._database.reading() as connection:
            if connection is None:
                return None
            table = tables.history.c
            columns = [column for column in table if column.name != "plan"]
            applied = (table.project == project, table.command == "apply", table.commit_id != "")
            query = select(*columns).where(*applied).order_by(table.serial.desc()).limit(1)
            row = connection.execute(query).mappings().first()
            return None if row is None else load_history(dict(row))

    def write_pins(self, project: str, pins: Sequence[Pin]) -> None:
        """Keep versions of offline tables from being vacuumed; the project's serial stays."""
        with self._database.writing() as connection:
            insert_pins(connection, project, pins)

    def read_pins(self, project: str) -> Sequence[Pin]:
        """Return what is kept."""
        with self._database.reading() as connection:
            return () if connection is None else load_pins(connection, project)

    def remove_pins(self, project: str, view: str, version: int, table_versions: Sequence[int] | None = None) -> None:
        """Keep the tables of a view version no longer for the manifests that name them; the project's serial stays."""
        with self._database.writing() as connection:
            delete_pins(connection, project, view, version, table_versions)

    def write_view_columns(self, project: str, seen: SeenColumns) -> None:
        """Keep the types of columns that the definitions of view versions do not say; the project's serial stays."""
        with self._database.writing() as connection:
            replace_view_columns(connection, project, seen)

    def read_view_columns(self, project: str) -> SeenColumns:
        """Return what is kept."""
        with self._database.reading() as connection:
            return {} if connection is None else select_view_columns(connection, project)

    def erasure_secret(self, project: str, *, make: bool = True) -> bytes:
        """Return the secret that the hashes of erased keys are made with, made when there is none (else: empty)."""
        with self._database.reading() as connection:
            found = b"" if connection is None else known_secret(connection, project)
        if found or not make:
            return found
        with self._database.writing() as connection:
            return make_secret(connection, project)

    def write_tombstones(self, project: str, items: Sequence[Tombstone], entry: HistoryEntry) -> tuple[Tombstone, ...]:
        """Write tombstones under later numbers, as of now by the registry's clock, in one transaction with `entry`.

        A key may have several: the newest says until when it is erased.
        """
        with self._database.writing() as connection:
            serial = next_serial(connection, project)
            now = self._clock() if self._clock else read_clock(connection)
            written = insert_tombstones(connection, project, items, now)
            _insert(connection, tables.history, [history_row(project, entry, serial)])
        return written

    def finish_erasures(self, project: str, numbers: Sequence[int]) -> None:
        """Take note that what can be reached of some tombstones' rows is removed; the project's serial stays."""
        with self._database.writing() as connection:
            mark_done(connection, project, numbers, self._clock() if self._clock else read_clock(connection))

    def newest_erasure(self, project: str) -> int:
        """Return the number of the newest tombstone, 0 where there is none."""
        with self._database.reading() as connection:
            return 0 if connection is None else newest_tombstone(connection, project)

    def clock(self) -> datetime:
        """Return the time by the clock that all share who use the database, a server's or this machine's."""
        if self._clock is not None:
            return self._clock()
        with self._database.reading() as connection:
            return datetime.now(UTC) if connection is None else read_clock(connection)

    def alerts(self, project: str, environment: str) -> SqlAlertLedger:
        """Return the alerts of a project's environment."""
        return SqlAlertLedger(self._database, project, environment, self._clock)

    def leases(self) -> SqlLeases:
        """Return the leases of what runs for long, one at a time."""
        return SqlLeases(self._database, self._clock)

    def close(self) -> None:
        """Give back connections."""
        self._database.close()

    def _wait_for_lock(
        self, project: str, holder: str, lock_id: str, timeout_s: float, waiting: Callable[[str], None] | None
    ) -> None:
        begin, reported = time.monotonic(), ""
        while (held := self._take_lock(project, holder, lock_id)).id != lock_id:
            waited_s = time.monotonic() - begin
            if waited_s >= timeout_s:
                raise refusal(project, held, waited_s if timeout_s else 0)
            if waiting and reported != held.holder:
                reported = held.holder
                waiting(reported)
            time.sleep(min(SystemRandom().uniform(*_POLL_S), timeout_s - waited_s))

    def _take_lock(self, project: str, holder: str, lock_id: str) -> Lock:
        with self._database.writing() as connection:
            now = self._clock() if self._clock else read_clock(connection)
            return take_lock(connection, project, holder, lock_id, now)

    def _release_lock(self, project: str, lock_id: str) -> None:
        with suppress(StoreError), self._database.writing() as connection:  # without it the lease ends by itself
            delete_lock(connection, project, lock_id)


def _load_state(connection: Connection, project: str) -> State:
    def rows(table: Table) -> Sequence[dict[str, object]]:
        query = select(table).where(table.c.project == project).order_by(*table.primary_key.columns)
        return [dict(row) for row in connection.execute(query).mappings()]

    serials = [row["serial"] for row in rows(tables.projects)]
    aliases = {(str(r["model"]), str(r["alias"])): int(str(r["version"])) for r in rows(tables.aliases)}
    canaries = load_canaries(connection, project)
    documents = (str(row["document"]) for row in rows(tables.model_versions))
    return State(
        project=project,
        registry_id=registry_id(connection),
        serial=int(str(serials[0])) if serials else 0,
        objects=tuple(load_object(row) for row in rows(tables.objects)),
        model_versions=load_model_versions(documents, aliases, canaries),
        aliases=aliases,
        canaries=canaries,
        erasures=load_erasures(connection, project),
    )


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, object]]) -> None:
    if rows:
        connection.execute(insert(table), list(rows))
