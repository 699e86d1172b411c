"""A connection to one server that is never opened again: whoever writes over it hears of every loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import redis
from redis import exceptions

from featurectl.core.errors import StoreError
from featurectl.online.redis.answers import read_value
from featurectl.online.redis.checked import SENT_AT_ONCE, CheckedConnection
from featurectl.online.redis.connect import StoreAddress, open_client, store_error
from featurectl.online.redis.trips import RedisCommand, packed
from featurectl.online.stream_state.base import ConnectionLostError

# What a server says that is not, or does not know whether it is, the one of before any more.
GONE: Final = (
    exceptions.AskError,  # MOVED, too
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
    redis.ConnectionError,  # LOADING
)
_BEGIN_ANEW: Final = "what was begun on it begins anew"


@dataclass(frozen=True, slots=True)
class CommandChunk:
    """Commands as bytes that are sent at once, and how many they are."""

    data: bytes
    commands: int


def chunk_of(commands: Sequence[bytes]) -> CommandChunk:
    """Return packed commands as a chunk."""
    return CommandChunk(b"".join(commands), len(commands))


def chunks_of(commands: Sequence[bytes]) -> list[CommandChunk]:
    """Return packed commands in chunks, each of which is sent before the replies to the one before are read."""
    if not commands:
        return []
    count = max(1, len(commands) * SENT_AT_ONCE // sum(map(len, commands)))
    return [chunk_of(commands[at : at + count]) for at in range(0, len(commands), count)]


class PinnedServer:
    """A connection of its own to a server, or a master, that is a primary and lets nothing go when it is full.

    `run` tells the server from one that was started anew in its place.

    Raises:
        StoreError: it can't be reached, is a replica, or is configured to let keys go.
    """

    def __init__(self, address: StoreAddress, *, is_cluster: bool = False) -> None:
        self._address = address
        self._is_cluster = is_cluster
        self._client = open_client(address.url, address.shown, retries=0)
        self._lost: StoreError | None = None
        try:
            self._connection = CheckedConnection(self._client.connection_pool)
        except redis.RedisError as error:
            raise store_error(address, error) from error
        try:
            self.run = self._checked_run()
        except BaseException:
            self.close()
            raise

    def send(self, chunk: CommandChunk) -> None:
        """Send some commands."""
        if self._lost is not None:
            raise ConnectionLostError(self._lost.message, code=self._lost.code, hint=self._lost.hint)
        try:
            self._connection.send(chunk.data, chunk.commands)
        except redis.RedisError as error:
            raise self.lose(error) from error

    def read(self) -> list[object]:
        """Return the replies to the oldest chunk that is due, errors among them."""
        try:
            replies = self._connection.read()
        except redis.RedisError as error:
            raise self.lose(error) from error
        gone = next((reply for reply in replies if isinstance(reply, GONE)), None)
        if gone is not None:
            raise self.lose(gone) from gone
        return replies

    def lose(self, error: Exception) -> ConnectionLostError:
        """Use the connection no more; return the error that says so."""
        if self._lost is None:
            found = store_error(self._address, error)
            message = f"the connection to the online store {self._address.shown} is not what it was: {found.message}"
            self._lost = StoreError(f"{message}; {_BEGIN_ANEW}", code=found.code, hint=found.hint)
            self._connection.disconnect()
        return ConnectionLostError(self._lost.message, code=self._lost.code, hint=self._lost.hint)

    def close(self) -> None:
        """Close the connection."""
        self._lost = self._lost or StoreError(f"the connection to {self._address.shown} was closed", code="FC602")
        self._connection.disconnect()
        self._connection.release()
        self._client.close()

    def _checked_run(self) -> str:
        """Return which run of which server this is."""
        self.send(CommandChunk(packed([("INFO",)]), 1))
        [reply] = self.read()
        if isinstance(reply, Exception):
            raise store_error(self._address, reply) from reply
        try:
            text = reply if isinstance(reply, str) else (read_value(reply) or b"").decode(errors="replace")
        except redis.InvalidResponse as error:
            raise store_error(self._address, error) from error
        said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        shown = self._address.shown
        if said.get("role") == "slave":
            raise StoreError(
                f"the online store {shown} is a replica",
                code="FC602",
                hint="`online:` must be the address of the primary",
            )
        if said.get("cluster_enabled") == "1" and not self._is_cluster:
            raise store_error(self._address, exceptions.MovedError("0 :0"))
        policy = said.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise StoreError(
                f"the online store {shown} lets keys go when it is full: maxmemory-policy is {policy}",
                code="FC602",
                hint="the state of streams can't be read with a part of it gone: set maxmemory-policy to noeviction",
            )
        return f"{said.get('run_id', '')}:{said.get('master_replid', '')}"


def send_all(servers: Sequence[PinnedServer], rounds: Iterable[Sequence[CommandChunk]]) -> list[list[object]]:
    """Return what each server replies: a round has a chunk for each, and is made while the one before is worked off.

    Raises:
        ConnectionLostError: of any of them; none is used any more then, as replies of the others may be due.
    """
    replies: list[list[object]] = [[] for _ in servers]
    due = [False] * len(servers)
    try:
        for chunks in rounds:
            for server, chunk in zip(servers, chunks, strict=True):
                if chunk.commands:
                    server.send(chunk)
            _read_due(servers, due, replies)
            due = [chunk.commands > 0 for chunk in chunks]
        _read_due(servers, due, replies)
    except BaseException as error:
        for server in servers:
            server.lose(error if isinstance(error, Exception) else redis.ConnectionError("it was interrupted"))
        raise
    return replies


def _read_due(servers: Sequence[PinnedServer], due: Sequence[bool], replies: Sequence[list[object]]) -> None:
    for server, is_due, found in zip(servers, due, replies, strict=True):
        if is_due:
            found.extend(server.read())


def script_call(sha: bytes, key: bytes, arguments: Sequence[bytes | str | int]) -> RedisCommand:
    """Return the call of a script that looks at one key."""
    return (b"EVALSHA", sha, 1, key, *arguments)
