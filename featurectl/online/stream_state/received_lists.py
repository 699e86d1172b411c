"""Lists that lie in the memory in which a store's replies came: of most of them no object is ever made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from featurectl.pit.arrays import Ints


class ReceivedElements:
    """Elements in one piece of memory: where each begins and ends in `octets`, of which the last 16 are of none.

    `words` are the 8 octets from each one on.
    """

    __slots__ = ("__weakref__", "begins", "ends", "octets", "words")

    def __init__(self, octets: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], begins: Ints, ends: Ints) -> None:
        self.octets, self.words = octets, words
        self.begins, self.ends = begins, ends

    def take(self, element: int) -> bytes:
        """Return an element."""
        return self.octets[self.begins[element] : self.ends[element]].tobytes()


class ReceivedList(Sequence[bytes]):
    """A list that nobody has read lately: its elements, from `first` to before `end`, become bytes where one is asked.

    `size` are the bytes of memory that they are in. It is used again when the last of its lists is gone: who keeps a
    list keeps its bytes.
    """

    __slots__ = ("_made", "end", "first", "of", "size")

    def __init__(self, of: ReceivedElements, first: int, end: int, size: int) -> None:
        self.of, self.first, self.end, self.size = of, first, end, size
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
        if self._made is None:
            self._made = [self.of.take(element) for element in range(self.first, self.end)]
        return self._made
