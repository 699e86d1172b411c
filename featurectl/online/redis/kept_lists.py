"""Lists that a server has promised to say of when they change, and what was read of which it may be asked to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from featurectl.online.stream_state import known_answers

_OF_A_KEY, _OF_AN_ELEMENT = 250, 50  # bytes, about, beside those of elements
_WORTH: Final = 1_000  # bytes of a list: of one that has fewer the server would remember more than it saves

_KnownList = tuple[list[bytes] | None, int]  # elements, where they are kept; bytes
_KEY_ALONE: Final[_KnownList] = None, _OF_A_KEY
_NOTHING: Final[_KnownList] = None, 0


class KeptLists:
    """Keys of lists that were read lately, in `most` bytes; of some the elements, which are those of the server.

    Without `most` there is as much room as for what lists have said. What was not asked for a while goes first.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = known_answers.HELD.most if most is None else most
        self._young: dict[bytes, _KnownList] = {}
        self._old: dict[bytes, _KnownList] = {}
        self._size = 0  # of the young ones

    def forget_elements(self) -> None:
        """Forget the elements of all lists; keys stay known."""
        for lists in (self._young, self._old):
            lists.update(dict.fromkeys(lists, _KEY_ALONE))
        self._size = _OF_A_KEY * len(self._young)

    def knows(self, key: bytes) -> bool:
        """Return whether a key was read lately: its list is worth to be kept."""
        return key in self._young or key in self._old

    def find(self, key: bytes) -> list[bytes] | None:
        """Return the elements of a list; None where they are not kept. Its key is young again then."""
        known = self._young.get(key)
        if known is None:
            known = self._old.pop(key, None)
            if known is None:
                return None
            self._put(key, known)
        return known[0]

    def see(self, read: Iterable[tuple[bytes, Sequence[bytes]]]) -> None:
        """Remember which lists were read, with their elements, where they are worth it."""
        young, old = self._young, self._old
        for key, elements in read:
            if key in young or key in old or not elements:
                continue
            if len(elements[0]) + _OF_AN_ELEMENT * len(elements) >= _WORTH:
                self._put(key, _KEY_ALONE)
                young, old = self._young, self._old

    def keep(self, key: bytes, elements: list[bytes]) -> None:
        """Keep a list of whose change the server will say."""
        size = _OF_A_KEY + sum(map(len, elements)) + _OF_AN_ELEMENT * len(elements)
        self._put(key, _KEY_ALONE if size > self.most // 2 else (elements, size))

    def drop(self, key: bytes) -> None:
        """Forget the elements of a list, which has changed; its key stays known."""
        if key in self._young:
            self._put(key, _KEY_ALONE)
        elif key in self._old:
            self._old[key] = _KEY_ALONE

    def _put(self, key: bytes, known: _KnownList) -> None:
        self._size += known[1] - self._young.get(key, _NOTHING)[1]
        if self._size > self.most // 2:
            self._old, self._young, self._size = self._young, {}, known[1]
        self._young[key] = known
        self._old.pop(key, None)


class PromisedKeys:
    """Keys of whose change a server will still say, `most` of them: what they hash to."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._hashes: set[int] = set()

    @property
    def is_full(self) -> bool:
        """Whether no more are to be added."""
        return len(self._hashes) >= self.most

    def takes(self, key: bytes) -> bool:
        """Return whether a key is there already, or may be added."""
        return len(self._hashes) < self.most or hash(key) in self._hashes

    def add(self, key: bytes) -> None:
        """Add a key."""
        self._hashes.add(hash(key))

    def remove(self, key: bytes) -> None:
        """Remove a key, of whose change the server has said."""
        self._hashes.discard(hash(key))
