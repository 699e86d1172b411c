"""The right to write a view version's rows without looking at those that are there."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import redis

from featurectl.online.base import OnlineView, Writing
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import INSTANT_BYTES, pack_bound, pack_instant
from featurectl.online.redis.answers import read_number
from featurectl.online.redis.keys import home_of, prefix_of
from featurectl.online.redis.scripts import CLAIM, WRITE_NEWER
from featurectl.online.redis.trips import RedisCommand, exchange, whole
from featurectl.online.row_schema import field_name

_TOKEN_BYTES = 8
_BOUND: Final = 4  # its place among the arguments
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


def claim_rows(client: redis.Redis, view: OnlineView, writing: PackedWriting, expiry: str = "") -> ScriptCall:
    """Claim rows, and return the call that writes them: it compares none with what is there while the claim holds.

    Whoever writes claims first, so of two pushes at once the one that began first compares from then on. So does one
    whose claim says that something newer may be there. The rows expire at `expiry`, an instant of Unix time in ms.
    """
    order, how = writing.order, writing.how
    token = secrets.token_bytes(_TOKEN_BYTES)
    field = field_name(view)
    counter, writer, bound = f"count/{field}", f"writer/{field}", pack_bound(how.none_after)
    origin, home = how.origin, home_of(view)
    table = (origin.table_version, origin.rebuild_id) if origin else (0, "*")
    at = pack_instant(origin.at) if origin else _ANY_INSTANT
    claim: RedisCommand = ("EVAL", CLAIM, 1, home, writer, token, at, order, *table, counter, bound)
    is_free = read_number(whole(exchange(client, [claim]))[0]) == 1
    arguments = [field, order, counter, writer, bound, token if is_free else b"", expiry]
    return ScriptCall(
        script=WRITE_NEWER,
        sha=hashlib.sha1(WRITE_NEWER.encode(), usedforsecurity=False).hexdigest(),
        before=prefix_of(view),
        after=b"}",
        last_key=home.encode(),
        arguments=[a if isinstance(a, bytes) else str(a).encode() for a in arguments],
    )


def bounded(call: ScriptCall, how: Writing) -> ScriptCall:
    """Return the call with the bound as it is now."""
    if how.none_after is None:
        return call
    before, after = call.arguments[:_BOUND], call.arguments[_BOUND + 1 :]
    return replace(call, arguments=[*before, pack_bound(how.none_after), *after])
