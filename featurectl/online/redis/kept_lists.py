"""Lists that a server has promised to say of when they change, and what was read of which it may be asked to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from featurectl.core.lru_cache import RepeatsCache
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.compiled.loading import LOADED
from featurectl.online.stream_state.received_lists import kept_list

_OF_A_KEY, OF_AN_ELEMENT = 250, 50  # bytes, about, beside those of elements
_OF_MEMORY: Final = 800  # bytes, about, of a list in memory of its own
_MOST_CHANGED, _MOST_READS = 20_000, 64  # lists of which it is known that they change, and how often it is waited
WORTH: Final = 1_000  # bytes of a list: of one that has fewer the server would remember more than it saves

_KnownList = tuple[Sequence[bytes], int]  # elements, and how often all had been forgotten when they were read


class KeptLists:
    """Keys of lists that were read lately, in `most` bytes; of some the elements, which are those of the server.

    Without `most` there is as much room as for what lists have said. What was not asked for longest goes first.
    """

    def __init__(self, most: int | None = None) -> None:
        self._known = RepeatsCache[bytes, _KnownList](known_answers.HELD.most if most is None else most)
        self._forgotten = 0  # how often
        self._changed: dict[int, tuple[int, int]] = {}  # by hash: reads that do not pay, and how many do not next time

    @property
    def most(self) -> int:
        """How many bytes it may have."""
        return self._known.most

    @property
    def largest(self) -> int:
        """How many bytes a list may have that is kept."""
        return self.most // 2

    def forget_elements(self) -> None:
        """Forget the elements of all lists; keys stay known."""
        self._forgotten += 1  # they go when they are looked for

    def knows(self, key: bytes) -> bool:
        """Return whether a key was read lately: its list is worth to be kept."""
        return self._known.knows(key)

    def knows_any(self, keys: Collection[bytes]) -> bool:
        """Return whether one of some keys was read lately."""
        return self._known.knows_any(keys)

    def absent(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Return the keys of lists that are not kept."""
        if not self._known.holds_any(keys):
            return keys
        known, forgotten = self._known.peek(keys), self._forgotten
        return [key for key, one in zip(keys, known, strict=True) if one is None or one[1] != forgotten]

    def find(self, key: bytes) -> Sequence[bytes] | None:
        """Return the elements of a list, which it is asked for; None where they are not kept."""
        known = self._known.find(key)
        if known is None:
            return None
        elements, forgotten = known
        if forgotten != self._forgotten:
            self._let_go(key)
            return None
        if self._changed:
            self._changed.pop(hash(key), None)
        return elements

    def see_keys(self, keys: Collection[bytes], size: int) -> None:
        """Remember keys of lists that were read, which have so many bytes in all."""
        self._known.seen.see(keys, size)

    def keep(self, key: bytes, elements: list[bytes]) -> Sequence[bytes]:
        """Keep a list of whose change the server will say; return its elements as they are kept."""
        is_plain = LOADED.loops is None or not elements
        size = _OF_A_KEY + sum(map(len, elements)) + OF_AN_ELEMENT * len(elements) + (0 if is_plain else _OF_MEMORY)
        if size > self.largest:
            self._known.remove(key)
            self._put_off(key)
            return elements
        kept = elements if is_plain else kept_list(elements)
        self._known.put(key, (kept, self._forgotten), size)
        return kept

    def drop(self, key: bytes) -> None:
        """Forget the elements of a list, which has changed; its key stays known."""
        if self._let_go(key):
            self._put_off(key)

    def worth(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Return the keys of lists that are read and not kept of which it pays to keep them."""
        return [key for key in keys if self._is_worth(key)] if self.knows_any(keys) else ()

    def _is_worth(self, key: bytes) -> bool:
        """Return whether it pays to keep a list that is read: it was read lately.

        One that changed before it was asked for once more, or was too large, has to be read some times first, more
        each time.
        """
        if not self.knows(key):
            return False
        left, reads = self._changed.get(hash(key), (0, 1))
        if left:
            self._changed[hash(key)] = left - 1, reads
        return not left

    def _put_off(self, key: bytes) -> None:
        """Wait for some reads of a list before it is kept, each time for more."""
        if len(self._changed) >= _MOST_CHANGED:
            self._changed.clear()
        _, reads = self._changed.get(hash(key), (0, 1))
        self._changed[hash(key)] = reads, min(2 * reads, _MOST_READS)

    def _let_go(self, key: bytes) -> bool:
        if not self._known.remove(key):
            return False
        self.see_keys([key], WORTH)
        return True


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
