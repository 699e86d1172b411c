"""Reads for one event loop: look-ups of all requests of a turn share a round trip, to one server or to each node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

import redis

from featurectl.online.base import Ask, Found
from featurectl.online.redis.answers import listed
from featurectl.online.redis.connect import (
    ReaderClosedError,
    StoreAddress,
    no_url,
    open_async_client,
    store_error,
    translated,
)
from featurectl.online.redis.shared import RedisTrips
from featurectl.online.redis.slots import Journey, Leg, NodeAddress, SlotMap, parse_cluster_url
from featurectl.online.redis.trips import RedisCommand, look_ups, of_entities, parted, whole


class AsyncRedisReader:
    """An `AsyncRowReader` at a URL. A call waits at most `budget_s` for its answer, connecting included."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        self._address = StoreAddress(url=url, shown=shown)
        self._budget_s = budget_s
        self._open(url)

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        commands = [command for ask in asks for command in look_ups(ask)]
        try:
            return parted(asks, of_entities(await self._exchange(commands)))
        except redis.RedisError as error:
            raise store_error(self._address, error) from error

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        if not names:
            return []
        with translated(self._address):
            [found] = whole(await self._exchange([("HMGET", f"{project}/{env}", *names)]))
            return listed(found, len(names))

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        await self._trips.close()

    def _open(self, url: str) -> None:
        self._trips = RedisTrips(open_async_client(url, self._address.shown, self._budget_s), self._budget_s)

    def _exchange(self, commands: list[RedisCommand]) -> Awaitable[Sequence[object]]:
        """Return the answers of some commands, errors among them; they travel with those of others."""
        return self._trips.send(commands)


class AsyncClusterReader(AsyncRedisReader):
    """The same for a Redis Cluster: trips to each node by itself, so that one that hangs holds up nobody else."""

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        self._closed = True
        await asyncio.gather(*(trips.close() for trips in self._nodes.values()))

    def _open(self, url: str) -> None:
        try:
            self._url = parse_cluster_url(url)
        except ValueError as error:
            raise no_url(self._address.shown) from error
        self._nodes: dict[NodeAddress, RedisTrips] = {}
        self._slots = SlotMap(self._url.seeds)
        self._learning = asyncio.Lock()
        self._closed = False
        self._node(self._url.seeds[0])  # whether its options are some

    async def _exchange(self, commands: list[RedisCommand]) -> Sequence[object]:
        journey, until_s = Journey(commands, self._slots), asyncio.get_running_loop().time() + self._budget_s
        for pause_s in journey.pauses_s():
            if asyncio.get_running_loop().time() + pause_s > until_s:
                break
            if pause_s:
                await asyncio.sleep(pause_s)
            await self._try(journey, until_s)
        if journey.left:
            raise journey.error
        return journey.answers

    async def _try(self, journey: Journey, until_s: float) -> None:
        """Send what is left to where it belongs by now, and let the journey settle what came back."""
        try:
            await self._learn(until_s)
            legs = journey.legs()
        except redis.exceptions.ClusterDownError as error:
            self._slots.stale = True
            journey.error = error
            return
        for leg, answers in zip(legs, await asyncio.gather(*(self._go(leg, until_s) for leg in legs)), strict=True):
            leg.settle(answers)

    async def _go(self, leg: Leg, until_s: float) -> Sequence[object] | Exception:
        try:
            return await self._node(leg.address).send(leg.commands, until_s)
        except redis.RedisError as error:
            return error

    async def _learn(self, until_s: float) -> None:
        """Ask for the map of slots when it is not known or was wrong; who comes meanwhile waits for the same answer."""
        if not self._slots.stale:
            return
        try:
            async with asyncio.timeout_at(until_s), self._learning:
                await self._ask_for_slots()
        except TimeoutError as error:
            raise redis.TimeoutError(f"no answer within {self._budget_s:g} s") from error

    async def _ask_for_slots(self) -> None:
        """Ask one node after the other; a node that hangs takes only a part of the time."""
        failure: redis.RedisError | None = None
        for address in self._slots.advisers() if self._slots.stale else []:
            until_s = asyncio.get_running_loop().time() + self._budget_s / 3
            try:
                [ranges] = whole(await self._node(address).send([("CLUSTER", "SLOTS")], until_s))
            except redis.AuthenticationError:
                raise
            except (redis.ConnectionError, redis.TimeoutError) as error:
                self._slots.suspect(address)
                failure = error
            else:
                self._slots.learn(ranges, address)
                return
        if failure is not None:
            raise failure

    def _node(self, address: NodeAddress) -> RedisTrips:
        if self._closed:
            raise ReaderClosedError
        if address not in self._nodes:
            client = open_async_client(self._url.node(address), self._address.shown, self._budget_s)
            self._nodes[address] = RedisTrips(client, self._budget_s)
        return self._nodes[address]
