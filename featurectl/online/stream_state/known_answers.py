"""What lists have said is known for as long as it holds: until somebody writes to a list, or time changes its values.

The values of exact windows are the same until the next event comes into a window or leaves one. So an entity that is
read again is answered by its list's bytes alone, which are compared whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Final, NamedTuple, cast

from featurectl.core.lru_cache import LruCache
from featurectl.online.stream_state.base import EntityList, is_head

NEVER_US: Final = 1 << 62  # no event comes or goes
_MOST_BYTES: Final = 4 << 20
_OF_AN_ANSWER, _OF_A_PART = 400, 50  # bytes, about, beside those of a list: an answer, and each element and value
_OF_A_KEY: Final = 300
_NAMING: Final = 64  # bytes at the beginning of a list that tell it from nearly all others
_numbers = count()


class ReadValues(NamedTuple):
    """The values of features as MessagePack has them, when the newest event was, and the answer's `asof`.

    Before `until_us` the list says the same; 0: that is not known.
    """

    values: list[object]
    event_us: int | None
    asof_us: int
    until_us: int = 0


class _Held(NamedTuple):
    elements: list[Sequence[bytes]]  # as they were read last: the same object is the same list at a glance
    values: list[object]
    event_us: int | None
    from_us: int
    until_us: int
    size: int


_held = cast("Callable[[tuple[object, ...]], _Held]", partial(tuple.__new__, _Held))
_said = cast("Callable[[tuple[object, ...]], ReadValues]", partial(tuple.__new__, ReadValues))
_Key = tuple[int, bytes]


class HeldAnswers(LruCache[_Key, _Held | None]):
    """The newest answers of a process, of `most` bytes with their lists.

    Held is what was asked for before: of others the key alone, so that those that are read once displace little.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.known = self.unknown = 0  # lists that were asked for

    def see(self, known: int, unknown: int) -> None:
        """Count lists that were asked for: of which it was known what they say, and others."""
        self.known += known
        self.unknown += unknown

    def is_worth(self, key: _Key) -> bool:
        """Return whether a key was asked for lately, and remember that it is."""
        if key in self:
            return True
        self.put(key, None, _OF_A_KEY)
        return False

    def keep(self, key: _Key, held: _Held) -> None:
        """Hold something in the place of what was under its key, where it is no large part of all."""
        if held.size <= self.most // 2:
            self.put(key, held, held.size)


HELD: Final = HeldAnswers(_MOST_BYTES)


def hold_lists(most_bytes: int) -> None:
    """Have this process take so much memory at most for lists that are read again.

    Half of it is for lists as they were read, on each connection that hears of changes, half for what they have said.
    """
    HELD.most = most_bytes // 2


class KnownAnswers:
    """What lists of one layout have said about the features of one view; all in a process share the room."""

    def __init__(self) -> None:
        self._number = next(_numbers)

    def find(self, found: EntityList, asof_us: int) -> ReadValues | None:
        """Return what a list says as of a register's `asof` or that of its head, where it has said it before."""
        elements = found.elements
        if not elements:
            return None
        held = HELD.find((self._number, elements[0][:_NAMING]))
        if held is None:
            return None
        read, values, event_us, from_us, until_us, _ = held
        if read[0] is not elements:
            if read[0] != elements:
                return None
            read[0] = elements
        if from_us <= asof_us < until_us and _is_whole(found):
            return _said((values.copy(), event_us, asof_us, until_us))
        return None

    def keep(self, found: EntityList, answer: ReadValues) -> None:
        """Keep what a list has said that was asked for before, where it is known until when that holds."""
        elements, (values, event_us, asof_us, until_us) = found.elements, answer
        key = self._number, elements[0][:_NAMING]
        if HELD.is_worth(key) and until_us > asof_us and _is_whole(found):
            size = len(elements[0]) if len(elements) == 1 else sum(map(len, elements))
            size += _OF_A_PART * (len(elements) + len(values)) + _OF_AN_ANSWER
            held = _held(([elements], values.copy(), event_us, asof_us, until_us, size))
            HELD.keep(key, held)


def _is_whole(found: EntityList) -> bool:
    """Return whether all elements count, whatever marks a Cluster's master has."""
    return found.marks is None or (len(found.elements) == 1 and is_head(found.elements[0]))
