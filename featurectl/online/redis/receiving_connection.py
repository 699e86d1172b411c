"""Trips for lists that nobody has read lately: over a connection of their own, whose replies stay where they came in.

The client makes an object of each element, some thousands for a hundred entities, and takes a step of the event loop
for each 64 kB. Here these are found by a compiled loop, which those that read the lists go on from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import redis
import redis.asyncio

from featurectl.online.redis.answers import parsing
from featurectl.online.redis.received_replies import ReceivedReplies
from featurectl.online.redis.reply_receiver import ReplyReceiver
from featurectl.online.redis.trips import RedisCommand, packed
from featurectl.online.stream_state.compiled.loading import LOADED

_OF_THE_BUDGET: Final = 0.5  # for the connection, without which a trip goes, too
_LONGEST_REST: Final = 1_024  # trips


class ReceivingConnection:
    """A connection for one trip at a time. What fails here is asked for over another one, as the client does it."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        self._client, self._budget_s = client, budget_s
        self._connection: Any = None
        self._transport: Any = None
        self._receiver: ReplyReceiver | None = None
        self._is_busy = False
        self._rest, self._next_rest = 0, 1  # trips that go without, after one that failed

    @property
    def is_free(self) -> bool:
        """Whether there is a loop that finds replies, and no trip is under way."""
        return LOADED.loops is not None and not self._is_busy

    async def exchange(self, commands: Sequence[RedisCommand], meanwhile: Callable[[], None]) -> ReceivedReplies | None:
        """Return the replies of a trip; None: it takes another connection. `meanwhile` is called while they come."""
        if not self.is_free:
            return None
        if self._rest:
            self._rest -= 1
            return None
        self._is_busy = True
        try:
            found = await self._try(commands, meanwhile)
        except (redis.RedisError, OSError):
            self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, _LONGEST_REST)
            await self.close()
            return None
        except BaseException:
            await self.close()
            raise
        finally:
            self._is_busy = False
        self._next_rest = max(1, self._next_rest - 1)
        return found

    async def close(self) -> None:
        """Close the connection; the next trip opens another."""
        connection, self._connection, self._receiver, self._transport = self._connection, None, None, None
        if connection is not None:
            with suppress(redis.RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _try(self, commands: Sequence[RedisCommand], meanwhile: Callable[[], None]) -> ReceivedReplies:
        receiver = self._receiver
        if receiver is None or receiver.has_ended:
            receiver = await self._connect()
        whole = receiver.expect(len(commands))
        self._transport.write(packed(commands))  # waits for no room: trips are short
        meanwhile()
        await whole
        return receiver.take()

    async def _connect(self) -> ReplyReceiver:
        """Open a connection, and take its replies from then on.

        Raises:
            redis.ConnectionError: a client of this version does not say what it is written to.
        """
        await self.close()
        assert LOADED.loops is not None, "no loop finds replies"
        with parsing():
            self._connection = connection = self._client.connection_pool.make_connection()
            async with asyncio.timeout(_OF_THE_BUDGET * self._budget_s):
                await connection.connect()
        transport: Any = getattr(getattr(connection, "_writer", None), "transport", None)
        if not hasattr(transport, "set_protocol"):
            raise redis.ConnectionError("nothing can take the replies of this connection")
        self._transport = transport
        self._receiver = receiver = ReplyReceiver(transport.get_protocol(), LOADED.loops.replies)
        transport.set_protocol(receiver)
        return receiver
