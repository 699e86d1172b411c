"""Replies of a Redis in the memory in which they came: of most no object is ever made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.compiled.shapes import HAS_NULLS, IS_LIST, IS_NULL
from featurectl.online.stream_state.received_lists import ReceivedElements, ReceivedList, ReceivedLists
from featurectl.pit.arrays import Ints

_READ_LIST: Final = "LRANGE"
_LISTS: Final = {IS_LIST}


class ReceivedReplies(Sequence[object]):
    """Replies in memory; one becomes an object, as the client has it, where it is asked for.

    `rows` has one of each: what it is, its first element in `of`, the one behind its last, and in how many bytes of
    memory these are. A part of replies is such replies, too.
    """

    __slots__ = ("_made", "_of", "rows")

    def __init__(self, of: ReceivedElements, rows: Ints) -> None:
        self._of, self.rows = of, rows
        self._made: list[object] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> object: ...

    @overload
    def __getitem__(self, place: slice) -> ReceivedReplies: ...

    def __getitem__(self, place: int | slice) -> object:
        if isinstance(place, slice):
            assert place.step in (None, 1), "lists lie one behind the other"
            return ReceivedReplies(self._of, self.rows[place])
        if self._made is not None:
            return self._made[place]
        form, first, end, _ = self.rows[place].tolist()
        return self._reply(form, first, end)

    def __iter__(self) -> Iterator[object]:
        if self._made is None:
            self._made = [self._reply(form, first, end) for form, first, end, _ in self.rows.tolist()]
        return iter(self._made)

    def lists(self) -> ReceivedLists | None:
        """Return replies that follow each other as the lists of entities; None where one of them is no list."""
        rows = self.rows
        return ReceivedLists(self._of, rows[:, 1], rows[:, 2]) if {*rows[:, 0].tolist()} == _LISTS else None

    def objects(self, commands: Sequence[RedisCommand]) -> list[object]:
        """Return the replies to some commands; lists that have elements stay in memory, a `ReceivedList` each."""
        of = self._of
        return [
            ReceivedList(of, first, end, size)
            if form == IS_LIST and first < end and command[0] == _READ_LIST
            else self._reply(form, first, end)
            for command, (form, first, end, size) in zip(commands, self.rows.tolist(), strict=True)
        ]

    def _reply(self, form: int, first: int, end: int) -> object:
        if form in (IS_LIST, HAS_NULLS):
            return [None if self._of.ends[i] < 0 else self._of.take(i) for i in range(first, end)]
        return None if form == IS_NULL else self._of.take(first)


def list_sizes(rows: Ints, of_an_element: int) -> list[int]:
    """Return how many bytes lists take, with so many for each element beside its own; 0 of other replies.

    `rows` are those of `ReceivedReplies`.
    """
    return [
        size + of_an_element * (end - first) if form == IS_LIST and first < end else 0
        for form, first, end, size in rows.tolist()
    ]
