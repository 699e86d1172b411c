"""Values by key in so many bytes: those that were not used for longest go first, or those of keys seen once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable, Iterable
from threading import Lock
from typing import Generic, TypeVar

from featurectl.core.seen_keys import KEYS_SHARE, SeenKeys

HeldKey = TypeVar("HeldKey", bound=Hashable)
Held = TypeVar("Held")


class LruCache(Generic[HeldKey, Held]):
    """Values of `most` bytes in all, by what whoever puts them says that they take. For several threads.

    >>> cache = LruCache[str, int](20)
    >>> for key in "abc":
    ...     cache.put(key, ord(key), 8)
    >>> cache.find("a"), cache.find("b"), "c" in cache
    (None, 98, True)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: OrderedDict[HeldKey, tuple[Held, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    @property
    def room(self) -> int:
        """How many bytes there are for values."""
        return self.most

    def __contains__(self, key: HeldKey) -> bool:
        """Return whether something is held under a key, which is not used by that."""
        return key in self._held

    def find(self, key: HeldKey) -> Held | None:
        """Return what is held under a key, and use it; None where nothing is."""
        held = self._held.get(key)
        if held is None:
            return None
        try:  # noqa: SIM105 (it is done a hundred times a request)
            self._held.move_to_end(key)
        except KeyError:  # another thread has let it go meanwhile
            pass
        return held[0]

    def peek(self, keys: Collection[HeldKey]) -> list[Held | None]:
        """Return what `find` does of each key, which is not used by that."""
        get = self._held.get
        return [None if (held := get(key)) is None else held[0] for key in keys]

    def put(self, key: HeldKey, value: Held, size: int) -> None:
        """Hold a value in the place of what was under its key; nothing of what is larger than all that is held."""
        self.put_all([(key, (value, size))])

    def put_all(self, values: Iterable[tuple[HeldKey, tuple[Held, int]]]) -> None:
        """Do what `put` does of several values, each with its size."""
        with self._lock:
            pop, held, size, room = self._held.pop, self._held, self._size, self.room
            for key, value in values:
                before = pop(key, None)
                size += value[1] - (0 if before is None else before[1])
                held[key] = value
            self._size = size
            while self._size > room:
                _, (_, gone) = self._held.popitem(last=False)
                self._size -= gone

    def remove(self, key: HeldKey) -> bool:
        """Let go what is held under a key, and return whether there was anything."""
        with self._lock:
            before = self._held.pop(key, None)
            self._size -= 0 if before is None else before[1]
        return before is not None


class RepeatsCache(LruCache[HeldKey, Held]):
    """Values of keys that were seen before: of others the keys alone, so that what is seen once displaces little.

    All of it together takes `most` bytes, of which a tenth is for keys.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.seen = SeenKeys(most // 2)  # what is seen again is held for longer than it took to come again

    @property
    def room(self) -> int:
        """How many bytes there are for values."""
        return self.most - self.most // KEYS_SHARE

    def resize(self, most: int) -> None:
        """Have so many bytes from now on."""
        self.most, self.seen.room = most, most // 2

    def knows(self, key: HeldKey) -> bool:
        """Return whether a key was seen lately, or something is held under it."""
        return key in self._held or key in self.seen

    def knows_any(self, keys: Collection[HeldKey]) -> bool:
        """Return whether one of some keys was seen lately, or something is held under it."""
        return self.holds_any(keys) or self.seen.has_any(keys)

    def holds_any(self, keys: Collection[HeldKey | None]) -> bool:
        """Return whether something is held under one of some keys."""
        return not self._held.keys().isdisjoint(keys)
