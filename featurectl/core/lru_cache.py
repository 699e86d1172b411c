"""Values by key in so many bytes: those that were not used for longest go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

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

    def put(self, key: HeldKey, value: Held, size: int) -> None:
        """Hold a value in the place of what was under its key; nothing of what is larger than all that is held."""
        with self._lock:
            before = self._held.pop(key, None)
            self._size += size - (0 if before is None else before[1])
            self._held[key] = value, size
            while self._size > self.most:
                _, (_, gone) = self._held.popitem(last=False)
                self._size -= gone
