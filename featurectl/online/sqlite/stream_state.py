"""The state of streams in the SQLite file of an online store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from featurectl.online.sqlite import stream_tables as tables
from featurectl.online.sqlite.store import AsyncSqliteReader
from featurectl.online.sqlite.stream_file import StreamFile, StreamFilePlace, host_clock
from featurectl.online.sqlite.stream_lists import SqliteStateLists, lists_of, number_of
from featurectl.online.sqlite.stream_register import SqliteGenerations, SqliteStampRegister, state_of
from featurectl.online.stream_state.base import (
    Generation,
    ListsAnswer,
    ListsAsk,
    RegisterState,
    StreamPoll,
    StreamSource,
    poll_of,
)
from featurectl.online.stream_state.protocols import MicrosecondClock

_WAIT_S: Final = 10.0
_BELOW: Final[bytes | int] = -1  # every key
_WALK_LISTS: Final = 5_000
_REMOVE_ELEMENTS: Final = 20_000
_SWEEP_ELEMENTS: Final = 1_000  # a worker that writes meanwhile waits for them


class SqliteStreamConnection:
    """A `StreamConnection` to the file that lay there when it was opened."""

    def __init__(self, place: StreamFilePlace, source: StreamSource) -> None:
        self._file = StreamFile(place, pinned=True)
        try:
            number = self._file.meet(source)
        except BaseException:
            self._file.close()
            raise
        self.register = SqliteStampRegister(self._file, number)
        self.generations = SqliteGenerations(self._file, number)
        self.lists = SqliteStateLists(self._file, number)

    def check(self) -> None:
        """Check that the file is the one that was opened."""
        with self._file.transaction(writing=False):
            pass

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class AsyncSqliteStreamReader(AsyncSqliteReader):
    """An `AsyncStreamReader` of a file: a look-up takes microseconds, so it is made at once.

    It waits at most `budget_s`, and only for a program that keeps even readers out of the file.
    """

    def __init__(self, path: Path, shown: str, budget_s: float) -> None:
        super().__init__(path, shown, budget_s)
        self._state = SqliteStreamState(path, shown, wait_s=budget_s)

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register."""
        return self._state.read_poll(source)

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment."""
        return self._state.read(source, asks)

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""
        return self._state.read_layout(source, generation)

    async def close(self) -> None:
        """Close the file."""
        await super().close()
        self._state.close()


class SqliteStreamState:
    """A `StreamState` in a file: WAL, one transaction a step, readers never wait for a writer."""

    heartbeat_s: ClassVar[float] = 0.05  # each is a transaction that others who write wait for

    def __init__(
        self, path: Path, shown: str = "", clock: MicrosecondClock = host_clock, wait_s: float | None = None
    ) -> None:
        waits = _WAIT_S if wait_s is None else wait_s
        self._place = StreamFilePlace(path=path, shown=shown or str(path), wait_s=waits, clock=clock)
        self._file = StreamFile(self._place, pinned=False)

    def connect(self, source: StreamSource) -> SqliteStreamConnection:
        """Return a connection to the file that lies there, of one worker, compactor or rebuild."""
        return SqliteStreamConnection(self._place, source)

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment."""
        with self._file.transaction(writing=False) as connection:
            number = self._file.number(connection, source)
            state = state_of(connection, number)
            lives = [state.live(ask.view) for ask in asks]
            found = [lists_of(connection, number, live, ask) for live, ask in zip(lives, asks, strict=True)]
            return [
                ListsAnswer(asof=state.asof, lists=lists, generation=None if live is None else live.id)
                for live, lists in zip(lives, found, strict=True)
            ]

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, for the lists that it fetches afterwards."""
        with self._file.transaction(writing=False) as connection:
            return poll_of(state_of(connection, self._file.number(connection, source)))

    def read_register(self, source: StreamSource) -> RegisterState:
        """Return what the register holds, but the stamps; nothing where nobody has written it."""
        with self._file.transaction(writing=False) as connection:
            return state_of(connection, self._file.number(connection, source), self._place.clock())

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask as of an earlier poll; none of a generation that is not live any more."""
        with self._file.transaction(writing=False) as connection:
            number = self._file.number(connection, source)
            live = poll_of(state_of(connection, number)).live
            same = {view: Generation(view=view, id=of) for view, of in poll.live.items() if live.get(view) == of}
            found = [lists_of(connection, number, same.get(ask.view), ask) for ask in asks]
            return [
                ListsAnswer(asof=poll.asof, lists=lists, generation=poll.live.get(ask.view))
                for ask, lists in zip(asks, found, strict=True)
            ]

    def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep, "" of one that has none, or is not named."""
        with self._file.transaction(writing=False) as connection:
            of = (self._file.number(connection, source), generation.view, generation.id)
            found = connection.execute(tables.LAYOUT, of).fetchone()
        return "" if found is None else str(found[0])

    def walk_lists(self, source: StreamSource, generation: Generation) -> Iterator[Sequence[bytes]]:
        """Yield the entities that have a list of a generation in the order of their keys, 5,000 at a time."""
        last = _BELOW
        while True:
            with self._file.transaction(writing=False) as connection:
                number = number_of(connection, self._file.number(connection, source), generation)
                page = [key for (key,) in connection.execute(tables.WALK, (number, last, _WALK_LISTS))]
            if page:
                yield page
            if len(page) < _WALK_LISTS:
                return
            last = page[-1]

    def drop_lists(
        self, source: StreamSource, generation: Generation, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        """Remove the lists of a generation that is neither read nor written, until `is_ending`.

        20,000 elements are removed in a transaction.
        """
        for _ in self._dropping(source, generation, _REMOVE_ELEMENTS):
            if is_ending():
                return

    def forget(self, source: StreamSource) -> None:
        """Remove the register of a source whose generations were given up."""
        with self._file.transaction() as connection:
            number = self._file.number(connection, source)
            for statement in tables.FORGET_SOURCE:
                connection.execute(statement, (number,))

    def sweeping(self, source: StreamSource, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that the register does not name, a bounded piece a step."""
        for view in views:
            with self._file.transaction(writing=False) as connection:
                number = self._file.number(connection, source)
                names = [name for (name,) in connection.execute(tables.UNNAMED, (number, view))]
            for name in names:
                generation = Generation(view=view, id=name)
                for page in self.walk_lists(source, generation):
                    yield len(page)
                for _ in self._dropping(source, generation, _SWEEP_ELEMENTS):
                    yield 0

    def _dropping(self, source: StreamSource, generation: Generation, at_once: int) -> Iterator[int]:
        """Remove elements of a generation that is neither read nor written, some in a transaction; yield how many."""
        removed = at_once
        while removed == at_once:
            with self._file.transaction() as connection:
                of = (self._file.number(connection, source), generation.view, generation.id)
                found = connection.execute(tables.FIND_GENERATION, of).fetchone()
                if found is None or found[1]:
                    return
                removed = connection.execute(tables.REMOVE_SOME, (found[0], at_once)).rowcount
                if removed < at_once:
                    connection.execute(tables.REMOVE_CUTS, (found[0],))
                    connection.execute(tables.REMOVE_GENERATION, (found[0],))
            yield removed

    def close(self) -> None:
        """Close the file."""
        self._file.close()
