"""A database that keeps the state of streams, as what is common to all of them uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from featurectl.online.stream_state.base import ListAppend, StreamSource


class StreamAnswer(Protocol):
    """What came of a statement."""

    @property
    def rowcount(self) -> int:
        """How many lines it changed."""

    def fetchone(self) -> Any:
        """Return its next line, or None."""

    def fetchall(self) -> list[Any]:
        """Return its lines."""

    def __iter__(self) -> Iterator[Any]: ...


class StreamStep(Protocol):
    """A transaction that is under way."""

    def execute(self, statement: str, values: Sequence[object] = (), /) -> StreamAnswer:
        """Return what comes of a statement of `statements`."""

    def executemany(self, statement: str, rows: Iterable[Sequence[object]], /) -> object:
        """Run a statement for each of some lines of values."""

    def append(self, generation: int, append: ListAppend, /) -> Mapping[bytes, int]:
        """Append elements to lists of a generation, by its number, and return how long these have become."""

    def elements(self, generation: int, entities: Sequence[bytes], /) -> list[list[bytes]]:
        """Return the elements of the list of each entity, in their order."""

    def entities_after(self, generation: int, last: bytes | None, most: int, /) -> list[bytes]:
        """Return the entities that have a list, in the order of their keys, behind one; None: from the first."""

    def remove_some(self, generation: int, most: int, /) -> int:
        """Remove some elements of a generation, and return how many."""


class StreamDatabase(Protocol):
    """A connection to the database, on which one transaction follows the other."""

    def transaction(self, *, writing: bool = True) -> AbstractContextManager[StreamStep]:
        """Give one step, which is written whole or not at all, and sees one moment.

        Raises:
            ConnectionLostError: what a worker holds is not what it was.
            StoreError: the database can't be used.
        """

    def number(self, step: StreamStep, source: StreamSource, /) -> int:
        """Return the number of a source in the database, 0 where nothing is known of it."""

    def meet(self, source: StreamSource) -> int:
        """Return the number of a source, made where it was not known; a run that is met first is taken notice of."""

    def clock(self, step: StreamStep, /) -> int:
        """Return the time that counts, in microseconds since 1970."""

    def close(self) -> None:
        """Give the connection back."""
