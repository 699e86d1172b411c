"""Many rows on their way into Redis as plain HSETs: connections take turns, so that the server always has something.

What is not carried out is written by the script, which looks at the claim itself: rows are right whatever happens. What
HSETs add can't be counted in the same step. The writer leaves a mark therefore, and counts at its end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final

import redis

from featurectl.online.encode.rows import PackedChunk
from featurectl.online.redis.answers import parsing, read_number
from featurectl.online.redis.claim import Claim, ScriptCall
from featurectl.online.redis.scripts import MARK_UNCOUNTED
from featurectl.online.redis.transactions import PlainBatch, WatchedConnection, plain_batches, scripted
from featurectl.online.redis.trips import exchange, whole
from featurectl.online.redis.wire import Sender

MANY_ROWS: Final = 10_000  # of a chunk; for fewer the script takes less than what opening connections does
_CONNECTIONS: Final = 2
_MOST_CONNECTIONS: Final = 12
_TRANSACTION_S: Final = 0.0006  # about what the server works for one
_LONGEST_REST: Final = 64  # transactions


class PlainSender(Sender):
    """A `Sender` of rows that need not be compared as long as a claim holds."""

    def __init__(self, client: redis.Redis, claim: Claim) -> None:
        super().__init__(client)
        self._client, self._claim = client, claim
        self._connections: list[WatchedConnection] = []
        self._may_open = self._is_plain = True
        self._turn = 0
        self._in_vain = 0  # transactions in a row
        self._pause = 0  # transactions that are not tried after those

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, redis.RedisError):
            with suppress(redis.RedisError):  # none of the server: what is on its way is known to be added, or not
                self._thread.submit(self._drain).result()
        self._thread.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.release(self._pool)
        super().__exit__(kind, error, trace)

    @property
    def is_settled(self) -> bool:
        """Whether every reply has been read, so that it is known what was added."""
        return not self._due and all(connection.is_idle for connection in self._connections)

    def write(self, call: ScriptCall, chunk: PackedChunk) -> None:
        """Have a chunk sent as plain HSETs, where it is worth it and the claim holds; else as calls of the script."""
        if self._may_open and chunk.count >= MANY_ROWS:
            self._may_open = False
            self._connections = self._open()
        if not self._connections or not self._is_plain:
            super().write(call, chunk)
            return
        batches = plain_batches(call, chunk)
        self._submit(lambda: self._send(batches))

    def _open(self) -> list[WatchedConnection]:
        """Return connections, where the server lets this user watch keys, no limit is reached and the claim holds.

        Raises:
            redis.TimeoutError: the server hangs. Any other error is left to the script, which may do without.
        """
        opened: list[WatchedConnection] = []
        try:
            if self._open_allowed(opened):
                self.leaves_mark = self._mark()
        except redis.TimeoutError:
            raise
        except redis.RedisError:
            self.leaves_mark = False
        finally:
            if not self.leaves_mark:
                for connection in opened:
                    connection.release(self._pool)
        return opened if self.leaves_mark else []

    def _open_allowed(self, opened: list[WatchedConnection]) -> bool:
        """Open connections, more than two to a server that is far away; return whether the server lets them watch."""
        nearest_s, wanted = math.inf, _CONNECTIONS
        while len(opened) < wanted:
            with parsing():
                opened.append(WatchedConnection(self._pool.get_connection(), self._claim))
            begin = time.perf_counter()
            if not opened[-1].is_allowed():
                return False
            nearest_s = min(nearest_s, time.perf_counter() - begin)
            if len(opened) == _CONNECTIONS:
                wanted = min(_CONNECTIONS + int(nearest_s / _TRANSACTION_S), _MOST_CONNECTIONS)
        return True

    def _mark(self) -> bool:
        """Mark that this writer has yet to count, and return whether its claim holds."""
        claim = self._claim
        names = (claim.writer, claim.counter, claim.mark, claim.token)
        return read_number(whole(exchange(self._client, [("EVAL", MARK_UNCOUNTED, 1, claim.home, *names)]))[0]) == 1

    def _send(self, batches: Sequence[PlainBatch]) -> None:
        for batch in batches:
            self._send_batch(batch)

    def _send_batch(self, batch: PlainBatch) -> None:
        """Send a batch as a transaction, or by the script where the claim is lost or others were in vain."""
        if self._is_plain and not self._pause:
            connection = self._connections[self._turn]
            self._turn = (self._turn + 1) % len(self._connections)
            if self._read_outcome(connection):
                self._read_replies(0)  # what the script counts changes what is watched
                if connection.is_claimed():
                    connection.send(batch)
                    return
                self._is_plain = False
        for connection in self._connections:
            self._read_outcome(connection)
            connection.rest()
        self._pause = max(self._pause - 1, 0)
        self._exchange(scripted(batch))

    def _read_outcome(self, connection: WatchedConnection) -> bool:
        """Add up what a transaction replied, and return whether it was carried out; else its rows go to the script."""
        batch = connection.due
        if batch is None:
            return True
        added = connection.added(batch)
        if added is not None:
            self._count(added, batch.rows)
            return True
        replies = connection.replies(batch)
        if replies is None:
            self._in_vain += 1
            self._pause = min(1 << self._in_vain, _LONGEST_REST)
            self._exchange(scripted(batch))
            return False
        refused = [at for at, reply in enumerate(replies) if isinstance(reply, Exception)]
        numbers = [read_number(reply) for reply in replies if not isinstance(reply, Exception)]
        self._count(sum(numbers), len(numbers))
        if refused:  # a key that is no hash: the script knows what then
            self._exchange(scripted(batch, refused))
        return True

    def _count(self, added: int, rows: int) -> None:
        """Count the rows of a transaction that was carried out."""
        self._in_vain = 0
        self.uncounted += added
        self.total += added
        self.rows += rows

    def _drain(self) -> None:
        for connection in self._connections:
            self._read_outcome(connection)
            connection.rest()
            connection.unwatch()
        super()._drain()
