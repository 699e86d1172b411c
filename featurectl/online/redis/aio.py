"""Reads for one event loop: look-ups of all requests of a turn share a round trip."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Final, cast

import redis
import redis.asyncio

from featurectl.online.base import Ask, Found
from featurectl.online.redis.connect import open_async_client, translated
from featurectl.online.redis.trips import Command, look_ups, packed, parted

_TRIPS: Final = 4  # under way at once; what comes meanwhile shares the next one
_COMMANDS: Final = 5_000  # in a trip


class AsyncRedisReader:
    """An `AsyncRowReader` at a URL. A command waits at most `budget_s` for its answer, connecting included."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        self._where = shown
        self._budget_s = budget_s
        self._client = open_async_client(url, shown, budget_s)
        self._waiting: list[tuple[list[Command], asyncio.Future[list[object]]]] = []
        self._trips: set[asyncio.Task[None]] = set()
        self._called = False

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        commands = [command for ask in asks for command in look_ups(ask)]
        return parted(asks, cast("list[Found]", await self._send(commands)))

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        [found] = await self._send([("HMGET", f"{project}/{env}", *names)])
        return cast("list[bytes | None]", found)

    async def close(self) -> None:
        """Close the connections."""
        for task in list(self._trips):
            task.cancel()
        await self._client.aclose()

    async def _send(self, commands: list[Command]) -> list[object]:
        """Return the answers of some commands; they travel with those of others."""
        if not commands:
            return []
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[object]] = loop.create_future()
        self._waiting.append((commands, future))
        if not self._called:
            self._called = True
            loop.call_soon(self._depart)
        limit = loop.call_later(self._budget_s, self._give_up, future)
        try:
            return await future
        except (redis.RedisError, OSError):
            with translated(self._where):
                raise
        finally:
            limit.cancel()

    def _give_up(self, future: asyncio.Future[list[object]]) -> None:
        if not future.done():
            future.set_exception(redis.TimeoutError(f"no answer within {self._budget_s:g} s"))

    def _depart(self) -> None:
        """Start a trip with all that waits, unless enough are under way: each starts the next when it comes back."""
        self._called = False
        if not self._waiting or len(self._trips) >= _TRIPS:
            return
        taken, size = 0, 0
        while taken < len(self._waiting) and (taken == 0 or size + len(self._waiting[taken][0]) <= _COMMANDS):
            size += len(self._waiting[taken][0])
            taken += 1
        load, self._waiting = self._waiting[:taken], self._waiting[taken:]
        task = asyncio.get_running_loop().create_task(self._trip(load))
        self._trips.add(task)
        task.add_done_callback(self._returned)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._trips.discard(task)
        self._depart()

    async def _trip(self, load: list[tuple[list[Command], asyncio.Future[list[object]]]]) -> None:
        load = [(commands, future) for commands, future in load if not future.done()]
        if not load:
            return
        try:
            answers = await self._exchange([command for commands, _ in load for command in commands])
        except (redis.RedisError, OSError) as error:
            for _, future in load:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for commands, future in load:
            mine = answers[start : start + len(commands)]
            start += len(commands)
            if not future.done():
                _settle(future, mine)

    async def _exchange(self, commands: list[Command]) -> list[object]:
        """Return the answers of a trip, errors among them; a connection that broke while idle is opened once more."""
        pool = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            answers: list[object] = await connection.retry.call_with_retry(
                lambda: _exchange(connection, commands, self._budget_s), lambda _: connection.disconnect()
            )
            return answers
        finally:
            await pool.release(connection)


async def _exchange(connection: redis.asyncio.Connection, commands: list[Command], budget_s: float) -> list[object]:
    """Return the answers to some commands; all of them together have the time that the client gives to each."""
    await connection.send_packed_command([packed(commands)])
    answers: list[object] = []
    try:
        async with asyncio.timeout(budget_s):
            for _ in commands:
                try:
                    answers.append(await connection.read_response(timeout=math.inf))
                except redis.ResponseError as error:
                    answers.append(error)
    except TimeoutError as error:
        raise redis.TimeoutError(f"no answer within {budget_s:g} s") from error
    return answers


def _settle(future: asyncio.Future[list[object]], answers: list[object]) -> None:
    error = next((answer for answer in answers if isinstance(answer, Exception)), None)
    if error is None:
        future.set_result(answers)
    else:
        future.set_exception(error)
