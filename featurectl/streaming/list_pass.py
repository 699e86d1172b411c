"""How far a pass over all lists of a source has come: workers that follow each other in a process go on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from featurectl.online.stream_state.base import Generation

_AT_ONCE: Final = 20  # lists

Walk = Callable[[], Iterator[Sequence[bytes]]]  # gives the entities that have a list of a generation


class ListPass:
    """What a pass has gone over: whole generations, and a part of one. For one thread after the other."""

    def __init__(self) -> None:
        self._gone: set[Generation] = set()
        self._under_way: Generation | None = None
        self._pages: Iterator[Sequence[bytes]] = iter(())
        self._rest: list[bytes] = []

    def some(self, generation: Generation, walk: Walk) -> Iterator[Sequence[bytes]]:
        """Give the entities of a generation that the pass has not gone over, a few at a time, or none with each page.

        Some count as gone over when the next are asked for: whoever stops before has them again.
        """
        if generation in self._gone:
            return
        if self._under_way != generation:
            self._under_way, self._pages, self._rest = generation, walk(), []
        while True:
            while self._rest:
                yield self._rest[:_AT_ONCE]
                del self._rest[:_AT_ONCE]
            page = self._next_page()
            if page is None:
                break
            self._rest = [*page]
            yield ()
        self._gone.add(generation)
        self._under_way = None

    def end(self) -> None:
        """Take note that all was gone over: the next pass begins anew."""
        self._gone.clear()

    def _next_page(self) -> Sequence[bytes] | None:
        try:
            return next(self._pages, None)
        except BaseException:
            self._under_way = None  # what has failed gives nothing more: it is begun again
            raise
