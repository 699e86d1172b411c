"""The state of streams in the PostgreSQL of an online store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from featurectl.online.postgres.aio import AsyncPostgresReader
from featurectl.online.postgres.connect import ANSWER_S, PostgresLink, checked_address
from featurectl.online.postgres.migrations.steps import SCHEMA
from featurectl.online.postgres.steps import NOT_THERE, StatementSteps, taken
from featurectl.online.postgres.stream_database import PostgresStreams
from featurectl.online.stream_sql.state import SqlStreamConnection, SqlStreams
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    ListsAnswer,
    ListsAsk,
    StreamPoll,
    StreamSource,
)
from featurectl.online.stream_state.protocols import MicrosecondClock

# One statement sees one moment: `asof` and the lists are of the same. A line of an ask without a key has no list.
_READ: Final = f"""
select asked.number, sources.asof, views.live, asked.entity, array(
    select element from {SCHEMA}.stream_elements as there
    where there.generation = generations.id and there.entity = asked.entity order by place
)
from unnest(%b::int[], %b::text[], %b::bytea[]) with ordinality as asked(number, view, entity, at)
left join {SCHEMA}.stream_sources as sources
    on sources.project = %s and sources.env = %s and sources.source = %s
left join {SCHEMA}.stream_views as views on views.source = sources.id and views.view = asked.view
left join {SCHEMA}.stream_generations as generations
    on generations.source = sources.id and generations.view = asked.view and generations.name = views.live
order by asked.at
"""
_POLL: Final = f"""
select asof,
    array(select view from {SCHEMA}.stream_views where source = id and live is not null order by view),
    array(select live from {SCHEMA}.stream_views where source = id and live is not null order by view),
    array(select number from {SCHEMA}.stream_partitions where source = id order by number),
    array(select done from {SCHEMA}.stream_partitions where source = id order by number),
    array(
        select distinct written.view from {SCHEMA}.stream_generations as written
        left join {SCHEMA}.stream_views as views on views.source = written.source and views.view = written.view
        where written.source = found.id and written.named = 1 and written.name is distinct from views.live
    )
from (select id, asof from {SCHEMA}.stream_sources where project = %s and env = %s and source = %s) as found
"""
_LAYOUT: Final = f"""
select layout from {SCHEMA}.stream_generations as generations join {SCHEMA}.stream_sources as sources
on generations.source = sources.id
where project = %s and env = %s and sources.source = %s and view = %s and name = %s and named = 1
"""


class PostgresStreamState(SqlStreams):
    """A `StreamState` in PostgreSQL: one transaction a step, readers never wait for a writer."""

    heartbeat_s: ClassVar[float] = 0.05  # each is a transaction that is written to a disk

    def __init__(
        self, url: str, shown: str = "", clock: MicrosecondClock | None = None, wait_s: float | None = None
    ) -> None:
        self._address = checked_address(url, shown)
        self._clock, self._wait_s = clock, ANSWER_S if wait_s is None else wait_s
        super().__init__(self._opened(pinned=False))
        self._link = PostgresLink(self._address, self._wait_s)

    def connect(self, source: StreamSource) -> SqlStreamConnection:
        """Return a connection to the server, of one worker, compactor or rebuild."""
        return SqlStreamConnection(self._opened(pinned=True), source)

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment, by one statement."""
        return self._link.read(lambda session: taken(session, found_lists(source, asks)))

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, by one statement."""
        return self._link.read(lambda session: taken(session, found_poll(source)))

    def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep, "" of one that has none, or is not named."""
        return self._link.read(lambda session: taken(session, found_layout(source, generation)))

    def close(self) -> None:
        """Give the connections back."""
        super().close()
        self._link.close()

    def _opened(self, *, pinned: bool) -> PostgresStreams:
        return PostgresStreams(self._address, self._wait_s, self._clock, pinned=pinned)


class AsyncPostgresStreamReader(AsyncPostgresReader):
    """An `AsyncStreamReader` of a server: lists, and the `asof` before them, are one statement."""

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register."""
        return await self._answer(lambda: found_poll(source))

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment."""
        return await self._answer(lambda: found_lists(source, asks))

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""
        return await self._answer(lambda: found_layout(source, generation))


def found_lists(source: StreamSource, asks: Sequence[ListsAsk]) -> StatementSteps[list[ListsAnswer]]:
    """Return the lists of each ask, and the `asof` of the same moment."""
    lines = [(number, ask.view, key) for number, ask in enumerate(asks) for key in (None, *ask.entities)]
    numbers, views, keys = ([*column] for column in zip(*lines, strict=True)) if lines else ([], [], [])
    try:
        rows = (yield (_READ, (numbers, views, keys, *source))) if lines else []
    except NOT_THERE:
        return [ListsAnswer(asof=0, lists=None) for _ in asks]
    answers: list[ListsAnswer] = []
    begin = 0
    for ask in asks:
        (_, asof, live, _, _), *found = rows[begin : begin + 1 + len(ask.entities)]
        begin += 1 + len(ask.entities)
        lists = None if live is None else [EntityList(elements=elements, marks=None) for *_, elements in found]
        answers.append(ListsAnswer(asof=asof or 0, lists=lists, generation=live))
    return answers


def found_poll(source: StreamSource) -> StatementSteps[StreamPoll]:
    """Return what a reader has to know of the register."""
    try:
        rows = yield (_POLL, (*source,))
    except NOT_THERE:
        rows = []
    if not rows:
        return StreamPoll(asof=0, live={}, done={})
    asof, views, lives, numbers, done, being_made = rows[0]
    live = dict(zip(views, lives, strict=True))
    by_number = dict(zip(numbers, done, strict=True))
    return StreamPoll(asof=asof, live=live, done=by_number, being_made=frozenset(being_made))


def found_layout(source: StreamSource, generation: Generation) -> StatementSteps[str]:
    """Return the document of what the lists of a generation keep, "" of one that has none."""
    try:
        rows = yield (_LAYOUT, (*source, generation.view, generation.id))
    except NOT_THERE:
        rows = []
    return str(rows[0][0]) if rows else ""
