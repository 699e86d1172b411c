"""A source with lists that are written, and a reader that is said which have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from featurectl.online.all_stores import open_async_stream_reader
from featurectl.online.stream_state.base import Generation, KnownStamps, ListAppend, ListsAsk, ReadingPosition
from featurectl.online.stream_state.protocols import AsyncStreamReader, StreamConnection
from tests.online.stream_state.test_lists import begin
from tests.servers.redis import RedisServer

T = TypeVar("T")
FIRST, LATER = Generation(view="spend@1", id="a1"), Generation(view="spend@1", id="b2")
KEYS = [b"i2:%02d" % number for number in range(20)]
ASKS = [ListsAsk(view="spend@1", entities=KEYS)]
RECORD = b"\x01" + b"." * 2_000


class Written:
    """A source with a list of each entity, to which events come."""

    def __init__(self, connection: StreamConnection) -> None:
        self.connection = connection
        self.offset = 0
        connection.register.add_partition("p")
        begin(connection, FIRST)
        self.append(KEYS)

    def append(self, keys: Sequence[bytes], of: Generation = FIRST) -> None:
        claim = self.connection.register.claim(0, self.offset, self.offset + 1, KnownStamps())
        assert claim is not None
        elements = [RECORD + b"%d" % self.offset] * len(keys)
        self.connection.lists.append([ListAppend(generation=of, entities=keys, elements=elements)])
        assert self.connection.lists.mark(0, self.offset, self.offset + 1, claim.generations)
        assert self.connection.register.finish(0, self.offset, self.offset + 1, [of])
        self.offset += 1

    def heartbeat(self) -> None:
        [partition] = self.connection.register.read_state().partitions
        position = ReadingPosition(partition=0, position=partition.done, at_end=True)
        assert self.connection.register.heartbeat([position]) == [True]


@asynccontextmanager
async def reading(url: str, budget_s: float = 10.0) -> AsyncIterator[AsyncStreamReader]:
    reader = open_async_stream_reader(url, url, budget_s)
    try:
        yield reader
    finally:
        await reader.close()


def run(url: str, steps: Callable[[AsyncStreamReader], Awaitable[T]]) -> T:
    """Return what steps come to that have a reader."""

    async def read() -> T:
        async with reading(url) as reader:
            return await steps(reader)

    return asyncio.run(read())


def connections_of(server: RedisServer) -> list[str]:
    """Return the connections on which changes are said."""
    with server.client() as client:
        return [each["id"] for each in client.client_list() if "t" in each["flags"]]
