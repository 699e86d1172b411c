"""The lists of a source's views in a database: each method is one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from featurectl.online.stream_sql import statements as tables
from featurectl.online.stream_sql.base import StreamDatabase, StreamStep
from featurectl.online.stream_sql.register import state_of
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    GenerationCut,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    RegisterState,
    digest_of,
    is_head,
)


class SqlStateLists:
    """`StateLists` in a database, which is one: there are no marks."""

    def __init__(self, database: StreamDatabase, source: int) -> None:
        self._database = database
        self._source = source

    def append(self, appends: Sequence[ListAppend]) -> list[Mapping[bytes, int]]:
        """Append elements, and return how long the lists of each append's entities have become.

        What is of a generation that was removed is left out.
        """
        with self._database.transaction() as step:
            return [self._append(step, append) for append in appends]

    def mark(self, partition: int, first: int, end: int, generations: Sequence[GenerationCut]) -> bool:  # noqa: ARG002
        """Return True: a database is lost whole or not at all."""
        return True

    def marks(self, partition: int) -> list[int]:  # noqa: ARG002
        """Return nothing: there are no marks."""
        return []

    def read(self, asks: Sequence[ListsAsk]) -> tuple[RegisterState, list[list[EntityList | None]]]:
        """Return the register, and the lists of live generations, as of one moment."""
        with self._database.transaction(writing=False) as step:
            state = state_of(step, self._source, self._database.clock(step))
            answers: list[list[EntityList | None]] = []
            for ask in asks:
                found = lists_of(step, self._source, state.live(ask.view), ask)
                answers.append([None] * len(ask.entities) if found is None else [*found])
            return state, answers

    def replace(self, replacements: Sequence[ListReplacement]) -> list[bool]:
        """Replace what was read where it is unchanged, and return where it was."""
        with self._database.transaction() as step:
            return [self._replace(step, replacement) for replacement in replacements]

    def seed(self, generation: Generation, seeds: Sequence[ListSeed]) -> Mapping[str, int]:
        """Put heads before the records of lists that have none, and count them; return how many."""
        with self._database.transaction() as step:
            number = number_of(step, self._source, generation)
            if number:
                for seed in seeds:
                    self._seed(step, number, seed)
                step.execute(tables.COUNT_HEADS, (number, len(seeds)))
        return {"": len(seeds)}

    def make_ready(
        self,
        generation: Generation,
        seeded: Mapping[str, int],
        cuts: Mapping[int, int],  # noqa: ARG002
    ) -> bool:
        """Return whether a generation has all its heads, as many as were seeded."""
        with self._database.transaction(writing=False) as step:
            number = number_of(step, self._source, generation)
            found = step.execute(tables.HEADS, (number,)).fetchone()
            return found is not None and found[0] == seeded[""]

    def unready(self) -> list[Generation]:
        """Return nothing: a generation that is read has all its heads."""
        return []

    def _append(self, step: StreamStep, append: ListAppend) -> Mapping[bytes, int]:
        number = number_of(step, self._source, append.generation)
        if not number:
            return dict.fromkeys(append.entities, 0)
        return step.append(number, append)

    def _replace(self, step: StreamStep, wanted: ListReplacement) -> bool:
        number = number_of(step, self._source, wanted.generation)
        place = (number, wanted.entity)
        found = step.execute(tables.FIRST_ELEMENTS, (*place, wanted.read + 1)).fetchall()
        read = found[: wanted.read]
        if len(read) < wanted.read or not read or digest_of([element for _, element in read]) != wanted.digest:
            return False
        last = read[-1][0]
        step.execute(tables.REMOVE_FIRST, (*place, last))
        head: bytes | None = wanted.head
        if not wanted.left and len(found) == wanted.read:
            head = wanted.alone
        if head is not None:
            new = [head, *wanted.left]
            first = last + 1 - len(new)
            step.executemany(tables.PUT_ELEMENT, ((*place, first + at, one) for at, one in enumerate(new)))
        return True

    def _seed(self, step: StreamStep, number: int, seed: ListSeed) -> None:
        found = step.execute(tables.FIRST_ELEMENTS, (number, seed.entity, 1)).fetchone()
        place, element = found or (1, b"")
        if not is_head(element):
            step.execute(tables.PUT_ELEMENT, (number, seed.entity, place - 1, seed.head))


def number_of(step: StreamStep, source: int, generation: Generation) -> int:
    """Return the number of a generation in the database, 0 where there is none."""
    found = step.execute(tables.FIND_GENERATION, (source, generation.view, generation.id)).fetchone()
    return int(found[0]) if found else 0


def lists_of(step: StreamStep, source: int, live: Generation | None, ask: ListsAsk) -> list[EntityList] | None:
    """Return the lists of a live generation, None where there is none."""
    if live is None:
        return None
    number = number_of(step, source, live)
    return [EntityList(elements=found, marks=None) for found in step.elements(number, ask.entities)]
