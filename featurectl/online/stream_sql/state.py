"""The state of streams in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from featurectl.online.stream_sql import statements as tables
from featurectl.online.stream_sql.base import StreamDatabase
from featurectl.online.stream_sql.lists import SqlStateLists, lists_of, number_of
from featurectl.online.stream_sql.register import SqlGenerations, SqlStampRegister, state_of
from featurectl.online.stream_state.base import (
    Generation,
    ListsAnswer,
    ListsAsk,
    RegisterState,
    StreamPoll,
    StreamSource,
    poll_of,
)

_WALK_LISTS: Final = 5_000
_REMOVE_ELEMENTS: Final = 20_000
_SWEEP_ELEMENTS: Final = 1_000  # a worker that writes meanwhile waits for them


class SqlStreamConnection:
    """A `StreamConnection` to the database that was there when it was opened."""

    def __init__(self, database: StreamDatabase, source: StreamSource) -> None:
        self._database = database
        try:
            number = database.meet(source)
        except BaseException:
            database.close()
            raise
        self.register = SqlStampRegister(database, number)
        self.generations = SqlGenerations(database, number)
        self.lists = SqlStateLists(database, number)

    def check(self) -> None:
        """Check that the database is the one that was opened."""
        with self._database.transaction(writing=False):
            pass

    def close(self) -> None:
        """Give the connection back."""
        self._database.close()


class SqlStreams:
    """What `StreamState` does in a database, but for steps: one transaction a step."""

    def __init__(self, database: StreamDatabase) -> None:
        self._database = database

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, all as of one moment."""
        with self._database.transaction(writing=False) as step:
            number = self._database.number(step, source)
            state = state_of(step, number)
            lives = [state.live(ask.view) for ask in asks]
            found = [lists_of(step, number, live, ask) for live, ask in zip(lives, asks, strict=True)]
            return [
                ListsAnswer(asof=state.asof, lists=lists, generation=None if live is None else live.id)
                for live, lists in zip(lives, found, strict=True)
            ]

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, for the lists that it fetches afterwards."""
        with self._database.transaction(writing=False) as step:
            return poll_of(state_of(step, self._database.number(step, source)))

    def read_register(self, source: StreamSource) -> RegisterState:
        """Return what the register holds, but the stamps; nothing where nobody has written it."""
        with self._database.transaction(writing=False) as step:
            return state_of(step, self._database.number(step, source), self._database.clock(step))

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask as of an earlier poll; none of a generation that is not live any more."""
        with self._database.transaction(writing=False) as step:
            number = self._database.number(step, source)
            live = poll_of(state_of(step, number)).live
            same = {view: Generation(view=view, id=of) for view, of in poll.live.items() if live.get(view) == of}
            found = [lists_of(step, number, same.get(ask.view), ask) for ask in asks]
            return [
                ListsAnswer(asof=poll.asof, lists=lists, generation=poll.live.get(ask.view))
                for ask, lists in zip(asks, found, strict=True)
            ]

    def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep, "" of one that has none, or is not named."""
        with self._database.transaction(writing=False) as step:
            of = (self._database.number(step, source), generation.view, generation.id)
            found = step.execute(tables.LAYOUT, of).fetchone()
        return "" if found is None else str(found[0])

    def walk_lists(self, source: StreamSource, generation: Generation) -> Iterator[Sequence[bytes]]:
        """Yield the entities that have a list of a generation in the order of their keys, 5,000 at a time."""
        last: bytes | None = None
        while True:
            with self._database.transaction(writing=False) as step:
                number = number_of(step, self._database.number(step, source), generation)
                page = step.entities_after(number, last, _WALK_LISTS)
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
        with self._database.transaction() as step:
            number = self._database.number(step, source)
            for statement in tables.FORGET_SOURCE:
                step.execute(statement, (number,))

    def sweeping(self, source: StreamSource, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that the register does not name, a bounded piece a step."""
        for view in views:
            with self._database.transaction(writing=False) as step:
                number = self._database.number(step, source)
                names = [name for (name,) in step.execute(tables.UNNAMED, (number, view))]
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
            with self._database.transaction() as step:
                of = (self._database.number(step, source), generation.view, generation.id)
                found = step.execute(tables.FIND_GENERATION, of).fetchone()
                if found is None or found[1]:
                    return
                removed = step.remove_some(found[0], at_once)
                if removed < at_once:
                    step.execute(tables.REMOVE_CUTS, (found[0],))
                    step.execute(tables.REMOVE_GENERATION, (found[0],))
            yield removed

    def close(self) -> None:
        """Give the connection back."""
        self._database.close()
