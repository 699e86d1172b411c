"""PostgreSQL as the state of streams uses it: each step is one transaction, of the server that was met."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Final

import psycopg

from featurectl.core.errors import StoreError, TryAgainError
from featurectl.core.postgres import connect_watched
from featurectl.online.postgres.connect import (
    BUSY_S,
    OPTIONS,
    SET_LIMITS,
    PostgresAddress,
    PostgresLink,
    Session,
    store_error,
)
from featurectl.online.postgres.migrations.steps import SCHEMA
from featurectl.online.postgres.schema_upgrade import StoreSchema
from featurectl.online.stream_sql.base import StreamStep
from featurectl.online.stream_sql.statements import ADD_SOURCE, FIND_SOURCE, MEET_RUN
from featurectl.online.stream_state.base import ConnectionLostError, ListAppend, StreamSource
from featurectl.online.stream_state.protocols import MicrosecondClock

_PLACE: Final = re.compile(r"\?(\d*)")
_OF_US: Final = f"set_config('search_path', '{SCHEMA}', true)"
_BEGIN_WRITING: Final = f"{SET_LIMITS}, {_OF_US}"
_BEGIN_READING: Final = f"select {_OF_US}"
_ONE_MOMENT: Final = "set transaction isolation level repeatable read, read only"
_CLOCK: Final = "select (extract(epoch from clock_timestamp()) * 1000000)::bigint"
# What tells a server, and this run of it, from others: one that was begun anew, or took over, may lack what was last.
# A dump that is put back into a running server has its tables made again or emptied before: in another file.
_RUN: Final = f"""
select oid || '/' || (extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint || '/'
|| pg_relation_filenode('{SCHEMA}.stream_sources') from pg_database where datname = current_database()
"""
_KNOWN: Final = f"select run, ({_RUN}) from stream_sources where id = ? and project <> ''"
_LOCK: Final = f"{_KNOWN} for update"
# Elements that came together keep their order behind those that are there; lengths are as of before, and what came.
_APPEND: Final = """
with sent as (
    select entity, element, row_number() over (partition by entity order by at) as nth
    from unnest(?2::bytea[], ?3::bytea[]) with ordinality as sent(entity, element, at)
), lists as (
    select entity, many, coalesce((
        select max(place) from stream_elements as there where generation = ?1 and there.entity = counted.entity
    ), 0) as last, (
        select count(*) from stream_elements as there where generation = ?1 and there.entity = counted.entity
    ) as length
    from (select entity, count(*) as many from sent group by entity) as counted
), added as (
    insert into stream_elements (generation, entity, place, element)
    select ?1, entity, last + nth, element from sent join lists using (entity)
)
select entity, length + many from lists
"""
_ELEMENTS: Final = """
select array(
    select element from stream_elements as there where generation = ?1 and there.entity = asked.entity order by place
) from unnest(?2::bytea[]) with ordinality as asked(entity, at) order by at
"""
_AFTER: Final = """
select distinct entity from stream_elements where generation = ?1 and (?2::bytea is null or entity > ?2)
order by entity limit ?3
"""
_REMOVE_SOME: Final = """
delete from stream_elements where ctid = any(array(
    select ctid from stream_elements where generation = ?1 limit ?2
))
"""


@lru_cache(maxsize=256)
def native(statement: str) -> bytes:
    """Return a statement of streams with its values where PostgreSQL has them.

    >>> native("a = ?1 or b = ?2 or c = ?1"), native("a = ? and b = ?")
    (b'a = $1 or b = $2 or c = $1', b'a = $1 and b = $2')
    """
    numbers = iter(range(1, 100))
    return _PLACE.sub(lambda place: f"${place[1] or next(numbers)}", statement).encode()


class PostgresStep:
    """A transaction of the server; `locks`: a source that is looked for is kept by it alone."""

    def __init__(self, session: Session, *, locks: bool) -> None:
        self._session = session
        self.locks = locks

    def execute(self, statement: str, values: Sequence[object] = ()) -> psycopg.RawCursor[Any]:
        """Return what comes of a statement."""
        cursor = psycopg.RawCursor[Any](self._session)
        return cursor.execute(native(statement), values, binary=True)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of some lines of values, which travel together."""
        psycopg.RawCursor[Any](self._session).executemany(native(statement), rows)

    def append(self, generation: int, append: ListAppend) -> dict[bytes, int]:
        """Append elements to lists of a generation, and return how long these have become."""
        if not append.entities:
            return {}
        return dict(self.execute(_APPEND, (generation, [*append.entities], [*append.elements])).fetchall())

    def elements(self, generation: int, entities: Sequence[bytes]) -> list[list[bytes]]:
        """Return the elements of the list of each entity."""
        if not entities:
            return []
        return [found for (found,) in self.execute(_ELEMENTS, (generation, [*entities]))]

    def entities_after(self, generation: int, last: bytes | None, most: int) -> list[bytes]:
        """Return the entities that have a list, in the order of their keys, behind one."""
        return [key for (key,) in self.execute(_AFTER, (generation, last, most))]

    def remove_some(self, generation: int, most: int) -> int:
        """Remove some elements of a generation, and return how many."""
        return self.execute(_REMOVE_SOME, (generation, most)).rowcount


class PostgresStreams:
    """A connection to the server; one that is `pinned` is never opened again, nor goes on with another run of it.

    Threads take it by turns, a transaction each. Who writes of a source has it alone until the transaction ends.
    """

    def __init__(
        self, address: PostgresAddress, answer_s: float, clock: MicrosecondClock | None, *, pinned: bool
    ) -> None:
        self._address, self._answer_s, self._clock, self._pinned = address, answer_s, clock, pinned
        self._turn = threading.RLock()
        self._session: Session | None = None
        self._is_ready = self._is_lost = False
        self._met, self._run = 0, ""

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[PostgresStep]:
        """Give one step, which is written whole or not at all, and sees one moment.

        Raises:
            ConnectionLostError: the connection broke, or the register is another one, or of another run.
            StoreError: the server refuses, or does not answer.
        """
        with self._turn, self._errors(), ExitStack() as stack:
            step = self._begun(stack, writing=writing)
            if self._met:
                self._check_same(step)
            yield step

    def _begun(self, stack: ExitStack, *, writing: bool) -> PostgresStep:
        """Begin a transaction that the stack ends; a connection that broke while it was idle is opened once more."""
        for is_last in (self._pinned, True):
            session = self._opened()
            try:
                with ExitStack() as begun:
                    begun.enter_context(session.transaction())
                    if not writing:
                        session.execute(_ONE_MOMENT.encode())
                    session.execute((_BEGIN_WRITING if writing else _BEGIN_READING).encode())
                    stack.enter_context(begun.pop_all())
            except psycopg.OperationalError:
                if is_last or not session.closed:
                    raise
            else:
                break
        return PostgresStep(session, locks=writing)

    def number(self, step: StreamStep, source: StreamSource) -> int:
        """Return the number of a source, 0 where nothing is known of it."""
        locks = " for update" if isinstance(step, PostgresStep) and step.locks else ""
        found = step.execute(FIND_SOURCE + locks, (source.project, source.env, source.source)).fetchone()
        return 0 if found is None else int(found[0])

    def meet(self, source: StreamSource) -> int:
        """Return the number of a source, made where it was not known; a run that is met first is taken notice of."""
        with self.transaction() as step:
            step.execute(ADD_SOURCE, (source.project, source.env, source.source))
            number = self.number(step, source)
            [(run,)] = step.execute(_RUN).fetchall()
            step.execute(MEET_RUN, (number, run, secrets.token_hex(8)))
            [(self._run, _)] = step.execute(_KNOWN, (number,)).fetchall()
        self._met = number
        return number

    def clock(self, step: StreamStep) -> int:
        """Return the server's time."""
        return self._clock() if self._clock is not None else int(step.execute(_CLOCK).fetchone()[0])

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.close()

    def _opened(self) -> Session:
        if self._is_lost or (self._pinned and self._session is not None and self._session.closed):
            self._is_lost = True
            raise self._lost("lost its connection")
        if not self._is_ready:
            link = PostgresLink(self._address, self._answer_s)
            try:
                StoreSchema(link).ensure()
            finally:
                link.close()
            self._is_ready = True
        if self._session is None or self._session.closed:
            self._session = connect_watched((self._address.url,), OPTIONS, self._answer_s)
        return self._session

    def _check_same(self, step: PostgresStep) -> None:
        """Check that the register is the one that was met, of the same run of the same server."""
        found = step.execute(_LOCK if step.locks else _KNOWN, (self._met,)).fetchone()
        if found is None:
            raise self._lost("was removed")
        run, now = found
        if run != self._run or not run.startswith(f"{now}:"):
            self._is_lost = True
            raise self._lost("is of another run of the server than it was")

    def _lost(self, what: str) -> ConnectionLostError:
        return ConnectionLostError(
            f"the register of the stream in the online store {self._address.shown} {what} while it was used",
            code="FC602",
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the driver's errors into ours: of a connection that must not be opened again its loss."""
        try:
            yield
        except psycopg.Error as error:
            ours = store_error(self._address, error)
            if isinstance(ours, TryAgainError):
                busy = f"another process has been writing to the online store {self._address.shown} for {BUSY_S} s"
                raise StoreError(busy, code="FC602", hint="run it again when that has ended") from error
            if self._met and self._session is not None and self._session.closed:
                self._is_lost = True
                raise ConnectionLostError(ours.message, code="FC602", hint=ours.hint) from error
            raise ours from error
