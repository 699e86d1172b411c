"""Trips to a server that says which lists have changed: those that have not are not sent again.

`CLIENT TRACKING` of Redis: a connection reads a list, and the server writes to that same connection when somebody
has written to it, before whatever it replies afterwards. So a list that was read there, and of which nothing has come
by the reply before it, is what the server would reply in its place. Nothing is taken on trust from a server that only
says that it does so: the poll, which is sent each time, must not differ either without a message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import hiredis
import redis
import redis.asyncio

from featurectl.online.redis.answers import parsing
from featurectl.online.redis.kept_lists import KeptLists
from featurectl.online.redis.shared import RedisTrips, take_arrived
from featurectl.online.redis.stream_register import POLLED
from featurectl.online.redis.trips import RedisCommand, packed

_TRIES: Final = 3  # at lists that change while a trip is under way
_BEGIN: Final[RedisCommand] = ("CLIENT", "TRACKING", "ON", "OPTIN")
_NEXT: Final[RedisCommand] = ("CLIENT", "CACHING", "YES")  # has the server say when the key of the next command changes
_ASK: Final[RedisCommand] = ("PING",)  # where a kept list is the first: what has changed by now comes before the reply
_OK, _FLUSHED, _PROTOCOL = b"OK", "all keys have changed", 3
_NAMES: Final = frozenset({bytes})
_LISTS, _POLLS = "LRANGE", "HMGET"
MOST_TRACKED: Final = 20_000  # lists of one connection: the server holds so many messages of one that reads no more


class UntrackedError(Exception):
    """A server does not say which lists have changed, or is not to be believed."""


class _Step(NamedTuple):
    """A command that was asked: its elements where they are kept, or whether the server is to say when they change."""

    command: RedisCommand
    elements: list[bytes] | None
    is_tracked: bool


class TrackedTrip:
    """One trip: what is sent, what comes back, and what both say of lists that were not asked for."""

    def __init__(self, commands: Sequence[RedisCommand], kept: KeptLists, polls: dict[bytes, object]) -> None:
        self._kept, self._polls = kept, polls
        self._steps = [_step(command, kept) for command in commands]
        self._heard: deque[tuple[int, list[bytes]]] = deque()  # how many answers were here, and keys that had changed
        self._gone: set[bytes] = set()
        self._is_flushed = False
        self.answers: list[object] = []
        self._is_asked_first = bool(self._steps) and self._steps[0].elements is not None
        self.sent: list[RedisCommand] = [_ASK] if self._is_asked_first else []
        for step in self._steps:
            if step.elements is None:
                self.sent += [_NEXT, step.command] if step.is_tracked else [step.command]

    @property
    def tracked(self) -> int:
        """How many keys the server is to say the changes of."""
        return sum(step.is_tracked for step in self._steps)

    def hear(self, keys: list[bytes] | None) -> None:
        """Take what the server says between two answers: these keys have changed, or all."""
        self._is_flushed = self._is_flushed or keys is None
        self._heard.append((len(self.answers), keys or []))

    def replies(self) -> list[object] | None:
        """Return the replies to all commands; None where a list had changed when it would have been read.

        Raises:
            UntrackedError: the server does not say what has changed.
            redis.ConnectionError: it says that all has.
        """
        if self._is_flushed:
            raise redis.ConnectionError(_FLUSHED)
        at, is_stale, found = int(self._is_asked_first), False, list[object]()
        if self._is_asked_first:
            self._forget(0)
        for command, elements, is_tracked in self._steps:
            if elements is not None:
                is_stale = is_stale or command[1] in self._gone
                found.append(elements)
                continue
            if is_tracked:
                if self.answers[at] != _OK:
                    raise UntrackedError
                at += 1
            self._forget(at)
            reply = self.answers[at]
            found.append(reply)
            self._take(command, reply, is_tracked=is_tracked)
            at += 1
        self._forget(at)
        return None if is_stale else found

    def _forget(self, until: int) -> None:
        """Forget what had changed when so many answers were here."""
        while self._heard and self._heard[0][0] <= until:
            for key in self._heard.popleft()[1]:
                self._gone.add(key)
                self._kept.drop(key)
                self._polls.pop(key, None)

    def _take(self, command: RedisCommand, reply: object, *, is_tracked: bool) -> None:
        if command[0] == _LISTS:
            _note(self._kept, command, reply, is_tracked=is_tracked)
        elif is_tracked and type(reply) is list and self._polls.setdefault(_key(command), reply) != reply:
            raise UntrackedError


class TrackedTrips(RedisTrips):
    """Trips of which one at a time goes over a connection whose server says what has changed."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        super().__init__(client, budget_s)
        self._kept = KeptLists()
        self._polls: dict[bytes, object] = {}
        self._connection: Any = None
        self._tracked: TrackedTrip | None = None  # that is under way
        self._left = 0  # lists of which the connection may still hear
        self._is_busy = self._is_refused = False

    async def exchange(self, questions: list[RedisCommand]) -> list[object]:
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        lists = [command for command in questions if command[0] == _LISTS]
        is_free = not self._is_busy and not self._is_refused
        if lists and is_free and any(self._kept.knows(_key(command)) for command in lists):
            self._is_busy = True
            try:
                found = await self._read_tracked(questions)
            finally:
                self._is_busy = False
            if found is not None:
                return found
        replies = await super().exchange(questions)
        if lists and not self._is_refused:
            for command, reply in zip(questions, replies, strict=True):
                if command[0] == _LISTS:
                    _note(self._kept, command, reply, is_tracked=False)
        return replies

    async def close_connections(self) -> None:
        """Close the client's connections, and that on which changes are said."""
        await self._leave()
        await super().close_connections()

    async def _read_tracked(self, commands: list[RedisCommand]) -> list[object] | None:
        """Return the answers of a trip over the connection that changes are said on; None: it takes another."""
        try:
            for _ in range(_TRIES):
                if self._left <= 0:
                    await self._connect()
                self._tracked = trip = TrackedTrip(commands, self._kept, self._polls)
                self._left -= trip.tracked
                await _carry_out(self._connection, trip)
                if (found := trip.replies()) is not None:
                    return found
        except (UntrackedError, redis.ResponseError):
            self._is_refused = True
            await self._leave()
        except (redis.RedisError, OSError):
            await self._leave()
        except BaseException:
            await self._leave()
            raise
        finally:
            self._tracked = None
        return None

    async def _connect(self) -> None:
        """Open a connection on which changes are said.

        Raises:
            UntrackedError: there can be none.
        """
        await self._leave()
        with parsing():
            self._connection = connection = self._client.connection_pool.make_connection()
            await connection.connect()
            parser: Any = getattr(connection, "_parser", None)
            if not isinstance(getattr(parser, "_reader", None), hiredis.Reader) or connection.protocol != _PROTOCOL:
                raise UntrackedError
            parser.set_invalidation_push_handler(self._hear)
            await connection.send_packed_command([packed([_BEGIN])])
            if await connection.read_response() != _OK:
                raise UntrackedError
        self._left = MOST_TRACKED

    async def _leave(self) -> None:
        """Close that connection: of what was read there nothing is known any more."""
        connection, self._connection, self._left = self._connection, None, 0
        self._kept.forget_elements()
        self._polls.clear()
        if connection is not None:
            with suppress(redis.RedisError):
                await connection.disconnect(nowait=True)

    async def _hear(self, message: list[Any]) -> None:
        """Take a message of the server."""
        if self._tracked is not None:
            self._tracked.hear(message[1])


