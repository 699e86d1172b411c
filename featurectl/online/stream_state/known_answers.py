"""What lists have said is known for as long as it holds: until somebody writes to a list, or time changes its values.

The values of exact windows are the same until the next event comes into a window or leaves one. So an entity that is
read again is answered by its list's bytes alone, which are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import Final, NamedTuple, cast

from featurectl.core.lru_cache import RepeatsCache
from featurectl.online.stream_state.base import EntityList, counts_whole
from featurectl.online.stream_state.received_lists import NAMING, ReceivedList, ReceivedLists

NEVER_US: Final = 1 << 62  # no event comes or goes
_MOST_BYTES: Final = 4 << 20
_OF_AN_ANSWER, _OF_A_PART = 400, 50  # bytes, about, beside those of a list: an answer, and each element and value
_numbers = count()


class ReadValues(NamedTuple):
    """The values of features as MessagePack has them, when the newest event was, and the answer's `asof`.

    Before `until_us` the list says the same; 0: that is not known.
    """

    values: list[object]
    event_us: int | None
    asof_us: int
    until_us: int = 0

    def copy(self) -> ReadValues:
        """Return the same with values that somebody else may change."""
        return ReadValues(self.values.copy(), self.event_us, self.asof_us, self.until_us)


class _Held(NamedTuple):
    elements: list[Sequence[bytes]]  # as they were read last: the same object is the same list at a glance
    values: list[object]
    event_us: int | None
    from_us: int
    until_us: int
    size: int


_held = cast("Callable[[tuple[object, ...]], _Held]", partial(tuple.__new__, _Held))
_said = cast("Callable[[tuple[object, ...]], ReadValues]", partial(tuple.__new__, ReadValues))
ListName = tuple[int, bytes]  # by which a list is looked up: which view's, and how it begins


class HeldAnswers(RepeatsCache[ListName, _Held]):
    """The newest answers of a process, of `most` bytes with their lists: of those that were asked for before."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.known = self.unknown = 0  # lists that were asked for

    def see(self, known: int, unknown: int) -> None:
        """Count lists that were asked for: of which it was known what they say, and others."""
        self.known += known
        self.unknown += unknown

    def keep_all(self, held: Iterable[tuple[ListName, _Held]]) -> None:
        """Hold things in the place of what was under their names, each of which is no large part of all."""
        largest = self.most // 2
        self.put_all([(name, (one, one.size)) for name, one in held if one.size <= largest])


HELD: Final = HeldAnswers(_MOST_BYTES)


def hold_lists(most_bytes: int) -> None:
    """Have this process take so much memory at most for lists that are read again.

    Half of it is for lists as they were read, on each connection that hears of changes, half for what they have said.
    """
    HELD.resize(most_bytes // 2)


class KnownAnswers:
    """What lists of one layout have said about the features of one view; all in a process share the room."""

    def __init__(self) -> None:
        self._number = next(_numbers)

    def names(self, found: Sequence[EntityList | None]) -> list[ListName | None]:
        """Return by what lists are remembered; None of those of which nothing is to be, as they are new or empty."""
        if isinstance(found, ReceivedLists):
            return [None] * len(found)
        number = self._number
        return [
            (number, beginning) if each is not None and (beginning := _beginning(each.elements)) else None
            for each in found
        ]

    def find_all(
        self, names: Sequence[ListName | None], found: Sequence[EntityList | None], asof_us: int
    ) -> list[ReadValues | None]:
        """Return what each list says as of a register's `asof` or that of its head, where it has said it before."""
        if not HELD.holds_any(names):
            return [None] * len(names)
        return [
            None if name is None or each is None else _find(name, each, asof_us)
            for name, each in zip(names, found, strict=True)
        ]

    def worth(
        self, names: Sequence[ListName | None], found: Sequence[EntityList | None], places: Sequence[int]
    ) -> Sequence[int]:
        """Return at which of some places are lists that were asked for before; remember that the others are."""
        if not any(names):
            return ()
        kept = [i for i in places if (each := found[i]) is not None and _is_kept(each.elements)]
        if kept:
            others = [*{*places}.difference(kept)]
            return [*kept, *(self.worth(names, found, others) if others else ())]
        wanted = {i: name for i in places if (name := names[i]) is not None}
        lists = [each.elements for i in wanted if (each := found[i]) is not None]
        if not wanted:
            return ()
        size = sum([_size_about(elements) for elements in lists])
        if not HELD.holds_any(wanted.values()) and HELD.seen.see_new(wanted.values(), size):
            return ()
        again = [i for i, name in wanted.items() if HELD.knows(name)]
        for i in again:
            del wanted[i]
        HELD.seen.see(wanted.values(), size * len(wanted) // len(lists))
        return again

    def keep(self, found: EntityList, answer: ReadValues) -> None:
        """Keep what a list has said that was asked for before, where it is known until when that holds."""
        [name] = self.names([found])
        if name is not None:
            if _is_kept(found.elements) or HELD.knows(name):
                self.hold_all([(name, found, answer.copy())])
            else:
                HELD.seen.see((name,), _size_about(found.elements))

    def hold_all(self, said: Iterable[tuple[ListName | None, EntityList | None, ReadValues]]) -> None:
        """Hold what lists that are worth it have said, where it is known until when that holds.

        Their values become those of this cache.
        """
        held = list[tuple[ListName, _Held]]()
        for name, found, (values, event_us, asof_us, until_us) in said:
            if name is not None and found is not None and until_us > asof_us and counts_whole(found):
                elements = found.elements
                size = elements.size if type(elements) is ReceivedList else sum(map(len, elements))
                size += _OF_A_PART * (len(elements) + len(values)) + _OF_AN_ANSWER
                held.append((name, _held(([elements], values, event_us, asof_us, until_us, size))))
        HELD.keep_all(held)


def _find(name: ListName, found: EntityList, asof_us: int) -> ReadValues | None:
    held = HELD.find(name)
    if held is None:
        return None
    elements = found.elements
    read, values, event_us, from_us, until_us, _ = held
    if read[0] is not elements:
        if read[0] != elements:
            return None
        read[0] = elements
    if from_us <= asof_us < until_us and counts_whole(found):
        return _said((values.copy(), event_us, asof_us, until_us))
    return None


def _beginning(elements: Sequence[bytes]) -> bytes:
    """Return by which a list is told from others; nothing of one that is empty, or new."""
    if type(elements) is ReceivedList:
        return elements.beginning
    return elements[0][:NAMING] if elements else b""


def _is_kept(elements: Sequence[bytes]) -> bool:
    """Return whether a list is kept where it was read from: who does that has seen that it is read again."""
    return type(elements) is ReceivedList and bool(elements.beginning)


def _size_about(elements: Sequence[bytes]) -> int:
    """Return how many bytes it takes to hold what a list has said, with it: elements behind a head are short."""
    return len(elements[0]) + 2 * _OF_A_PART * len(elements) + _OF_AN_ANSWER
