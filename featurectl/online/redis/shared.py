"""Round trips to a Redis that all callers of one event loop share."""

from __future__ import annotations

from collections.abc import Sequence

import redis
import redis.asyncio

from featurectl.online.redis.answers import parsing
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
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        pool = self._client.connection_pool
        with parsing():
            connection = await pool.get_connection()
        try:
            answers: list[object] = await connection.retry.call_with_retry(
                lambda: _exchange(connection, questions), lambda _: connection.disconnect()
            )
            return answers
        finally:
            await pool.release(connection)


async def _exchange(connection: redis.asyncio.Connection, commands: list[RedisCommand]) -> list[object]:
    await connection.send_packed_command([packed(commands)])
    answers: list[object] = []
    with parsing():
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except redis.ResponseError as error:
                answers.append(error)
    return answers
