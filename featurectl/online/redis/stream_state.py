"""The state of streams in a Redis or Valkey server, for who writes it, reads it and cleans up."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Final

from featurectl.online.redis.answers import read_page, read_value
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.store import address_of
from featurectl.online.redis.stream_keys import mark_key, register_key
from featurectl.online.redis.stream_lists import RedisStateLists
from featurectl.online.redis.stream_masters import ONE_MASTER, Master, PinnedMasters
from featurectl.online.redis.stream_pinned import PinnedServer
from featurectl.online.redis.stream_reads import SingleReads, driven
from featurectl.online.redis.stream_register import (
    RedisGenerations,
    RedisStampRegister,
    layout_command,
    parsed,
    poll_command,
    read_layout,
    state_of,
)
from featurectl.online.redis.stream_scripts import MEET, STATE_OF_READERS
from featurectl.online.redis.stream_sweep import ListSweeper
from featurectl.online.redis.trips import COMMANDS_A_TRIP, RedisCommand
from featurectl.online.stream_state.base import (
    Generation,
    ListsAnswer,
    ListsAsk,
    RegisterState,
    StreamPoll,
    StreamSource,
)
from featurectl.online.stream_state.protocols import MicrosecondClock

SCAN_COUNT: Final = 1_000


class RedisStreamConnection:
    """A `StreamConnection`: one connection to each master, never opened again."""

    def __init__(self, masters: PinnedMasters, source: StreamSource) -> None:
        self._masters = masters
        self.register = RedisStampRegister(masters, source)
        self.generations = RedisGenerations(masters, source)
        self.lists = RedisStateLists(masters, source)
        key = register_key(source)
        try:
            made = masters.run_one(MEET, key, masters.masters[masters.owner(key)].server.run, secrets.token_hex(8))
            masters.made = parsed(masters.address, lambda reply: (read_value(reply) or b"").decode(), made)
        except BaseException:
            masters.close()
            raise

    def check(self) -> None:
        """Check that each master is what it was."""
        self._masters.check()

    def close(self) -> None:
        """Close the connections."""
        self._masters.close()


class RedisStreamState:
    """A `StreamState` at a `redis://` or `rediss://` URL."""

    heartbeat_s: ClassVar[float] = 0.01
    _commands_of: ClassVar[type[RedisCommands]] = RedisCommands

    def __init__(self, url: str, shown: str = "", clock: MicrosecondClock | None = None) -> None:
        self._address = address_of(url, shown)
        self._clock = clock
        self._commands = self._commands_of(self._address)
        self._reads = SingleReads(self._address)

    def connect(self, source: StreamSource) -> RedisStreamConnection:
        """Return connections of one worker, compactor or rebuild."""
        return RedisStreamConnection(self._connected(), source)

    def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask, in one trip: `asof` is read first."""
        return driven(self._reads.read(source, asks), self._send)

    def read_poll(self, source: StreamSource) -> StreamPoll:
        """Return what a reader has to know of the register, for the lists that it fetches afterwards."""
        return self._reads.take_poll(source, self._send([poll_command(source)]))

    def read_register(self, source: StreamSource) -> RegisterState:
        """Return what the register holds, but the stamps; nothing where nobody has written it."""
        [reply] = self._send([("EVAL", STATE_OF_READERS, 1, register_key(source))])
        return parsed(self._address, state_of, reply)

    def fetch(self, source: StreamSource, poll: StreamPoll, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:
        """Return the lists of each ask as of an earlier poll; none of a generation that is not live any more."""
        return driven(self._reads.fetch(source, poll, asks), self._send)

    def read_layout(self, source: StreamSource, generation: Generation) -> str:
        """Return the document of what the lists of a generation keep, "" of one that has none, or is not named."""
        [reply] = self._send([layout_command(source, generation)])
        return parsed(self._address, read_layout, reply)

    def walk_lists(self, source: StreamSource, generation: Generation) -> Iterator[Sequence[bytes]]:
        """Yield the entities that have a list of a generation by a scan, some at a time; one may come twice."""
        return self._sweeper(source).walk(generation)

    def drop_lists(
        self, source: StreamSource, generation: Generation, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        """Remove the lists of a generation that is neither read nor written, some at a time, until `is_ending`."""
        self._sweeper(source).drop(generation, is_ending)

    def forget(self, source: StreamSource) -> None:
        """Remove the register of a source whose generations were given up, and what says that its lists are whole."""
        self._sweeper(source).forget()

    def sweeping(self, source: StreamSource, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that the register does not name, a bounded piece a step."""
        return self._sweeper(source).sweeping(views)

    def close(self) -> None:
        """Close the connections."""
        self._commands.close()

    def _connected(self) -> PinnedMasters:
        server = PinnedServer(self._address)
        return PinnedMasters(self._address, [Master(server=server, tags=ONE_MASTER)], one_master, self._clock)

    def _mark_keys(self, source: StreamSource) -> list[bytes]:
        """Return the keys of what says that lists are whole."""
        return [mark_key(source, tag) for tag in ONE_MASTER]

    def _pages(self, pattern: str) -> Iterator[list[bytes]]:
        """Yield keys, about 1,000 at a time; one may come twice."""
        yield from scanned(self._commands.ask, self._address, pattern)

    def _send(self, commands: Sequence[RedisCommand]) -> list[object]:
        """Return the replies to some commands in their order, errors among them, some thousand a trip."""
        replies: list[object] = []
        with translated(self._address):
            for start in range(0, len(commands), COMMANDS_A_TRIP):
                replies += self._commands.exchange(commands[start : start + COMMANDS_A_TRIP])
        return replies

    def _sweeper(self, source: StreamSource) -> ListSweeper:
        return ListSweeper(source, self._address, (self._send, self._pages), self._mark_keys(source))


def scanned(ask: Callable[..., object], address: StoreAddress, pattern: str) -> Iterator[list[bytes]]:
    """Yield the keys of one server that match a pattern, about 1,000 at a time."""
    cursor = b"0"
    while True:
        reply = ask("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)
        with translated(address):
            cursor, keys = read_page(reply)
        yield keys
        if cursor == b"0":
            return


def one_master(_: bytes) -> int:
    """Return which master has a key, where there is one."""
    return 0
