"""Reads for one event loop: look-ups of all requests of a turn are one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, cast

import psycopg

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.postgres import NO_ANSWER
from featurectl.online.base import Ask, Found
from featurectl.online.postgres.connect import OPTIONS, PostgresAddress, checked_address, store_error
from featurectl.online.postgres.hosts import AsyncSession, connect_to_one
from featurectl.online.postgres.steps import (
    KnownTables,
    StatementSteps,
    found_rows,
    found_shared,
    portions,
    put_together,
    short_asks,
)
from featurectl.online.shared_trips import SharedTrips

T = TypeVar("T")
MakeSteps = Callable[[], StatementSteps[Any]]
TripQuestion = Ask | MakeSteps
_TRIPS: Final = 2  # under way at once: more would share the cores of the server, each with fewer look-ups


class PostgresTrips(SharedTrips[TripQuestion, Any]):
    """Asks one server what many callers want, over connections of which each has one trip at a time."""

    def __init__(self, address: PostgresAddress, budget_s: float) -> None:
        super().__init__(budget_s, _TRIPS)
        self._address = address
        self._idle: list[AsyncSession] = []
        self._known = KnownTables(address.shown)

    def late(self) -> FeaturectlError:
        """Return the error of who has waited for so long."""
        return store_error(self._address, psycopg.OperationalError(f"{NO_ANSWER} {self._budget_s:g} s"))

    def closed(self) -> StoreError:
        """Return the error of who waits when this is closed, or asks afterwards."""
        return StoreError(
            f"the online store {self._address.shown} is read no more: the reader was closed", code="FC602"
        )

    async def close_connections(self) -> None:
        """Close the connections."""
        while self._idle:
            await self._idle.pop().close()

    async def exchange(self, questions: list[TripQuestion]) -> list[Any]:
        """Return the answers of a trip; where a connection broke while it was idle, another one is used."""
        try:
            while self._idle:
                session = self._idle.pop()
                try:
                    return await self._answered(session, questions)
                except psycopg.OperationalError:
                    if not session.closed:
                        raise
            return await self._answered(await self._opened(), questions)
        except psycopg.Error as error:
            raise store_error(self._address, error) from error

    async def _opened(self) -> AsyncSession:
        return await connect_to_one(self._address.url, OPTIONS)

    async def _answered(self, session: AsyncSession, questions: list[TripQuestion]) -> list[Any]:
        try:
            found = await self._found(session, questions)
        except BaseException:  # what comes next would be taken for other answers
            session.pgconn.finish()
            raise
        self._idle.append(session)
        return found

    async def _found(self, session: AsyncSession, questions: list[TripQuestion]) -> list[Any]:
        """Return the answers to look-ups, which travel together, and to what else is asked."""
        asks = [question for question in questions if isinstance(question, Ask)]
        rows: list[list[Found]] = []
        for some in portions(asks):
            rows += await _taken_async(session, found_rows(self._known, some))
        in_order = iter(rows)
        return [
            next(in_order) if isinstance(question, Ask) else await _taken_async(session, question())
            for question in questions
        ]


async def _taken_async(session: AsyncSession, steps: StatementSteps[T]) -> T:
    """Return what comes of some steps, taken one after the other."""
    try:
        query, values = next(steps)
        while True:
            try:
                cursor = await session.execute(query.encode(), values, binary=True)
                rows = await cursor.fetchall()
            except psycopg.Error as error:
                query, values = steps.throw(error)
            else:
                query, values = steps.send(rows)
    except StopIteration as end:
        return cast("T", end.value)


class AsyncPostgresReader:
    """An `AsyncRowReader` of a server. A call waits at most `budget_s` for its answer, connecting included."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        self._trips = PostgresTrips(checked_address(url, shown), budget_s)

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        parts = list(short_asks(asks))
        return put_together(asks, parts, await self._trips.send([part for _, part in parts]))

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        return await self._answer(lambda: found_shared(project, env, names)) if names else []

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        await self._trips.close()

    async def _answer(self, steps: Callable[[], StatementSteps[T]]) -> T:
        [found] = await self._trips.send([steps])
        return cast("T", found)
