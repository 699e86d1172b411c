"""Round trips to a Redis that all callers of one event loop share."""

from __future__ import annotations

from collections.abc import Sequence

import redis
import redis.asyncio

from featurectl.online.redis.checked import exchange_async
from featurectl.online.redis.connect import ReaderClosedError
from featurectl.online.redis.trips import RedisCommand, packed
from featurectl.online.shared_trips import SharedTrips


class RedisTrips(SharedTrips[RedisCommand, object]):
    """Sends commands of many callers to one server; their answers may be errors."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        super().__init__(budget_s)
        self._client = client

    def late(self) -> redis.TimeoutError:
        """Return the error of who has waited for so long."""
        return redis.TimeoutError(f"no answer within {self._budget_s:g} s")

    def closed(self) -> ReaderClosedError:
        """Return the error of who waits when this is closed, or asks afterwards."""
        return ReaderClosedError()

    async def close_connections(self) -> None:
        """Close the client's connections."""
        await self._client.aclose()

    async def exchange(self, questions: list[RedisCommand]) -> Sequence[object]:
        """Return the answers of a trip; a connection that breaks is opened once more."""
        return await exchange_async(self._client.connection_pool, packed(questions), len(questions))
