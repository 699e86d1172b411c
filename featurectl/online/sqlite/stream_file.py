"""The SQLite file as the state of streams uses it: each operation is one transaction, of the file that was opened."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.disk_room import hint_of, sqlite_failure
from featurectl.core.errors import RefusedDataError, StoreError
from featurectl.online.sqlite import stream_tables as tables
from featurectl.online.sqlite.file import DatabaseFile
from featurectl.online.stream_sql.base import StreamStep
from featurectl.online.stream_sql.statements import ADD_SOURCE, FIND_SOURCE, IS_KNOWN, MEET_RUN
from featurectl.online.stream_state.base import ConnectionLostError, ListAppend, StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

_CACHE_KB: Final = 65_536
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFilePlace:
    """Where the file is, what errors call it, how long to wait for others who write it, and the clock."""

    path: Path
    shown: str
    wait_s: float
    clock: MicrosecondClock


def host_clock() -> int:
    """Return the time of this machine in microseconds since 1970: all who use the file are on it."""
    return time.time_ns() // 1_000


def _boot() -> str:
    """Return what tells this run of the machine from others: a power failure may take the last transactions."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # not a Linux
        return ""


class SqliteStep:
    """A transaction of the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.execute = connection.execute
        self.executemany = connection.executemany

    def append(self, generation: int, append: ListAppend) -> dict[bytes, int]:
        """Append elements to lists of a generation, and return how long these have become."""
        pairs = zip(append.entities, append.elements, strict=True)
        self.executemany(tables.APPEND, ((generation, entity, element) for entity, element in pairs))
        lengths: dict[bytes, int] = {}
        for entity in dict.fromkeys(append.entities):
            (lengths[entity],) = self.execute(tables.LENGTH, (generation, entity)).fetchone()
        return lengths

    def elements(self, generation: int, entities: Sequence[bytes]) -> list[list[bytes]]:
        """Return the elements of the list of each entity."""
        find = self.execute
        return [[one for (one,) in find(tables.ELEMENTS, (generation, entity))] for entity in entities]

    def entities_after(self, generation: int, last: bytes | None, most: int) -> list[bytes]:
        """Return the entities that have a list, in the order of their keys, behind one."""
        below: bytes | int = -1 if last is None else last
        return [key for (key,) in self.execute(tables.WALK, (generation, below, most))]

    def remove_some(self, generation: int, most: int) -> int:
        """Remove some elements of a generation, and return how many."""
        return self.execute(tables.REMOVE_SOME, (generation, most)).rowcount


class StreamFile:
    """A connection to the file; one that is `pinned` never takes up another file that lies there by now.

    Threads take it by turns, a transaction each: what a worker reads with is what its rebuilds clean up with.
    """

    def __init__(self, place: StreamFilePlace, *, pinned: bool) -> None:
        self.place = place
        self._pinned = pinned
        self._is_lost = False
        self._file = DatabaseFile(place.path, place.wait_s, tables.TABLES, of_one_thread=False)
        self._turn = threading.RLock()
        self._met = 0  # the number of the source that a pinned one is about
        self._roomy: sqlite3.Connection | None = None  # which has its cache

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[SqliteStep]:
        """Give the file for one step, which is written whole or not at all.

        Raises:
            ConnectionLostError: another file lies there, or none.
            StoreError: the file can't be used, or another process has been writing to it for too long.
        """
        with self._turn, self._errors():
            self._check_same()
            connection = self._opened()
            connection.execute("begin immediate" if writing else "begin")
            try:
                self._check_known(connection)
                yield SqliteStep(connection)
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    connection.execute("rollback")
                raise
            connection.execute("commit")

    def clock(self, step: StreamStep) -> int:  # noqa: ARG002  # the time is not the file's
        """Return the time of this machine."""
        return self.place.clock()

    def number(self, step: StreamStep, source: StreamSource) -> int:
        """Return the number of a source in the file, 0 where nothing is known of it."""
        found = step.execute(FIND_SOURCE, (source.project, source.env, source.source)).fetchone()
        return 0 if found is None else int(found[0])

    def meet(self, source: StreamSource) -> int:
        """Return the number of a source, which is made where it was not known; a file met first is taken notice of."""
        with self.transaction() as step:
            step.execute(ADD_SOURCE, (source.project, source.env, source.source))
            number = self.number(step, source)
            drawn = secrets.token_hex(8)  # taken where the file, or this run of the machine, is met for the first time
            step.execute(MEET_RUN, (number, f"{self._file.identity}:{_boot()}", drawn))
        self._met = number
        return number

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _opened(self) -> sqlite3.Connection:
        """Return the connection; lists lie all over the file, and a writer's cache has room for those that go on."""
        connection = self._file.connection
        if self._pinned and connection is not self._roomy:
            connection.execute(f"pragma cache_size = -{_CACHE_KB}")
            self._roomy = connection
        return connection

    def _check_same(self) -> None:
        try:
            is_another = self._file.is_another()
        except FileNotFoundError:
            is_another = True
            if not self._pinned:
                raise
        if is_another:
            self._is_lost = self._pinned
        if self._is_lost:
            raise ConnectionLostError(
                f"the online store {self.place.shown} was moved, removed or replaced while it was used", code="FC602"
            )

    def _check_known(self, connection: sqlite3.Connection) -> None:
        if self._met and connection.execute(IS_KNOWN, (self._met,)).fetchone() is None:
            raise ConnectionLostError(
                f"the register of the stream in the online store {self.place.shown} was removed while it was used",
                code="FC602",
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            shown = self.place.shown
            if "locked" in str(error):
                busy = f"another process has been writing to the online store {shown} for {self.place.wait_s:g} s"
                raise StoreError(busy, code="FC602", hint="run it again when that has ended") from error
            message = f"the online store {shown} can't be used: {sqlite_failure(error)}"
            kind = RefusedDataError if isinstance(error, sqlite3.DataError) else StoreError  # a value is too large
            raise kind(message, code="FC602", hint=hint_of(error)) from error
        finally:
            self._file.release()
