"""Replies come into memory that is used again, and a compiled loop finds them there: no object is made of most."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Final

import numpy as np
import redis

from featurectl.online.redis.received_replies import ReceivedReplies
from featurectl.online.stream_state.compiled.shapes import FULL, MORE, WHOLE
from featurectl.online.stream_state.received_lists import ReceivedElements

Scan = Callable[..., int]

_SIZE, _ELEMENTS = 1 << 18, 4_096  # what memory has at first; it grows with the replies
_PADDING: Final = 16  # bytes behind the last reply, so that words can be read at each byte
_MOST_SPARE: Final = 4 << 20  # bytes of a connection that wait to be used again


class ReplyMemory:
    """Memory for the replies of a trip."""

    def __init__(self, size: int = _SIZE, elements: int = _ELEMENTS) -> None:
        self._octets = np.empty(size, np.uint8)
        self.view = self._octets.data[: size - _PADDING]
        self.filled = 0
        self._begins, self._ends = np.empty(elements, np.int64), np.empty(elements, np.int64)
        self.received = self._received()

    @property
    def size(self) -> int:
        """How many bytes it takes, with the places of elements."""
        return len(self._octets) + self._begins.nbytes + self._ends.nbytes

    def grow(self) -> None:
        """Have twice as many bytes."""
        octets = np.empty(2 * len(self._octets), np.uint8)
        octets[: self.filled] = self._octets[: self.filled]
        self._octets, self.view = octets, octets.data[: len(octets) - _PADDING]
        self.received = self._received()

    def add_places(self) -> None:
        """Have places for twice as many elements."""
        more = np.empty(len(self._ends), np.int64)
        self._begins, self._ends = np.concatenate((self._begins, more)), np.concatenate((self._ends, more))
        self.received = self._received()

    def _received(self) -> ReceivedElements:
        octets = self._octets.view()
        words = np.ndarray((len(octets) - 7,), np.uint64, self._octets, 0, (1,))
        octets.flags.writeable = words.flags.writeable = False  # as the bytes of other lists, for which loops are made
        return ReceivedElements(octets, words, self._begins, self._ends)


class SpareMemory:
    """Memory that waits to be used again."""

    def __init__(self) -> None:
        self._spare: list[ReplyMemory] = []

    def take(self) -> ReplyMemory:
        """Return memory, new where none waits."""
        return self._spare.pop() if self._spare else ReplyMemory()

    def give(self, memory: ReplyMemory) -> None:
        """Keep memory that nobody reads any more, where there is room for it."""
        if memory.size + sum(spare.size for spare in self._spare) <= _MOST_SPARE:
            memory.filled = 0
            self._spare.append(memory)


class ReplyReceiver(asyncio.BufferedProtocol):
    """Takes the replies of a connection, trip after trip, in the place of the protocol that opened it.

    That one hears, as before, that the connection has ended, and whether it may be written to.
    """

    def __init__(self, opened_by: asyncio.BaseProtocol, scan: Scan) -> None:
        self._opened_by, self._scan = opened_by, scan
        self._spare = SpareMemory()
        self._memory: ReplyMemory | None = None
        self._state = np.zeros(4, np.int64)
        self._replies = np.zeros((0, 4), np.int64)
        self._whole: asyncio.Future[None] | None = None
        self.has_ended = False

    def expect(self, replies: int) -> asyncio.Future[None]:
        """Return what says that so many replies are there.

        It raises:
            redis.ConnectionError: the connection has ended, or replies are not as those to reads usually are.
        """
        self._memory = self._spare.take()
        self._state[:] = 0
        self._replies = np.zeros((replies, 4), np.int64)
        self._whole = asyncio.get_running_loop().create_future()
        return self._whole

    def take(self) -> ReceivedReplies:
        """Return the replies of the trip, all of which are there."""
        assert self._memory is not None, "no trip is under way"
        memory, self._memory = self._memory, None
        kept = memory.received
        received = ReceivedElements(kept.octets, kept.words, kept.begins, kept.ends)
        weakref.finalize(received, self._spare.give, memory).atexit = False
        return ReceivedReplies(received, self._replies)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (the protocol of an event loop)
        """Return where the next bytes go."""
        memory = self._memory
        if memory is None:
            self._memory = memory = self._spare.take()  # what comes now is no reply
        if memory.filled == len(memory.view):
            memory.grow()
        return memory.view[memory.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Look whether all replies are there."""
        memory, whole = self._memory, self._whole
        if memory is None or whole is None or whole.done():
            self._fail(redis.ConnectionError("a reply to no command"))
            return
        memory.filled += nbytes
        stands = self._look(memory)
        while stands == FULL:
            memory.add_places()
            stands = self._look(memory)
        if stands == WHOLE:
            whole.set_result(None)
        elif stands != MORE:
            self._fail(redis.ConnectionError("a reply that is no value and no list of values"))

    def eof_received(self) -> bool:
        """Have the connection closed."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that the connection has ended."""
        self._fail(redis.ConnectionError("the connection has ended"))
        self._opened_by.connection_lost(exc)

    def pause_writing(self) -> None:
        """Say that much waits to be written."""
        self._opened_by.pause_writing()

    def resume_writing(self) -> None:
        """Say that more may be written."""
        self._opened_by.resume_writing()

    def _look(self, memory: ReplyMemory) -> int:
        of = memory.received
        return self._scan(of.octets, memory.filled, self._state, self._replies, of.begins, of.ends)

    def _fail(self, error: Exception) -> None:
        self.has_ended = True
        if self._whole is not None and not self._whole.done():
            self._whole.set_exception(error)
