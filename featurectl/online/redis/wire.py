"""Rows on their way into Redis: whole columns become the bytes of commands, sent while the next ones are made.

A command calls a script for 200 rows (`online/redis/scripts.py`): the keys of the entities, what the rows share, then
the rows. One thread makes commands; another sends them, reads and counts the replies. At most two chunks wait to be
sent and the replies of one are due, so memory is bounded however slow the server is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import redis

from featurectl.online.encode.cells import join_pieces, lengths_of, literal
from featurectl.online.encode.digits import digits
from featurectl.online.redis.answers import read_number
from featurectl.online.redis.checked import CheckedConnection
from featurectl.online.redis.claim import ScriptCall
from featurectl.online.redis.scripts import FOREIGN

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk  # which needs Polars

ROWS_A_CALL: Final = 200
_WAITING: Final = 2


@dataclass(frozen=True, slots=True)
class CommandBatch:
    """Commands as bytes, how many they are, and how many rows they write."""

    data: bytes
    commands: int
    rows: int


def batch_of(call: ScriptCall, chunk: PackedChunk) -> CommandBatch:
    """Return the calls that write a chunk; the script is loaded before them, as another client may have flushed it."""
    count = chunk.count
    begin, end = literal(b"$"), literal(b"\r\n")
    key_lengths = digits(chunk.keys.lengths + len(call.before) + len(call.after))
    opened, closed = literal(b"\r\n" + call.before), literal(call.after + b"\r\n")
    keys = join_pieces([begin, key_lengths, opened, chunk.keys, closed], count)
    rows = join_pieces([begin, digits(lengths_of(chunk.pieces, count)), end, *chunk.pieces, end], count)
    key_ends, row_ends = keys.ends.tolist(), rows.ends.tolist()
    key_bytes, row_bytes = keys.data.data, rows.data.data
    shared = b"".join(map(_bulk, [call.last_key, *call.arguments]))
    parts: list[bytes | memoryview] = [_command(3, [b"SCRIPT", b"LOAD", call.script.encode()])]
    starts = range(0, count, ROWS_A_CALL)
    for start in starts:
        stop = min(start + ROWS_A_CALL, count)
        number = stop - start
        named = [b"EVALSHA", call.sha.encode(), str(number + 1).encode()]
        parts.append(_command(4 + 2 * number + len(call.arguments), named))
        parts += [key_bytes[key_ends[start] : key_ends[stop]], shared, row_bytes[row_ends[start] : row_ends[stop]]]
    return CommandBatch(b"".join(parts), len(starts) + 1, count)


class Sender:
    """Sends rows on a connection of its own and adds up the numbers that are replied; use it in `with`.

    Raises:
        redis.RedisError: the connection fails, or a reply is an error: the first one, when later rows are given or at
            the end. What the server had received by then it has carried out. That of a key that is no hash is raised
            when all is written.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._connection = CheckedConnection(client.connection_pool)
        self._thread = ThreadPoolExecutor(1, "featurectl-sender")
        self._waiting: deque[Future[None]] = deque()
        self._due: deque[int] = deque()  # rows of what is sent, or being sent, and not yet replied to
        self.total = 0  # of the numbers replied
        self.rows = 0  # that the server has said to have looked at
        self._foreign: redis.ResponseError | None = None
        self._has_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._connection.release()

    def write(self, call: ScriptCall, chunk: PackedChunk) -> None:
        """Have a chunk sent as calls of the script; wait while too many are waiting."""
        batch = batch_of(call, chunk)
        self._waiting.append(self._thread.submit(self._exchange, batch))
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def finish(self) -> None:
        """Wait until everything is sent and replied to."""
        while self._waiting:
            self._waiting.popleft().result()
        self._thread.submit(self._read_replies, 0).result()
        if self._foreign is not None:
            raise self._foreign

    def _exchange(self, batch: CommandBatch) -> None:
        """Send a batch, then read the replies to the one before: the server always has something to do."""
        if self._has_failed:
            return
        try:
            self._due.append(batch.rows)
            self._connection.send(batch.data, batch.commands)
            self._read_replies(1)
        except BaseException:
            self._has_failed = True
            raise

    def _read_replies(self, leave: int) -> None:
        while len(self._due) > leave:
            script, *numbers = self._connection.read()
            for reply in (script, *numbers):
                if isinstance(reply, redis.ResponseError) and str(reply).startswith(FOREIGN):
                    self._foreign = self._foreign or reply
                elif isinstance(reply, Exception):
                    raise reply
                elif reply is not script:
                    self.total += read_number(reply)
            self.rows += self._due.popleft()


def _command(arguments: int, named: Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % arguments + b"".join(map(_bulk, named))


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)
