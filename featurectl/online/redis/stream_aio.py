"""Lists for one event loop: what is asked for in a turn of the loop travels together, to one server or to each master.

Each is a reader of rows, too, over the same connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import redis

from featurectl.online.redis.aio import AsyncClusterReader, AsyncRedisReader
from featurectl.online.redis.connect import StoreAddress, store_error, translated
from featurectl.online.redis.slots import PAUSES_S, NodeAddress
from featurectl.online.redis.stream_cluster import STATE_SHA, cluster_plan, has_gone
from featurectl.online.redis.stream_fetch import FetchLeg, joined, portions
from featurectl.online.redis.stream_keys import register_key
from featurectl.online.redis.stream_pinned import GONE
from featurectl.online.redis.stream_reads import SingleReads
from featurectl.online.redis.stream_register import layout_command, parsed, poll_command, read_layout, state_of
from featurectl.online.redis.stream_scripts import STATE_OF_READERS
from featurectl.online.redis.trips import COMMANDS_A_TRIP
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    ListsAnswer,
    ListsAsk,
    StreamPoll,
    StreamSource,
    poll_of,
)

POLL_S: Final = 0.01  # for so long a poll is good enough


class AsyncRedisStreamReader(AsyncRedisReader):
    """An `AsyncStreamReader` at a `redis://` or `rediss://` URL."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        super().__init__(url, shown, budget_s)
        self._reads = SingleReads(StoreAddress(url=url, shown=shown))

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, in one trip: `asof` is read first."""
        steps = self._reads.read(source, asks)
        try:
            commands = next(steps)
            while True:
                commands = steps.send(await self._exchange(list(commands)))
        except StopIteration as ended:
            return list(ended.value)
        except redis.RedisError as error:
            raise store_error(self._address, error) from error

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register."""
        with translated(self._address):
            return self._reads.take_poll(source, await self._exchange([poll_command(source)]))

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""
        try:
            [reply] = await self._exchange([layout_command(source, generation)])
        except redis.RedisError as error:
            raise store_error(self._address, error) from error
        return parsed(self._address, read_layout, reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPoll:
    """A poll that was begun at an instant of the loop's clock."""

    begun_s: float
    task: asyncio.Task[StreamPoll]


class AsyncClusterStreamReader(AsyncClusterReader):
    """An `AsyncStreamReader` at a `redis+cluster://` or `rediss+cluster://` URL.

    The register is asked every 10 ms at most, and all who come meanwhile read as of that.
    """

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        super().__init__(url, shown, budget_s)
        self._polls: dict[StreamSource, TimedPoll] = {}

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, as of a poll that was made before; None of one whose master lost records."""
        until_s = asyncio.get_running_loop().time() + self._budget_s
        try:
            answers = await self._fetch(source, await self._polled(source), asks, until_s)
            if has_gone(answers):
                answers = await self._fetch(source, await self._polled(source, 0.0), asks, until_s)
        except redis.RedisError as error:
            raise store_error(self._address, error) from error
        return answers

    async def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, as of 10 ms ago at most."""
        with translated(self._address):
            return await self._polled(source)

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep."""
        try:
            [reply] = await self._exchange([layout_command(source, generation)])
        except redis.RedisError as error:
            raise store_error(self._address, error) from error
        return parsed(self._address, read_layout, reply)

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        await super().close()
        for poll in self._polls.values():
            poll.task.cancel()
        await asyncio.gather(*(poll.task for poll in self._polls.values()), return_exceptions=True)

    async def _polled(self, source: StreamSource, for_s: float = POLL_S) -> StreamPoll:
        loop = asyncio.get_running_loop()
        poll = self._polls.get(source)
        if poll is None or loop.time() - poll.begun_s > for_s:
            poll = self._polls[source] = TimedPoll(begun_s=loop.time(), task=loop.create_task(self._ask(source)))
        return await asyncio.shield(poll.task)

    async def _ask(self, source: StreamSource) -> StreamPoll:
        key = register_key(source)
        [reply] = await self._exchange([("EVALSHA", STATE_SHA, 1, key)])
        if isinstance(reply, redis.exceptions.NoScriptError):
            [reply] = await self._exchange([("EVAL", STATE_OF_READERS, 1, key)])
        return poll_of(parsed(self._address, state_of, reply))

    async def _fetch(
        self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk], until_s: float
    ) -> list[ListsAnswer]:
        """Return lists as of a poll, those of some thousand entities at a time."""
        some = portions(asks, COMMANDS_A_TRIP // 2)
        return joined([await self._fetched(source, poll, each, until_s) for each in some])

    async def _fetched(
        self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk], until_s: float
    ) -> list[ListsAnswer]:
        """Fetch lists; where masters changed all is asked anew, as marks are of the master that had the lists."""
        error: Exception = redis.TimeoutError("no answer")
        for pause_s in PAUSES_S:
            if asyncio.get_running_loop().time() + pause_s > until_s:
                break
            await asyncio.sleep(pause_s)
            try:
                await self._learn(until_s)
                plan = cluster_plan(source, poll, asks, self._slots)
                found = await asyncio.gather(*(self._read(node, leg, until_s) for node, leg in plan.legs.items()))
            except GONE as gone:
                error = gone
                self._slots.stale = True
            else:
                for leg, lists in zip(plan.legs.values(), found, strict=True):
                    plan.settle(leg, lists)
                return plan.answers()
        raise error

    async def _read(self, node: NodeAddress, leg: FetchLeg, until_s: float) -> list[list[EntityList | None]]:
        replies = await self._node(node).send(leg.commands(), until_s)
        for reply in replies:
            if isinstance(reply, GONE):
                raise reply
        return leg.read(self._address, replies)
