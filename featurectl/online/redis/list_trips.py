"""Trips by what is known of their lists: those that nobody has read lately come over connections of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import redis.asyncio

from featurectl.online.redis.receiving_connection import ReceivingConnection
from featurectl.online.redis.tracked_trip import is_list, is_poll, list_key, note_lists
from featurectl.online.redis.tracked_trips import TrackedTrips
from featurectl.online.redis.trips import RedisCommand

MANY: Final = 16  # new lists beside known ones for which a trip of their own pays


class ListTrips(TrackedTrips):
    """Trips of which lists that are new stay in the memory where they came in, where a loop can find them there."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        super().__init__(client, budget_s)
        self._receiving = [ReceivingConnection(client, budget_s) for _ in range(self._at_once)]

    async def exchange(self, questions: list[RedisCommand]) -> list[object]:
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        if self.is_refused or self._free() is None:
            return await super().exchange(questions)
        kept, keys = self.promises.kept, [list_key(command) for command in questions if is_list(command)]
        new = {key for key in keys if not kept.knows(key)}
        if MANY <= len(new) < len(keys):
            return await self._read_both(questions, new)
        if new and len(new) == len(keys) and (found := await self._read_new(questions)) is not None:
            return found
        return await super().exchange(questions)

    async def close_connections(self) -> None:
        """Close all connections."""
        for receiving in self._receiving:
            await receiving.close()
        await super().close_connections()

    def _free(self) -> ReceivingConnection | None:
        return next((receiving for receiving in self._receiving if receiving.is_free), None)

    async def _read_both(self, questions: Sequence[RedisCommand], new: Collection[bytes]) -> list[object]:
        """Return the answers of two trips: of polls and lists that are known, then of the others and what is behind."""
        is_first = [is_poll(each) or (is_list(each) and list_key(each) not in new) for each in questions]
        earlier = iter(await super().exchange([one for one, first in zip(questions, is_first, strict=True) if first]))
        others = [one for one, first in zip(questions, is_first, strict=True) if not first]
        found = await self._read_new(others)
        later = iter(await super().exchange(others) if found is None else found)
        return [next(earlier if first else later) for first in is_first]

    async def _read_new(self, questions: Sequence[RedisCommand]) -> list[object] | None:
        """Return the answers of a trip whose lists are new; None: it takes another connection."""
        receiving = self._free()
        found = None if receiving is None else await receiving.exchange(questions)
        if found is not None:
            note_lists(self.promises.kept, questions, found)
        return found
