"""Many commands in one round trip: all are sent at once, then the answers are read in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, TypeVar, cast

import hiredis
import redis

from featurectl.online.base import Ask, Found
from featurectl.online.redis.answers import is_no_hash, listed
from featurectl.online.redis.checked import CheckedConnection

RedisCommand = tuple[bytes | str | int, ...]
Replies = TypeVar("Replies", bound=Sequence[object])
COMMANDS_A_TRIP: Final = 5_000
_PACK: Final = cast("Callable[[RedisCommand], bytes]", hiredis.pack_command)  # its own type is of one word


def look_ups(ask: Ask) -> Iterator[RedisCommand]:
    """Yield the command that reads the rows under each key of an ask."""
    prefix, fields = _encoded(ask.project, ask.env, tuple(ask.fields))
    for key in ask.keys:
        yield (b"HMGET", prefix + key + b"}", *fields)


@lru_cache(maxsize=256)
def _encoded(project: str, env: str, fields: tuple[str, ...]) -> tuple[bytes, list[bytes]]:
    return f"{project}/{env}:{{".encode(), [field.encode() for field in fields]


def packed(commands: Sequence[RedisCommand]) -> bytes:
    r"""Return the bytes of some commands, as they are sent.

    >>> packed([("GET", b"a")])
    b'*2\r\n$3\r\nGET\r\n$1\r\na\r\n'
    """
    return b"".join(map(_PACK, commands))


def parted(asks: Sequence[Ask], replies: Sequence[object]) -> list[list[Found]]:
    """Return the answers of several asks, each ask's by itself."""
    rest = iter(replies)
    return [[listed(one, len(ask.fields)) for one in islice(rest, len(ask.keys))] for ask in asks]


def whole(answers: Replies) -> Replies:
    """Return some answers; the first error among them is raised."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def of_entities(answers: Replies) -> Replies:
    """Return some answers about keys of entities: of one that is no hash, as another program wrote it, its error.

    The first other error among them is raised.
    """
    for answer in answers:
        if isinstance(answer, Exception) and not is_no_hash(answer):
            raise answer
    return answers


def exchange(client: redis.Redis, commands: Sequence[RedisCommand], *, is_repeatable: bool = True) -> list[object]:
    """Return the answers of some commands, sent together; an answer may be an error.

    The connection is the client's own and goes back to its pool: with its TLS, its name and password, its time limits.
    """
    if not commands:
        return []
    connection = CheckedConnection(client.connection_pool)
    try:
        return connection.exchange(packed(commands), len(commands), is_repeatable=is_repeatable)
    finally:
        connection.release()
