"""Rows on their way into Redis as plain HSETs, in transactions that are carried out only while a claim holds.

On a connection the server is asked to WATCH what all entities share, and whose the claim is; is it still this writer's,
some rows follow in MULTI and EXEC, with the same question for the next ones behind them. Any change of what is watched,
of another claim above all, makes that EXEC do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import filterfalse, repeat, starmap
from operator import eq
from typing import Any, Final

import hiredis
import redis

from featurectl.core.dataclass import dataclass
from featurectl.online.encode.cells import join_pieces, lengths_of, literal
from featurectl.online.encode.digits import digits
from featurectl.online.encode.rows import PackedChunk
from featurectl.online.redis.answers import parsing
from featurectl.online.redis.claim import Claim, ScriptCall
from featurectl.online.redis.counted_replies import read_added
from featurectl.online.redis.trips import RedisCommand, packed, read_answers
from featurectl.online.redis.wire import ROWS_A_CALL, SENT_AT_ONCE, CommandBatch

ROWS_A_TRANSACTION: Final = 500  # which keep a server from others for as long as two calls of the script
_MULTI: Final = packed([("MULTI",)])
_EXEC: Final = packed([("EXEC",)])
_QUESTIONS: Final = 3
_QUEUED: Final = b"QUEUED"
_REPLIES: Final = (bytes, str, int)


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """Commands as bytes, a plain HSET a row, how many they are, and the call of the script that can write the rows."""

    data: memoryview
    rows: int
    call: ScriptCall


def plain_batches(call: ScriptCall, chunk: PackedChunk) -> list[PlainBatch]:
    """Return the HSETs of a chunk, those of a transaction together."""
    count, field = chunk.count, call.arguments[0]
    key_lengths = digits(chunk.keys.lengths + len(call.before) + len(call.after))
    row_lengths = digits(lengths_of(chunk.pieces, count))
    begin, opened = literal(b"*4\r\n$4\r\nHSET\r\n$"), literal(b"\r\n" + call.before)
    closed, end = literal(b"%b\r\n$%d\r\n%b\r\n$" % (call.after, len(field), field)), literal(b"\r\n")
    joined = join_pieces([begin, key_lengths, opened, chunk.keys, closed, row_lengths, end, *chunk.pieces, end], count)
    data, ends = joined.data.data, joined.ends.tolist()
    bounds = [(at, min(at + ROWS_A_TRANSACTION, count)) for at in range(0, count, ROWS_A_TRANSACTION)]
    return [PlainBatch(data[ends[at] : ends[stop]], stop - at, call) for at, stop in bounds]


def scripted(batch: PlainBatch, chosen: Sequence[int] | None = None) -> CommandBatch:
    """Return the calls of the script that write the rows of a batch, or those at some places."""
    reader, call = hiredis.Reader(), batch.call
    reader.feed(bytes(batch.data))
    sets = [reader.gets() for _ in range(batch.rows)]
    sets = sets if chosen is None else [sets[at] for at in chosen]
    commands: list[RedisCommand] = [("SCRIPT", "LOAD", call.script)]
    for start in range(0, len(sets), ROWS_A_CALL):
        some = sets[start : start + ROWS_A_CALL]
        keys, rows = [one[1] for one in some], [one[3] for one in some]
        commands.append(("EVALSHA", call.sha, len(keys) + 1, *keys, call.last_key, *call.arguments, *rows))
    return CommandBatch(packed(commands), len(commands), len(sets))


def question(claim: Claim) -> bytes:
    """Return the commands that watch what all entities share and ask whose the claim is."""
    return packed([("UNWATCH",), ("WATCH", claim.home), ("HGET", claim.home, claim.writer)])


def transaction(batch: PlainBatch, behind: bytes = b"") -> bytes:
    """Return the commands of a batch as they are sent, and others behind them."""
    return b"".join((_MULTI, batch.data, _EXEC, behind))


class WatchedConnection:
    """A connection on which transactions are sent, one at a time; their replies are read before the next one.

    Raises:
        redis.RedisError: the connection fails.
    """

    def __init__(self, connection: redis.Connection, claim: Claim) -> None:
        self._connection = connection
        self._question = question(claim)
        self._token = claim.token
        self._is_asked = False
        self.due: PlainBatch | None = None  # sent, and not yet replied to

    @property
    def is_idle(self) -> bool:
        """Whether every reply has been read."""
        return self.due is None and not self._is_asked

    def is_allowed(self) -> bool:
        """Return whether the server lets this user watch and carry out transactions."""
        self._ask(packed([("MULTI",), ("EXEC",), ("UNWATCH",)]))
        return not any(isinstance(answer, Exception) for answer in self._answers())

    def is_claimed(self) -> bool:
        """Return whether the claim is still this writer's, watching what would change it."""
        if not self._is_asked:
            self._ask(self._question)
        *_, watched, owner = self._answers()
        return not isinstance(watched, Exception) and isinstance(owner, bytes) and owner.startswith(self._token)

    def send(self, batch: PlainBatch) -> None:
        """Send a transaction, and behind it the question whose the claim is for the next one."""
        self.due, self._is_asked = batch, True
        data = memoryview(transaction(batch, self._question))
        self._connection.send_packed_command(
            [data[start : start + SENT_AT_ONCE] for start in range(0, len(data), SENT_AT_ONCE)]
        )

    def added(self, batch: PlainBatch) -> int | None:
        """Return how many rows a transaction that is due has added, where it was carried out and none was refused.

        None: another thing was replied, which `replies` says.
        """
        added = read_added(self._connection, batch.rows)
        if added is not None:
            self.due = None
        return added

    def replies(self, batch: PlainBatch) -> list[Any] | None:
        """Return what each HSET of the transaction that is due replied, None where it was not carried out."""
        _skip_replies(self._connection, batch.rows + 1)
        [answer] = read_answers(self._connection, 1)
        self.due = None
        return answer if isinstance(answer, list) and len(answer) == batch.rows else None

    def rest(self) -> None:
        """Read what is asked: the answer would be of too long ago when the next transaction is sent."""
        if self._is_asked:
            self._answers()

    def unwatch(self) -> None:
        """Watch nothing any more, as whoever has the connection next expects."""
        self._ask(packed([("UNWATCH",)]))
        self._answers(1)

    def release(self, pool: redis.ConnectionPool) -> None:
        """Give the connection back; whoever has it next must not read replies that are due."""
        if not self.is_idle:
            self._connection.disconnect()
        pool.release(self._connection)

    def _ask(self, commands: bytes) -> None:
        self._is_asked = True
        self._connection.send_packed_command([commands])

    def _answers(self, count: int = _QUESTIONS) -> list[object]:
        answers = read_answers(self._connection, count)
        self._is_asked = False
        return answers


def _skip_replies(connection: redis.Connection, count: int) -> None:
    """Read so many replies that say nothing: of commands that are queued, or why one is not, which EXEC says, too.

    Those that have come are taken from the parser of the client, which has a way of 0.7 us a reply of its own.
    """
    parser: Any = getattr(connection, "_parser", None)
    reader = getattr(parser, "_reader", None)
    next_reply: Callable[[], object] = reader.gets if isinstance(reader, hiredis.Reader) else lambda: None
    with parsing():
        for reply in filterfalse(partial(eq, _QUEUED), starmap(next_reply, repeat((), count))):
            if type(reply) not in _REPLIES and not isinstance(reply, Exception):  # none has come whole
                with suppress(redis.ResponseError):
                    connection.read_response()
