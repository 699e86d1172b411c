"""The lists of a source's views in the SQLite file: each method is one transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

from featurectl.online.sqlite import stream_tables as tables
from featurectl.online.sqlite.stream_file import StreamFile
from featurectl.online.sqlite.stream_register import state_of
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


class SqliteStateLists:
    """`StateLists` in the file, which is one: there are no marks."""

    def __init__(self, file: StreamFile, source: int) -> None:
        self._file = file
        self._source = source

    def append(self, appends: Sequence[ListAppend]) -> list[Mapping[bytes, int]]:
        """Append elements, and return how long the lists of each append's entities have become.

        What is of a generation that was removed is left out.
        """
        with self._file.transaction() as connection:
            return [self._append(connection, append) for append in appends]

    def mark(self, partition: int, first: int, end: int, generations: Sequence[GenerationCut]) -> bool:  # noqa: ARG002
        """Return True: a file is lost whole or not at all."""
        return True

    def marks(self, partition: int) -> list[int]:  # noqa: ARG002
        """Return nothing: there are no marks."""
        return []

    def read(self, asks: Sequence[ListsAsk]) -> tuple[RegisterState, list[list[EntityList | None]]]:
        """Return the register, and the lists of live generations, as of one moment."""
        with self._file.transaction(writing=False) as connection:
            state = state_of(connection, self._source, self._file.place.clock())
            answers: list[list[EntityList | None]] = []
            for ask in asks:
                found = lists_of(connection, self._source, state.live(ask.view), ask)
                answers.append([None] * len(ask.entities) if found is None else [*found])
            return state, answers

    def replace(self, replacements: Sequence[ListReplacement]) -> list[bool]:
        """Replace what was read where it is unchanged, and return where it was."""
        with self._file.transaction() as connection:
            return [self._replace(connection, replacement) for replacement in replacements]

    def seed(self, generation: Generation, seeds: Sequence[ListSeed]) -> Mapping[str, int]:
        """Put heads before the records of lists that have none, and count them; return how many."""
        with self._file.transaction() as connection:
            number = number_of(connection, self._source, generation)
            if number:
                for seed in seeds:
                    self._seed(connection, number, seed)
                connection.execute(tables.COUNT_HEADS, (number, len(seeds)))
        return {"": len(seeds)}

    def make_ready(
        self,
        generation: Generation,
        seeded: Mapping[str, int],
        cuts: Mapping[int, int],  # noqa: ARG002
    ) -> bool:
        """Return whether a generation has all its heads, as many as were seeded."""
        with self._file.transaction(writing=False) as connection:
            number = number_of(connection, self._source, generation)
            found = connection.execute(tables.HEADS, (number,)).fetchone()
            return found is not None and found[0] == seeded[""]

    def unready(self) -> list[Generation]:
        """Return nothing: a generation that is read has all its heads."""
        return []

    def _append(self, connection: sqlite3.Connection, append: ListAppend) -> dict[bytes, int]:
        number = number_of(connection, self._source, append.generation)
        if not number:
            return dict.fromkeys(append.entities, 0)
        pairs = zip(append.entities, append.elements, strict=True)
        connection.executemany(tables.APPEND, ((number, entity, element) for entity, element in pairs))
        lengths: dict[bytes, int] = {}
        for entity in Counter(append.entities):
            (lengths[entity],) = connection.execute(tables.LENGTH, (number, entity)).fetchone()
        return lengths

    def _replace(self, connection: sqlite3.Connection, wanted: ListReplacement) -> bool:
        number = number_of(connection, self._source, wanted.generation)
        place = (number, wanted.entity)
        found = connection.execute(tables.FIRST_ELEMENTS, (*place, wanted.read + 1)).fetchall()
        read = found[: wanted.read]
        if len(read) < wanted.read or not read or digest_of([element for _, element in read]) != wanted.digest:
            return False
        last = read[-1][0]
        connection.execute(tables.REMOVE_FIRST, (*place, last))
        head: bytes | None = wanted.head
        if not wanted.left and len(found) == wanted.read:
            head = wanted.alone
        if head is not None:
            new = [head, *wanted.left]
            first = last + 1 - len(new)
            connection.executemany(tables.PUT_ELEMENT, ((*place, first + at, one) for at, one in enumerate(new)))
        return True

    def _seed(self, connection: sqlite3.Connection, number: int, seed: ListSeed) -> None:
        found = connection.execute(tables.FIRST_ELEMENTS, (number, seed.entity, 1)).fetchone()
        place, element = found or (1, b"")
        if not is_head(element):
            connection.execute(tables.PUT_ELEMENT, (number, seed.entity, place - 1, seed.head))


def number_of(connection: sqlite3.Connection, source: int, generation: Generation) -> int:
    """Return the number of a generation in the file, 0 where there is none."""
    found = connection.execute(tables.FIND_GENERATION, (source, generation.view, generation.id)).fetchone()
    return int(found[0]) if found else 0


def lists_of(
    connection: sqlite3.Connection, source: int, live: Generation | None, ask: ListsAsk
) -> list[EntityList] | None:
    """Return the lists of a live generation, None where there is none."""
    if live is None:
        return None
    number = number_of(connection, source, live)
    return [
        EntityList(elements=[one for (one,) in connection.execute(tables.ELEMENTS, (number, entity))], marks=None)
        for entity in ask.entities
    ]
