"""Which keys were seen lately, of so many that it has to cost little: what they hash to."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from threading import Lock
from typing import Final

OF_A_KEY: Final = 100  # bytes, about, that a hash takes in a set
KEYS_SHARE: Final = 10  # keys take one part in so many of the room
_LEAST: Final = 2 * KEYS_SHARE * OF_A_KEY  # bytes that a key stands for, as there are two sets


class SeenKeys:
    """Keys of things that would take `room` bytes, and up to twice that, if all of them were held. For several threads.

    They are in two sets: when those of the young one would take all of the room, it is the old one, and that which was
    is forgotten. Both together take a tenth of the room, however small the things are.

    >>> seen = SeenKeys(10_000)
    >>> for key in "abc":
    ...     seen.see([key], 5_000)
    >>> "a" in seen, "c" in seen
    (True, True)
    >>> seen.see("de", 11_000)
    >>> "a" in seen, "e" in seen
    (False, True)
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._size = 0
        self._lock = Lock()

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a key was seen lately; once in a long time one that was not, which hashes to the same."""
        hashed = hash(key)
        return hashed in self._young or hashed in self._old

    def has_any(self, keys: Collection[Hashable]) -> bool:
        """Return whether one of some keys was seen lately."""
        hashes = set(map(hash, keys))
        return not (self._young.isdisjoint(hashes) and self._old.isdisjoint(hashes))

    def see(self, keys: Collection[Hashable], size: int) -> None:
        """Remember keys of things that take so many bytes in all."""
        if keys:
            self._add(set(map(hash, keys)), size // len(keys))

    def see_new(self, keys: Collection[Hashable], size: int) -> bool:
        """Remember keys, as `see` does, where none of them was seen lately; return whether it was so."""
        hashes = set(map(hash, keys))
        if not (self._young.isdisjoint(hashes) and self._old.isdisjoint(hashes)):
            return False
        self._add(hashes, size // len(keys))
        return True

    def _add(self, hashes: set[int], each: int) -> None:
        with self._lock:
            hashes -= self._young
            self._young |= hashes
            self._size += len(hashes) * max(each, _LEAST)
            if self._size > self.room:
                self._old, self._young, self._size = self._young, set(), 0
