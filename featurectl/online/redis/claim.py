"""The right to write a view version's rows without looking at those that are there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import redis

from featurectl.core.dataclass import dataclass
from featurectl.online.base import OnlineView, Writing
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import INSTANT_BYTES, pack_bound, pack_instant
from featurectl.online.redis.answers import read_number
from featurectl.online.redis.keys import home_of, mark_name, prefix_of
from featurectl.online.redis.scripts import CLAIM, WRITE_NEWER
from featurectl.online.redis.trips import RedisCommand, exchange, whole
from featurectl.online.row_schema import field_name

_TOKEN_BYTES = 8
_BOUND: Final = 4  # its place among the arguments
_FREE: Final = 1  # what CLAIM answers is the sum of these
_TAKEN: Final = 2
_ANY_INSTANT = b"\xff" * INSTANT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCall:
    """What all calls of a script have in common: its text and hash, how keys begin and end, the last key, arguments."""

    script: str
    sha: str
    before: bytes
    after: bytes
    last_key: bytes
    arguments: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who writes a view version's rows, and how: `call` writes them by the script.

    `is_free`: nothing that is there can be newer, until another one claims. `counts_all`: another writer was ended
    before it had counted what it added, or is to count no more, so that all rows are counted when these are written.
    """

    call: ScriptCall
    token: bytes
    is_free: bool
    counts_all: bool
    home: str
    counter: str
    writer: str
    mark: str


def claim_rows(client: redis.Redis, view: OnlineView, writing: PackedWriting, expiry: str = "") -> Claim:
    """Claim rows, to write them without comparing them with what is there as long as nobody else claims them.

    Whoever writes claims first, so of two pushes at once the one that began first compares from then on. The rows
    expire at `expiry`, an instant of Unix time in ms, if it says one.
    """
    order, how = writing.order, writing.how
    token = secrets.token_bytes(_TOKEN_BYTES)
    field = field_name(view)
    counter, writer, mark, bound = f"count/{field}", f"writer/{field}", mark_name(field), pack_bound(how.none_after)
    origin, home = how.origin, home_of(view)
    table = (origin.table_version, origin.rebuild_id) if origin else (0, "*")
    at = pack_instant(origin.at) if origin else _ANY_INSTANT
    taken = mark if origin else ""  # a stream writes a little very often, and leaves all rows to the next push
    claim: RedisCommand = ("EVAL", CLAIM, 1, home, writer, token, at, order, *table, counter, bound, taken)
    answer = read_number(whole(exchange(client, [claim]))[0])
    free = bool(answer & _FREE)
    arguments = [field, order, counter, writer, bound, token if free else b"", expiry]
    call = ScriptCall(
        script=WRITE_NEWER,
        sha=hashlib.sha1(WRITE_NEWER.encode(), usedforsecurity=False).hexdigest(),
        before=prefix_of(view),
        after=b"}",
        last_key=home.encode(),
        arguments=[a if isinstance(a, bytes) else str(a).encode() for a in arguments],
    )
    return Claim(
        call=call,
        token=token,
        is_free=free,
        counts_all=bool(answer & _TAKEN),
        home=home,
        counter=counter,
        writer=writer,
        mark=mark,
    )


def bounded(call: ScriptCall, how: Writing) -> ScriptCall:
    """Return the call with the bound as it is now."""
    if how.none_after is None:
        return call
    before, after = call.arguments[:_BOUND], call.arguments[_BOUND + 1 :]
    return replace(call, arguments=[*before, pack_bound(how.none_after), *after])