async def _carry_out(connection: Any, trip: TrackedTrip) -> None:
    """Send a trip and take its answers. The client itself calls itself for each message that comes before an answer."""
    await connection.send_packed_command([packed(trip.sent)])
    parser, most = connection._parser, len(trip.sent)  # noqa: SLF001
    with parsing():
        await take_arrived(connection, trip.answers, most)
        while len(trip.answers) < most:
            await parser.read_from_socket()
            await take_arrived(connection, trip.answers, most)


def _step(command: RedisCommand, kept: KeptLists) -> _Step:
    if command[0] == _LISTS:
        key = _key(command)
        elements = kept.find(key)
        return _Step(command, elements, elements is None and kept.knows(key))
    return _Step(command, None, command[0] == _POLLS and command[2:] == POLLED)


def _note(kept: KeptLists, command: RedisCommand, reply: object, *, is_tracked: bool) -> None:
    """Keep a list that was read, or the key of one that may be kept another time."""
    if type(reply) is not list:
        return
    if not is_tracked:
        if reply and type(reply[0]) is bytes:
            kept.see(_key(command), reply)
    elif _NAMES.issuperset(map(type, reply)):
        kept.keep(_key(command), reply)


def _key(command: RedisCommand) -> bytes:
    key = command[1]
    assert type(key) is bytes
    return key
