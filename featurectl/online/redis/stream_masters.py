"""The pinned connections of one worker, compactor or rebuild: one to each master; a single server is one master."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import redis

from featurectl.core.errors import StoreError
from featurectl.online.redis.answers import is_no_hash
from featurectl.online.redis.connect import StoreAddress, store_error
from featurectl.online.redis.stream_pinned import CommandChunk, PinnedServer, chunks_of, script_call, send_all
from featurectl.online.redis.trips import RedisCommand, packed
from featurectl.online.stream_state.protocols import MicrosecondClock

ONE_MASTER: Final = (b"0",)  # its tags

_EMPTIED: Final = "EMPTIED"  # what scripts answer of a register that is another one

ScriptRun = tuple[bytes, Sequence[bytes | str | int]]  # the key and the arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """A master of a Cluster, or the one server; each of `tags` lies in one of its slots, and a mark by each."""

    server: PinnedServer
    tags: Sequence[bytes]

    @property
    def name(self) -> str:
        """What heads that were seeded are counted by."""
        return self.tags[0].decode()


class PinnedMasters:
    """Connections to all masters, and which of them has a key.

    `is_cluster`: masters are lost one by one. `clock` is a test's.
    """

    def __init__(
        self,
        address: StoreAddress,
        masters: Sequence[Master],
        owner: Callable[[bytes], int],
        clock: MicrosecondClock | None,
    ) -> None:
        self.address = address
        self.masters = masters
        self.owner = owner
        self.clock = clock
        self.is_cluster = masters[0].tags != ONE_MASTER
        self._shas: dict[str, bytes] = {}
        self.made = ""  # by what the register was made that was met

    def now(self) -> str:
        """Return what tells a script the time: a test's clock, else nothing, for the server's."""
        return "" if self.clock is None else str(self.clock())

    def ask(self, key: bytes, *command: bytes | str | int) -> object:
        """Return the reply to one command about a key."""
        return self.whole(self.exchange([(self.owner(key), packed([command]))]))[0]

    def exchange(self, commands: Sequence[tuple[int, bytes]]) -> list[object]:
        """Return the replies to some packed commands, each to the master at a place; errors are among them.

        Raises:
            ConnectionLostError: a master is not what it was.
        """
        each: list[list[bytes]] = [[] for _ in self.masters]
        for master, command in commands:
            each[master].append(command)
        replies = [iter(of) for of in self.exchange_each(each)]
        return [next(replies[master]) for master, _ in commands]

    def exchange_each(self, commands: Sequence[Sequence[bytes]]) -> list[list[object]]:
        """Return the replies to the packed commands of each master, errors among them.

        Raises:
            ConnectionLostError: a master is not what it was.
        """
        return self.exchange_rounds(zip_longest(*map(chunks_of, commands), fillvalue=CommandChunk(b"", 0)))

    def exchange_rounds(self, rounds: Iterable[Sequence[CommandChunk]]) -> list[list[object]]:
        """Return the replies of each master to its chunks, of which a round has one each; errors are among them.

        Raises:
            ConnectionLostError: a master is not what it was.
        """
        return send_all([master.server for master in self.masters], rounds)

    def run(self, script: str, calls: Sequence[ScriptRun]) -> list[object]:
        """Return what a script answers to each call; a server that does not know it gets its text, and is called again.

        Raises:
            StoreError: a call is an error; that of a key of another type names it.
        """
        return self.about([key for key, _ in calls], self._known(script, calls))

    def _known(self, script: str, calls: Sequence[ScriptRun]) -> list[object]:
        replies = self._call(script, calls)
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, redis.exceptions.NoScriptError)]
        if unknown:
            load = packed([("SCRIPT", "LOAD", script)])
            masters = {self.owner(calls[at][0]) for at in unknown}
            self.whole(self.exchange([(master, load) for master in masters]))
            for at, reply in zip(unknown, self._call(script, [calls[at] for at in unknown]), strict=True):
                replies[at] = reply
        return replies

    def run_one(self, script: str, key: bytes, *arguments: bytes | str | int) -> object:
        """Return what a script answers."""
        return self.run(script, [(key, arguments)])[0]

    def run_pinned(self, script: str, key: bytes, *arguments: bytes | str | int) -> object:
        """Return what a script answers of the register that was met.

        Raises:
            ConnectionLostError: it was emptied since: whoever goes on would take the partitions of now for others.
        """
        [reply] = self._known(script, [(key, (self.made, *arguments))])
        if isinstance(reply, redis.ResponseError) and str(reply).startswith(_EMPTIED):
            for master in self.masters:
                lost = master.server.lose(reply)
            raise lost from reply
        return self.about([key], [reply])[0]

    def about(self, keys: Sequence[bytes], replies: Sequence[object]) -> list[object]:
        """Return replies about some keys; the first error among them is raised.

        Raises:
            StoreError: another program has made one of the keys another type, or the server refuses.
        """
        for key, reply in zip(keys, replies, strict=True):
            if isinstance(reply, Exception):
                raise foreign_key(self.address, key) if is_foreign(reply) else store_error(self.address, reply)
        return [*replies]

    def whole(self, replies: Sequence[object]) -> list[object]:
        """Return some replies; the first error among them is raised."""
        for reply in replies:
            if isinstance(reply, Exception):
                raise store_error(self.address, reply)
        return [*replies]

    def check(self) -> None:
        """Check that each master is what it was.

        Raises:
            ConnectionLostError: one is not.
        """
        ping = packed([("PING",)])
        self.whole(self.exchange([(at, ping) for at in range(len(self.masters))]))

    def close(self) -> None:
        """Close the connections."""
        for master in self.masters:
            master.server.close()

    def _call(self, script: str, calls: Sequence[ScriptRun]) -> list[object]:
        if script not in self._shas:
            self._shas[script] = sha_of(script)
        sha = self._shas[script]
        return self.exchange([(self.owner(key), packed([script_call(sha, key, rest)])) for key, rest in calls])


def sha_of(script: str) -> bytes:
    """Return the name by which servers know a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest().encode()


def is_foreign(reply: object) -> bool:
    """Return whether a reply says that a key is of another type, of a command or of a script."""
    return is_no_hash(reply) or (isinstance(reply, redis.ResponseError) and "WRONGTYPE" in str(reply))


def foreign_key(address: StoreAddress, key: bytes) -> StoreError:
    """Return the error of a key that is of another type than ours."""
    return StoreError(
        f"another program has made the key {key.decode(errors='replace')!r} of the online store {address.shown} "
        "another type",
        code="FC602",
        hint="delete that key, then run `featurectl stream rebuild`",
    )


def commands_packed(commands: Sequence[RedisCommand]) -> list[bytes]:
    """Return each of some commands as bytes."""
    return [packed([command]) for command in commands]
