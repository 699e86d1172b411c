"""Many lists of one layout are read together: what is known of them, by compiled loops, or by arrays of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.compiled.reader import CompiledReader
from featurectl.online.stream_state.joined_lists import OpenedList, open_lists
from featurectl.online.stream_state.joined_names import without_copies
from featurectl.online.stream_state.joined_values import JoinedReader
from featurectl.online.stream_state.known_answers import KnownAnswers, ListName, ReadValues
from featurectl.online.stream_state.known_instants import RowInstant
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.list_columns import ListColumns

_MANY: Final = 8  # fewer lists take less time one by one


class ManyLists:
    """Answers the features of a view, such as `JoinedReader.knows`, from many lists of one layout at once.

    `known` is what lists have said.
    """

    def __init__(self, features: Sequence[Feature], layout: ListLayout) -> None:
        self._features, self._layout = features, layout
        self._joined = JoinedReader(features, layout)
        self._compiled: CompiledReader | None = None
        self.known = KnownAnswers()

    def read(self, found: Sequence[EntityList | None], asof_us: int) -> ListColumns | list[ReadValues | None]:
        """Return what lists say as of a register's `asof` or that of their heads; None of those to be read alone.

        It is by feature where none was known before, and compiled loops have read each.
        """
        names = self.known.names(found)
        read = self.known.find_all(names, found, asof_us)
        left = [i for i, one in enumerate(read) if one is None]
        known_answers.HELD.see(len(read) - len(left), len(left))
        if left and (compiled := self._by_loops()) is not None:
            for places in _apart(left, names):
                is_all = len(places) == len(found)
                columns = compiled.columns(found if is_all else [found[i] for i in places], asof_us)
                if columns is None:
                    continue
                if columns.is_whole and is_all:
                    if again := self.known.worth(names, found, places):
                        said = zip(again, columns.rows_at(again), strict=True)
                        self.known.hold_all((names[i], found[i], answer) for i, answer in said)
                    return columns
                self._take(read, places, (names, found), columns.rows())
            left = [i for i in left if read[i] is None]
        LOADED.see(len(left))
        if len(left) < _MANY:
            return read
        opened = self._opened([found[i] for i in left])
        answers = self._joined.answers([one for one in opened if one is not None], asof_us)
        if answers is not None:
            known = iter(answers)
            self._take(read, left, (names, found), [None if one is None else next(known) for one in opened])
        return read

    def values_at(
        self, found: Sequence[EntityList | None], asof_us: int, instants: Sequence[RowInstant]
    ) -> list[ReadValues | None]:
        """Return what lists say at an instant each; None of those to be read alone."""
        read: list[ReadValues | None] = [None] * len(found)
        if len(found) < _MANY:
            return read
        known: list[tuple[int, OpenedList]] = []
        for i, (opened, at) in enumerate(zip(self._opened(found), instants, strict=True)):
            if opened is not None and self._joined.knows_at(opened, asof_us, at):
                known.append((i, opened))
        answers = self._joined.answers_at([one for _, one in known], [instants[i] for i, _ in known])
        for (i, _), values in zip(known, answers or (), strict=answers is not None):
            read[i] = None if values.event_us is None else values
        return read

    def _opened(self, found: Sequence[EntityList | None]) -> list[OpenedList | None]:
        return without_copies(open_lists(found, self._layout), self._layout)

    def _by_loops(self) -> CompiledReader | None:
        """Return what reads lists by compiled loops, where this process has them."""
        if self._compiled is None and LOADED.loops is not None:
            self._compiled = CompiledReader(self._features, self._layout, LOADED.loops)
        return self._compiled

    def _take(
        self,
        read: list[ReadValues | None],
        places: Sequence[int],
        named: tuple[Sequence[ListName | None], Sequence[EntityList | None]],
        answers: Sequence[ReadValues | None],
    ) -> None:
        """Take the answers for some places, where they have an event."""
        names, found = named
        taken = [
            (i, answer)
            for i, answer in zip(places, answers, strict=True)
            if answer is not None and answer.event_us is not None
        ]
        for i, answer in taken:
            read[i] = answer
        again = {*self.known.worth(names, found, [i for i, _ in taken])}
        self.known.hold_all((names[i], found[i], answer.copy()) for i, answer in taken if i in again)


def _apart(places: Sequence[int], names: Sequence[ListName | None]) -> list[Sequence[int]]:
    """Return the places of lists that loops read at once: new ones first, which lie where they came in."""
    new = [i for i in places if names[i] is None]
    if not new or len(new) == len(places):
        return [places]
    return [new, sorted({*places}.difference(new))]
