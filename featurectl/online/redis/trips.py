"""Many look-ups in one round trip: the commands of all are sent at once, then the answers are read in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

import redis

from featurectl.online.base import Ask, Found

Command = tuple[bytes | str, ...]


def look_ups(ask: Ask) -> Iterator[Command]:
    """Yield the command that reads the rows under each key of an ask."""
    prefix, fields = f"{ask.project}/{ask.env}:{{".encode(), tuple(field.encode() for field in ask.fields)
    for key in ask.keys:
        yield (b"HMGET", prefix + key + b"}", *fields)


def parted(asks: Sequence[Ask], replies: Sequence[Found]) -> list[list[Found]]:
    """Return the answers of several asks, each ask's by itself."""
    rest = iter(replies)
    return [list(islice(rest, len(ask.keys))) for ask in asks]


def send_all(client: redis.Redis, commands: Sequence[Command]) -> list[Found]:
    """Return the answers of some commands, sent together; the first error among the answers is raised.

    The connection is the client's own and goes back to its pool: with its TLS, its name and password, its time limits.
    A connection that has broken while it was idle is opened anew, once.
    """
    if not commands:
        return []
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        return connection.retry.call_with_retry(
            lambda: _exchange(connection, commands), lambda _: connection.disconnect()
        )
    except redis.RedisError:
        raise
    except BaseException:  # Ctrl-C between two answers: the others must not be taken for those of the next commands
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _exchange(connection: redis.Connection, commands: Sequence[Command]) -> list[Found]:
    connection.send_packed_command([b"".join(part for c in commands for part in connection.pack_command(*c))])
    replies = []
    error: redis.ResponseError | None = None
    for _ in commands:
        try:
            replies.append(cast("Found", connection.read_response()))
        except redis.ResponseError as found:
            error = error or found
    if error is not None:
        raise error
    return replies
