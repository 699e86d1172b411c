"""Lists that lie in the memory in which a store's replies came: of most of them no object is ever made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import Final, overload

import numpy as np
import numpy.typing as npt

from featurectl.online.stream_state.base import NO_LIST, EntityList
from featurectl.pit.arrays import Ints

NAMING: Final = 64  # bytes at the beginning of a list that tell it from nearly all others
PADDING: Final = bytes(16)  # so that a word can be read at each byte, and a place behind all, of several words always


class ReceivedElements:
    """Elements in one piece of memory: where each begins and ends in `octets`, of which the last 16 are of none.

    `words` are the 8 octets from each one on. `data` are all octets where these are bytes.
    """

    __slots__ = ("__weakref__", "begins", "data", "ends", "octets", "words")

    def __init__(
        self, octets: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], begins: Ints, ends: Ints, data: bytes = b""
    ) -> None:
        self.octets, self.words, self.data = octets, words, data
        self.begins, self.ends = begins, ends

    def take(self, element: int) -> bytes:
        """Return an element."""
        return self.octets[self.begins[element] : self.ends[element]].tobytes()


class ReceivedList(Sequence[bytes]):
    """A list in memory: its elements, from `first` to before `end` of `of`, become bytes where one is asked for.

    `size` are the bytes of memory that they are in. One that is kept has some `beginning`, by which it is told from
    others, and memory of its own, which goes when its elements become bytes. Any other nobody has read lately: its
    memory is used again when the last of the lists in it is gone, so that who holds such a list holds all of that.
    """

    __slots__ = ("_made", "beginning", "end", "first", "of", "size")

    def __init__(self, of: ReceivedElements, first: int, end: int, size: int, beginning: bytes = b"") -> None:
        self.of: ReceivedElements | None = of
        self.first, self.end, self.size = first, end, size
        self.beginning = beginning
        self._made: list[bytes] | None = None

    def __len__(self) -> int:
        return self.end - self.first

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> list[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | list[bytes]:
        return self._all()[place]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same elements."""
        return isinstance(other, Sequence) and self._all() == [*other]

    __hash__ = None  # type: ignore[assignment]

    def _all(self) -> list[bytes]:
        of = self.of  # before it is looked what was made: another thread may let go of the memory meanwhile
        if self._made is None:
            assert of is not None, "a list has memory until its elements are made"
            self._made = [of.take(element) for element in range(self.first, self.end)]
            if self.beginning:
                self.of = None
        return self._made


class ReceivedLists(Sequence[EntityList]):
    """Lists one behind the other in memory, of which all elements count: one becomes an object where it is asked for.

    `firsts` and `ends` are the places of each one's first element and behind its last. A part of them is such lists.
    """

    __slots__ = ("_ends", "_firsts", "_of")

    def __init__(self, of: ReceivedElements, firsts: Ints, ends: Ints) -> None:
        self._of, self._firsts, self._ends = of, firsts, ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> EntityList: ...

    @overload
    def __getitem__(self, place: slice) -> ReceivedLists: ...

    def __getitem__(self, place: int | slice) -> EntityList | ReceivedLists:
        if isinstance(place, slice):
            assert place.step in (None, 1), "lists lie one behind the other"
            return ReceivedLists(self._of, self._firsts[place], self._ends[place])
        first, end = int(self._firsts[place]), int(self._ends[place])
        if first == end:
            return NO_LIST
        size = int(self._of.ends[end - 1] - self._of.begins[first])
        return EntityList(ReceivedList(self._of, first, end, size), None)

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same lists."""
        return isinstance(other, Sequence) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def elements(self) -> tuple[ReceivedElements, Ints]:
        """Return the elements of all, and how many the lists up to each one have."""
        of = self._of
        begin, end = (int(self._firsts[0]), int(self._ends[-1])) if len(self) else (0, 0)
        return ReceivedElements(of.octets, of.words, of.begins[begin:end], of.ends[begin:end]), self._ends - begin


def in_memory(lists: Sequence[Sequence[bytes]]) -> tuple[ReceivedElements, Ints]:
    """Return the elements of lists in one piece of memory, and how many elements the lists up to each one have."""
    counts = [*map(len, lists)]
    list_ends = np.array(counts, np.int64).cumsum()
    filled = [one for one, count in zip(lists, counts, strict=True) if count]
    if (found := _of_one_memory(filled)) is not None:
        return found, list_ends
    kept = [of for one in filled if type(one) is ReceivedList and one.beginning and (of := one.of) is not None]
    if kept and len(kept) == len(filled):
        return _side_by_side(kept), list_ends
    elements = [*chain.from_iterable(filled)]
    sizes = np.fromiter(map(len, elements), np.int64, len(elements))
    ends = sizes.cumsum()
    return elements_in(b"".join((*elements, PADDING)), ends - sizes, ends), list_ends


def elements_in(data: bytes, begins: Ints, ends: Ints) -> ReceivedElements:
    """Return elements in bytes that end with `PADDING`."""
    octets, words = np.frombuffer(data, np.uint8), np.ndarray((len(data) - 7,), np.uint64, data, 0, (1,))
    return ReceivedElements(octets, words, begins, ends, data)


def kept_list(elements: Sequence[bytes]) -> ReceivedList:
    """Return a list, which is not empty, in memory of its own."""
    memory, _ = in_memory([elements])
    return ReceivedList(memory, 0, len(elements), int(memory.ends[-1]), elements[0][:NAMING])


def _of_one_memory(lists: Sequence[Sequence[bytes]]) -> ReceivedElements | None:
    """Return the elements of lists that lie in one piece of memory, where they are; None where they do not."""
    memory, parts, begin, end = None, list[tuple[int, int]](), 0, 0
    for one in lists:
        if type(one) is not ReceivedList or (of := one.of) is None or (memory is not None and of is not memory):
            return None
        memory = of
        if one.first != end:
            parts.append((begin, end))
            begin = one.first
        end = one.end
    if memory is None:
        return None
    parts.append((begin, end))
    begins = np.concatenate([memory.begins[begin:end] for begin, end in parts])
    ends = np.concatenate([memory.ends[begin:end] for begin, end in parts])
    return ReceivedElements(memory.octets, memory.words, begins, ends)


def _side_by_side(kept: Sequence[ReceivedElements]) -> ReceivedElements:
    """Return the elements of lists that are kept, each in bytes of its own, as those of one piece of memory."""
    pieces = [of.data for of in kept]
    starts = [0, *accumulate(map(len, pieces))]
    moved = np.repeat(starts[:-1], [len(of.ends) for of in kept])
    begins, ends = np.concatenate([of.begins for of in kept]), np.concatenate([of.ends for of in kept])
    return elements_in(b"".join(pieces), begins + moved, ends + moved)
