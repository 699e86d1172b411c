"""Trips to a server that says which lists have changed: those that have not are not sent again.

`CLIENT TRACKING` of Redis: a connection reads a list, and the server writes to that same connection when somebody
has written to it, before whatever it replies afterwards (`tracked_trip.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
import redis
import redis.asyncio

from featurectl.online.redis.answers import parsing
from featurectl.online.redis.shared import RedisTrips, take_arrived
from featurectl.online.redis.tracked_trip import (
    OK,
    ServerPromises,
    TrackedTrip,
    UntrackedError,
    list_keys,
    note_lists,
)
from featurectl.online.redis.trips import RedisCommand, packed

_TRIES: Final = 2  # at lists that change while a trip is under way
_BEGIN: Final[RedisCommand] = ("CLIENT", "TRACKING", "ON", "OPTIN")
_PROTOCOL: Final = 3
_LONGEST_REST: Final = 1_024  # trips
_OF_THE_BUDGET: Final = 0.5  # for the connection, without which a trip goes, too
MOST_TRACKED: Final = 20_000  # lists of one connection: the server holds so many messages of one that reads no more
MOST_HEARD: Final = 20_000  # changes in a trip: to hear of more takes so long that lists are read anew
_OF_SO_MANY: Final = 32 << 20  # bytes of lists: where there is room for more, so many more are tracked
RENEWED_S: Final = 86_400.0  # what the server remembers of a connection that has ended stays until lists are written


class TrackedTrips(RedisTrips):
    """Trips of which one at a time goes over a connection whose server says what has changed."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        super().__init__(client, budget_s)
        self.promises = ServerPromises(MOST_TRACKED)
        self._most = MOST_TRACKED * max(1, self.promises.kept.most // _OF_SO_MANY)
        self._connection: Any = None
        self._begun_s = 0.0
        self._tracked: TrackedTrip | None = None  # that is under way
        self._heard = 0  # changes, since the trip that is under way began
        self._rest, self._next_rest = 0, 1  # trips that go without: after what took longer than without
        self.is_busy = self._has_served = False
        self.is_refused = False  # whether the server does not say what changes, or is not believed

    async def exchange(self, questions: list[RedisCommand]) -> Sequence[object]:
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        lists = list_keys(questions)
        if lists and self.promises.kept.knows_any(lists) and (found := await self.read_tracked(questions)) is not None:
            return found
        replies = await super().exchange(questions)
        if lists and not self.is_refused:
            note_lists(self.promises.kept, questions, replies)
        return replies

    async def read_tracked(self, commands: list[RedisCommand]) -> list[object] | None:
        """Return the answers of a trip over the connection on which changes are said; None: it takes another.

        Lists that were read lately are kept from then on.
        """
        if self.is_busy or self.is_refused:
            return None
        if self._rest:
            self._rest -= 1
            return None
        return await self._read_tracked(commands)

    async def hear_news(self) -> None:
        """Take what the server has said since the last trip, where no trip is under way."""
        if self.is_busy or self._connection is None or not _has_news(self._connection):
            return
        self.is_busy, self._heard = True, 0
        try:
            await self._hear_all()
        except (redis.RedisError, OSError):
            await self._abandon()
        except BaseException:
            await self._abandon()
            raise
        finally:
            self.is_busy = False

    async def close_connections(self) -> None:
        """Close the client's connections, and that on which changes are said."""
        await self._leave()
        await super().close_connections()

    async def _read_tracked(self, commands: list[RedisCommand]) -> list[object] | None:
        """Return the answers of a trip over the connection that changes are said on; None: it takes another."""
        self.is_busy = True
        try:
            for _ in range(_TRIES):
                if (found := await self._try(commands)) is not None:
                    return found
            self._pause()
        except (UntrackedError, redis.ResponseError):
            self.is_refused = True
            await self._leave()
        except (redis.RedisError, OSError):
            await self._abandon()
        except BaseException:
            await self._abandon()
            raise
        finally:
            self._tracked, self.is_busy = None, False
        return None

    async def _try(self, commands: list[RedisCommand]) -> list[object] | None:
        """Return the answers of a trip; None where a list that was kept had changed before its turn."""
        if self._connection is None or self.is_worn():
            await self._connect()
        self._heard = 0
        if _has_news(self._connection):
            await self._hear_all()
        self._tracked = trip = TrackedTrip(commands, self.promises)
        await _carry_out(self._connection, trip, self._check_heard)
        self._tracked = None
        found = trip.replies()
        self._has_served = True
        if found is not None and trip.left_out:
            self._next_rest = max(1, self._next_rest - 1)
        return found

    def is_worn(self) -> bool:
        """Return whether the connection was told of as many lists as may be, and is old."""
        return self.promises.keys.is_full and asyncio.get_running_loop().time() - self._begun_s > RENEWED_S

    def _pause(self) -> None:
        """Have some trips go without, more each time that it happens."""
        self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, _LONGEST_REST)

    async def _connect(self) -> None:
        """Open a connection on which changes are said.

        Raises:
            UntrackedError: there can be none.
        """
        await self._leave()
        with parsing():
            self._connection = connection = self._client.connection_pool.make_connection()
            async with asyncio.timeout(_OF_THE_BUDGET * self._budget_s):
                await connection.connect()
                parser: Any = getattr(connection, "_parser", None)
                if not isinstance(getattr(parser, "_reader", None), hiredis.Reader) or connection.protocol != _PROTOCOL:
                    raise UntrackedError
                parser.set_invalidation_push_handler(self._hear)
                await connection.send_packed_command([packed([_BEGIN])])
                if await connection.read_response() != OK:
                    raise UntrackedError
        self._begun_s = asyncio.get_running_loop().time()

    async def _abandon(self) -> None:
        """Close a connection that failed; one that never served is not made anew at once."""
        if not self._has_served:
            self._pause()
        await self._leave()

    async def _leave(self) -> None:
        """Close that connection: of what was read there nothing is known any more."""
        connection, self._connection, self._has_served = self._connection, None, False
        self.promises.end(self._most)
        if connection is not None:
            with suppress(redis.RedisError):
                await connection.disconnect(nowait=True)

    async def _hear(self, message: list[Any]) -> None:
        """Take a message of the server, in a trip or before it."""
        keys = message[1] if len(message) > 1 and type(message[1]) is list else None
        self._heard += len(keys or ())
        if self._tracked is not None:
            self._tracked.hear(keys)
        elif keys is None:
            self.promises.is_flushed = True
        else:
            self.promises.change(keys)

    async def _hear_all(self) -> None:
        """Take what the server has said since the last trip, as far as it is here: those lists are asked for at once.

        Raises:
            redis.ConnectionError: it has said what is no message, or too much.
        """
        connection, answers = self._connection, list[object]()
        parser: Any = getattr(connection, "_parser", None)
        stream = getattr(parser, "_stream", None)
        with parsing():
            await take_arrived(connection, answers, 1)
            while getattr(stream, "_buffer", b"") and not answers:
                self._check_heard()
                await parser.read_from_socket()
                await take_arrived(connection, answers, 1)
        if answers:
            raise redis.ConnectionError("a reply to no command")
        self.promises.check_flushed()

    def _check_heard(self) -> None:
        """Check that lists are not sooner read without what was known of them: a client is slow to take messages.

        Raises:
            redis.ConnectionError: too much has changed.
        """
        if self._heard > MOST_HEARD:
            raise redis.ConnectionError("too many lists have changed")


def _has_news(connection: Any) -> bool:
    """Return whether a server may have said something since the last trip that is here."""
    parser: Any = getattr(connection, "_parser", None)
    return bool(getattr(parser._stream, "_buffer", b"")) or parser._reader.has_data()  # noqa: SLF001


async def _carry_out(connection: Any, trip: TrackedTrip, check: Callable[[], None]) -> None:
    """Send a trip and take its answers. The client itself calls itself for each message that comes before an answer.

    Before each further part of them is awaited, it is checked whether it is worth that.

    Where it checks a connection's health it would open one that has ended anew, on which nothing is said.
    """
    if not connection.is_connected:
        raise redis.ConnectionError("the connection has ended")
    await connection.send_packed_command([packed(trip.sent)], check_health=False)
    parser, most = connection._parser, len(trip.sent)  # noqa: SLF001
    with parsing():
        await take_arrived(connection, trip.answers, most)
        while len(trip.answers) < most:
            check()
            await parser.read_from_socket()
            await take_arrived(connection, trip.answers, most)
