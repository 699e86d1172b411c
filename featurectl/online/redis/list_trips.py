"""Trips by what is known of their lists: those that are not kept come over connections of their own.

They stay in the memory in which they came, where a loop finds them. Those that are read again and again are kept, by
the connection on which their changes are said: it reads them once more meanwhile, while nobody waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import redis.asyncio

from featurectl.online.redis.kept_lists import OF_AN_ELEMENT
from featurectl.online.redis.received_replies import ReceivedReplies, list_sizes
from featurectl.online.redis.receiving_connection import ReceivingConnection
from featurectl.online.redis.tracked_trip import is_list, is_poll, list_key, list_keys, note_sizes
from featurectl.online.redis.tracked_trips import TrackedTrips
from featurectl.online.redis.trips import RedisCommand
from featurectl.pit.arrays import Ints

MANY: Final = 16  # lists that are not kept, beside others that are, for which a trip of their own pays
_AT_ONCE, MOST_DUE = 25, 1_000  # lists that are read to be kept in a trip, and that wait for that
_LATER_S: Final = 0.002  # so that answers come first


class ListTrips(TrackedTrips):
    """Trips of which lists that are not kept stay in the memory in which they came."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        super().__init__(client, budget_s)
        self._receiving = [ReceivingConnection(client, budget_s) for _ in range(self._at_once)]
        self._read: list[tuple[Sequence[RedisCommand], Ints]] = []  # of trips before: what was asked, and what came
        self._due: dict[bytes, None] = {}  # keys of lists that are to be kept
        self.keeping: asyncio.Task[None] | None = None  # what reads them, while there are any

    async def exchange(self, questions: list[RedisCommand]) -> Sequence[object]:
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        await self.hear_news()
        keys, receiving = list_keys(questions), self._free()
        absent = keys if self.is_busy else self.promises.kept.absent(keys)
        if not absent:
            return await super().exchange(questions)
        if receiving is None or len(absent) < min(len(keys), MANY):
            return await self._exchange_tracked(questions)
        found: Sequence[object] | None
        if len(absent) < len(keys):
            found = await self._read_both(questions, absent)
        else:
            found = await self._read_absent(receiving, questions, absent)
        return await self._exchange_tracked(questions) if found is None else found

    async def close_connections(self) -> None:
        """Close all connections."""
        if self.keeping is not None:
            self.keeping.cancel()
            await asyncio.gather(self.keeping, return_exceptions=True)
        for receiving in self._receiving:
            await receiving.close()
        await super().close_connections()

    def _free(self) -> ReceivingConnection | None:
        return next((receiving for receiving in self._receiving if receiving.is_free), None)

    async def _read_both(self, questions: Sequence[RedisCommand], absent: Sequence[bytes]) -> Sequence[object]:
        """Return the answers of two trips: of polls and lists that are kept, then of the others and what is behind."""
        among = {*absent}
        is_first = [is_poll(each) or (is_list(each) and list_key(each) not in among) for each in questions]
        firsts = [one for one, first in zip(questions, is_first, strict=True) if first]
        earlier = iter(await self._exchange_tracked(firsts))
        others = [one for one, first in zip(questions, is_first, strict=True) if not first]
        receiving = self._free()
        found = None if receiving is None else await self._read_absent(receiving, others, absent)
        later = iter(await self._exchange_tracked(others) if found is None else found.objects(others))
        return [next(earlier if first else later) for first in is_first]

    async def _read_absent(
        self, receiving: ReceivingConnection, questions: Sequence[RedisCommand], absent: Sequence[bytes]
    ) -> ReceivedReplies | None:
        """Return the answers of a trip whose lists are not kept; None: it takes another connection.

        Those that are worth it are kept later. Which these are is looked up while the answers come, and what came in
        the trip before is noted then.
        """
        again = list[bytes]()

        def look_up() -> None:
            self._note_read()
            again.extend(self._read_again(absent))

        found = await receiving.exchange(questions, look_up)
        if found is not None and not self.is_refused:
            self._read.append((questions, found.rows))
            self._keep_later(again)
        return found

    async def _exchange_tracked(self, questions: list[RedisCommand]) -> Sequence[object]:
        self._note_read()
        return await super().exchange(questions)

    def _note_read(self) -> None:
        """Remember the keys of lists that came over receiving connections."""
        read, self._read = self._read, []
        for commands, rows in read:
            note_sizes(self.promises.kept, commands, list_sizes(rows, OF_AN_ELEMENT))

    def _read_again(self, absent: Sequence[bytes]) -> Sequence[bytes]:
        """Return the keys of lists that are worth to be kept, as far as the server would say when they change."""
        if self.is_refused or self.is_busy:
            return ()
        worth = self.promises.kept.worth(absent)
        return worth if self.is_worn() else [key for key in worth if self.promises.keys.takes(key)]

    def _keep_later(self, keys: Sequence[bytes]) -> None:
        """Have lists read to be kept, as far as not too many wait for that."""
        if not keys:
            return
        self._due.update(dict.fromkeys(keys[: MOST_DUE - len(self._due)]))
        if self.keeping is None or self.keeping.done():
            self.keeping = asyncio.get_running_loop().create_task(self._keep_due())

    async def _keep_due(self) -> None:
        """Read lists on the connection on which their changes are said, a few at a time; not what can't be so read."""
        while self._due:
            await asyncio.sleep(_LATER_S)
            keys = [*self._due][:_AT_ONCE]
            for key in keys:
                del self._due[key]
            commands: list[RedisCommand] = [("LRANGE", key, 0, -1) for key in keys]
            with suppress(TimeoutError):
                async with asyncio.timeout(self._budget_s):
                    if await self.read_tracked(commands) is None:
                        self._due.clear()
