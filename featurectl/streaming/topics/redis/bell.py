"""Waits for entries in one blocking XREAD, which goes on between two calls.

A server that has nothing else to do ends a BLOCK of 10 ms after up to 100: it looks ten times a second. So the command
blocks for seconds, on a connection of its own, and a call waits at the socket as long as it wants to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import redis

from featurectl.online.redis.checked import CheckedConnection
from featurectl.online.redis.trips import packed, whole

_BLOCK_MS: Final = 2_000
StreamsAwaited = Sequence[tuple[bytes, bytes]]  # keys of streams, each with the id behind which an entry is awaited


class StreamBell:
    """Rings when one of some streams gets an entry; of one thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: CheckedConnection | None = None
        self._asked: StreamsAwaited | None = None  # what the command that is on its way waits for

    def wait(self, places: StreamsAwaited, limit_s: float) -> object:
        """Return what XREAD answers, None where it does not within the limit.

        Raises:
            redis.RedisError: the server does not answer, or refuses; the next call asks anew.
        """
        if self._asked is not None and self._asked != places:
            self.close()  # a command that waits can't be changed
        try:
            return self._wait(places, limit_s)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        connection, self._connection, self._asked = self._connection, None, None
        if connection is not None:
            connection.release()

    def _wait(self, places: StreamsAwaited, limit_s: float) -> object:
        if self._connection is None:
            self._connection = CheckedConnection(self._pool)
        if self._asked is None:
            keys, after = zip(*places, strict=True)
            words = ("XREAD", "COUNT", 1, "BLOCK", _BLOCK_MS, "STREAMS", *keys, *after)
            self._connection.send(packed([words]), 1)
            self._asked = places
        if not self._connection.has_reply(limit_s):
            return None
        [answer] = whole(self._connection.read())
        self._asked = None
        return answer
