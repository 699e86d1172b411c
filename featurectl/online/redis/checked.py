"""Requests over connections to Redis, each of which ends with ECHO of a random text.

A reply that nobody asked for, as of a proxy that sends a request twice, moves all later replies of its connection: each
would be taken for the answer to another question, for as long as the connection lives. So the replies of a request
count only where the last one is the text of its ECHO; else the connection is closed. Nothing else in the package sends
over a connection of the client, or reads from one.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import Any, Final

import redis
import redis.asyncio

from featurectl.online.redis.answers import parsing

SENT_AT_ONCE: Final = 1 << 18  # bytes; the client's time limit counts for each
_ECHO: Final = b"*2\r\n$4\r\nECHO\r\n$16\r\n%b\r\n"


class StrayReplyError(redis.ConnectionError):
    """A reply came that belongs to no request of its connection, so that none of its replies can be told."""


class CheckedConnection:
    """A connection of a pool: requests are sent in order, and read in that order; several may be on their way.

    Raises:
        redis.RedisError: the connection fails; it is closed then.
    """

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        try:
            with parsing():
                self._connection = _connected(pool)
        except redis.InvalidResponse:
            pool.disconnect(inuse_connections=False)  # it keeps a connection that is not logged in
            raise
        self._due: deque[tuple[int, bytes]] = deque()

    def send(self, commands: bytes, count: int) -> None:
        """Send a request of so many packed commands."""
        token = _token()
        self._due.append((count, token))
        data = memoryview(b"".join((commands, _ECHO % token)))
        parts = [data[start : start + SENT_AT_ONCE] for start in range(0, len(data), SENT_AT_ONCE)]
        with parsing():
            self._connection.send_packed_command(parts, check_health=False)

    def read(self) -> list[object]:
        """Return the replies to the commands of the oldest request that is due, errors among them.

        Raises:
            StrayReplyError: they are not the replies to it.
        """
        count, token = self._due[0]
        replies: list[object] = []
        try:
            with parsing():
                for _ in range(count + 1):
                    try:
                        replies.append(self._connection.read_response())
                    except redis.ResponseError as error:
                        replies.append(error)
            _check_echo(replies, token)
        except BaseException:  # Ctrl-C, too: who has the connection next must not read the replies that are left
            self.disconnect()
            raise
        self._due.popleft()
        return replies

    def exchange(self, commands: bytes, count: int, *, is_repeatable: bool = True) -> list[object]:
        """Return the replies to a request. Where the connection breaks it is opened and used once more.

        A request that is not repeatable is not sent again where it was carried out and its replies can't be told.
        """

        def begin_again(error: Exception) -> None:
            self.disconnect()
            if isinstance(error, StrayReplyError) and not is_repeatable:
                raise error

        def attempt() -> list[object]:
            self.send(commands, count)
            return self.read()

        replies: list[object] = self._connection.retry.call_with_retry(attempt, begin_again)
        return replies

    def has_reply(self, limit_s: float) -> bool:
        """Wait for the first byte of a reply, not longer than the limit, and return whether it is there."""
        return bool(self._connection.can_read(limit_s))

    def disconnect(self) -> None:
        """Close the connection; nothing is due any more."""
        self._due.clear()
        self._connection.disconnect()

    def release(self) -> None:
        """Give the connection back to its pool."""
        if self._due:
            self.disconnect()
        self._pool.release(self._connection)


async def exchange_async(pool: redis.asyncio.ConnectionPool, commands: bytes, count: int) -> list[object]:
    """Return the replies to a request of so many packed commands, which may be repeated, errors among them.

    Raises:
        redis.RedisError: the connection fails, and so does another one that is opened in its place.
    """
    connection: Any = None

    async def attempt() -> list[object]:
        token = _token()
        replies: list[object] = []
        with parsing():
            await connection.send_packed_command([b"".join((commands, _ECHO % token))], check_health=False)
            for _ in range(count + 1):
                try:
                    replies.append(await connection.read_response())
                except redis.ResponseError as error:
                    replies.append(error)
        _check_echo(replies, token)
        return replies

    try:
        with parsing():
            connection = await _connected_async(pool)
    except redis.InvalidResponse:
        await pool.disconnect(inuse_connections=False)
        raise
    try:
        found: list[object] = await connection.retry.call_with_retry(attempt, lambda _: connection.disconnect())
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)
    return found


def _connected(pool: redis.ConnectionPool) -> Any:
    """Return a connection without bytes: the pool opens one again that has some, and here another one is opened."""
    try:
        return pool.get_connection()
    except redis.ConnectionError as error:
        if not _is_unready(error):
            raise
    return pool.get_connection()


async def _connected_async(pool: redis.asyncio.ConnectionPool) -> Any:
    try:
        return await pool.get_connection()
    except redis.ConnectionError as error:
        if not _is_unready(error):
            raise
    return await pool.get_connection()


def _is_unready(error: redis.ConnectionError) -> bool:
    """Return whether a new connection has bytes at once: a message of the server, or a reply that nobody asked for."""
    return type(error) is redis.ConnectionError and "not ready" in str(error)


def _token() -> bytes:
    return secrets.token_hex(8).encode()


def _check_echo(replies: list[object], token: bytes) -> None:
    """Take the last reply off, and check that it is that of ECHO.

    Raises:
        StrayReplyError: it is not.
    """
    last = replies.pop()
    if last == token:
        return
    if isinstance(last, redis.ResponseError) and "echo" in str(last).lower():
        raise last
    what = str(last) if isinstance(last, Exception) else type(last).__name__  # it may be a row of somebody
    raise StrayReplyError(f"the last one is {what} in the place of its ECHO")
