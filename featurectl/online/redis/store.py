"""The online store in Redis or Valkey; `online/redis/keys.py` says where things lie."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import redis

from featurectl.core.variables import shown_location
from featurectl.online.base import Ask, Bound, Found, OnlineView, Writing
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import pack_bound, pack_instant
from featurectl.online.corrupt_rows import NO_ROW, BrokenCountError, BrokenRowError, row_place
from featurectl.online.packed_store import PackedStore
from featurectl.online.redis.answers import (
    count_of,
    instant_of_time,
    is_no_hash,
    listed,
    one_item,
    read_names,
    read_number,
    read_page,
    read_value,
)
from featurectl.online.redis.claim import bounded, claim_rows
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import StoreAddress, translated
from featurectl.online.redis.keys import escaped, home_of, prefix_of
from featurectl.online.redis.scripts import FOREIGN, REMOVE_UNTIL, WRITE_NEWER
from featurectl.online.redis.trips import COMMANDS_A_TRIP, RedisCommand, look_ups, parted
from featurectl.online.row_schema import claim_schema, field_name, record_name, schema_name

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

T = TypeVar("T")

_SCAN_COUNT = 1_000
_SCHEMA: Final = re.compile(rb"schema/([ -.0-~]+)@([0-9]{1,18})/[0-9]+")
_NO_NUMBER: Final = "hash value is not an integer"
_ANY_ROW = (b"", b"")  # no byte of a row is compared with them
KEPT_FILES: Final = (
    "Redis' files on disk (AOF, RDB) have what was removed until it writes them anew: BGREWRITEAOF, BGSAVE"
)
FEW_KEYS = 20_000  # a look at all of them takes a tenth of a second


class RedisBytes:
    """A `ByteStore` at a `redis://` or `rediss://` URL; one round trip for up to 5,000 reads."""

    is_compact = True
    generation = 0  # whatever lies behind an address is the store there

    def __init__(self, commands: RedisCommands) -> None:
        self.commands = commands
        self.shown = commands.address.shown

    def put_schemas(self, schemas: Sequence[tuple[OnlineView, str]]) -> list[int]:
        """Return the id of each document among the schemas of its view version, put there when it was not."""
        return [self._put_schema(view, document) for view, document in schemas]

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        found = (_SCHEMA.fullmatch(name) for name in self._read(read_names, "HKEYS", f"{project}/{env}"))
        return frozenset((match[1].decode(), int(match[2])) for match in found if match)

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write rows, packed while others are on their way, and return how many entities are new."""
        from featurectl.online.redis.wire import Sender

        how, client = writing.how, self.commands.client
        expiry = self._expiry(how)
        with translated(self.commands.address), broken_places_named(view):
            call = claim_rows(client, view, writing, expiry)
            with Sender(client) as sender:
                for chunk in chunks:
                    sender.write(bounded(call, how), chunk)
                    how.on_rows(sender.rows)
                sender.finish()
        how.on_rows(sender.rows)
        return sender.total

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, by a scan, 1,000 keys at a time.

        The scan sees which rows have expired, or were lost, since they were counted, and takes them off the count:
        those that were counted before it and that it did not meet. Rows that others write meanwhile stay in the count.
        It counts those that it met, too, which were never counted, as a counter was lost.
        """
        prefix, removed, met = prefix_of(view), 0, set[bytes]()
        before = self._counts(view)
        for keys in self._pages(view):
            met.update(self._with_row(keys, field_name(view)))
            others = [key for key in keys if key[len(prefix) : -1] not in kept]
            bounds = (pack_instant(until), pack_bound(none_after))
            removed += self._remove_until(view, others, bounds) if others else 0
        self._correct_counts(view, before, met, removed)
        return removed

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some keys, 1,000 a script."""
        prefix, removed = prefix_of(view), 0
        for start in range(0, len(keys), _SCAN_COUNT):
            places = [prefix + key + b"}" for key in keys[start : start + _SCAN_COUNT]]
            removed += self._remove_until(view, places, _ANY_ROW)
        return removed

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:  # noqa: ARG002  # there is nothing to be done
        """Return what keeps what was removed: memory does not."""
        return (KEPT_FILES,)

    def rows(self, view: OnlineView, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the packed row under each key, None where there is none, 5,000 keys a trip."""
        prefix, field = prefix_of(view), field_name(view)
        commands: list[RedisCommand] = [("HGET", prefix + key + b"}", field) for key in keys]
        found: list[bytes | None] = []
        for start in range(0, len(commands), COMMANDS_A_TRIP):
            found += self.commands.rows(commands[start : start + COMMANDS_A_TRIP])
        return found

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys, 5,000 keys a trip."""
        commands = [command for ask in asks for command in look_ups(ask)]
        replies: list[object] = []
        for start in range(0, len(commands), COMMANDS_A_TRIP):
            replies += self.commands.send_about(commands[start : start + COMMANDS_A_TRIP])
        with translated(self.commands.address):
            return parted(asks, replies)

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        read = partial(listed, count=len(names))
        return self._read(read, "HMGET", f"{project}/{env}", *names) if names else []

    def shared(self, view: OnlineView, name: str) -> bytes | None:
        """Return one thing that all entities share, by name."""
        return self._read(read_value, "HGET", home_of(view), name)

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version by a scan, about 1,000 keys of the environment at a time."""
        begin = len(prefix_of(view))
        for keys in self._pages(view):
            chosen = [key for key in keys if wanted(key[begin:-1])]
            rows = self.commands.rows([("HGET", key, field_name(view)) for key in chosen])
            yield [(key[begin:-1], row) for key, row in zip(chosen, rows, strict=True) if row is not None]

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        count = count_of(self.shared(view, f"count/{field_name(view)}"))
        if count is None:
            raise BrokenCountError(field_name(view))
        return count

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 where a counter holds no number."""
        if count_of(self.shared(view, f"count/{field_name(view)}")) is None:
            self.commands.ask("HDEL", home_of(view), f"count/{field_name(view)}")

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, where the server holds few keys; else how many keys, if too few."""
        held = self._held()
        if held > FEW_KEYS:
            return held if held < self.count(view) else None
        met, field = set[bytes](), field_name(view)
        for keys in self._pages(view):
            met.update(self._with_row(keys, field))
        return len(met)

    def clock(self) -> datetime:
        """Return the server's time."""
        return self._read(instant_of_time, "TIME")

    def put_record(self, view: OnlineView, data: bytes, none_after: Bound | None) -> None:
        """Keep the record unless a newer one is there."""
        home, field = home_of(view), record_name(field_name(view))
        newer = (field, "record", "", "", pack_bound(none_after), "", "")
        self._read(read_number, "EVAL", WRITE_NEWER, 2, home, home, *newer, data)

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record of the last push."""
        self.commands.ask("HDEL", home_of(view), record_name(field_name(view)))

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version by a scan of the environment's keys, 1,000 at a time."""
        self.reset_broken_count(view)
        self.commands.ask("HDEL", home_of(view), f"push/{field_name(view)}", f"writer/{field_name(view)}")
        for keys in self._pages(view):
            if keys:  # counted down with each page: a removal that is broken off leaves a right count
                self._remove_until(view, keys, _ANY_ROW)
        self.commands.ask("HDEL", home_of(view), f"count/{field_name(view)}", *self._schema_fields(view))

    def close(self) -> None:
        """Close the connections."""
        self.commands.close()

    def _expiry(self, how: Writing) -> str:
        """Return when rows expire, in ms of Unix time; nothing where they do not or the server has no such thing."""
        if how.kept_until is None:
            return ""
        known = self._read(one_item, "COMMAND", "INFO", "HPEXPIREAT")
        return str(math.ceil(how.kept_until.timestamp() * 1_000)) if known else ""

    def _counts(self, view: OnlineView) -> list[int]:
        """Return every count that is kept of a view version's entities."""
        return [self.count(view)]

    def _held(self) -> int:
        """Return how many keys there are in all."""
        return self._read(read_number, "DBSIZE")

    def _correct_counts(self, view: OnlineView, before: Sequence[int], met: Collection[bytes], removed: int) -> None:
        """Take off the counts what a scan did not meet of the rows that were counted before it, and add what it met.

        Of more than were ever counted, those that were written meanwhile among them.
        """
        most = max(before[0], self._counts(view)[0] + removed)
        difference = len(met) - (before[0] if len(met) < before[0] else min(most, len(met)))
        if difference:
            command: RedisCommand = ("HINCRBY", home_of(view), f"count/{field_name(view)}", difference)
            self.commands.send([command], is_repeatable=False)

    def _put_schema(self, view: OnlineView, document: str) -> int:
        def put(schema_id: int, document: str) -> str:
            name = schema_name(field_name(view), schema_id)
            self._read(read_number, "HSETNX", home_of(view), name, document)
            return (self.shared(view, name) or b"").decode(errors="replace")

        return claim_schema(document, put)

    def _pages(self, view: OnlineView) -> Iterator[list[bytes]]:
        """Yield the keys of the environment's entities, some at a time; one may come twice."""
        return pages(partial(self._read, read_page), view)

    def _remove_until(self, view: OnlineView, keys: Sequence[bytes], bounds: tuple[bytes, bytes]) -> int:
        field = field_name(view)
        arguments = (field, bounds[0], f"count/{field}", bounds[1])
        with broken_places_named(view):
            return self._read(read_number, "EVAL", REMOVE_UNTIL, len(keys) + 1, *keys, home_of(view), *arguments)

    def _schema_fields(self, view: OnlineView) -> list[bytes]:
        start = f"schema/{field_name(view)}/".encode()
        return [name for name in self._read(read_names, "HKEYS", home_of(view)) if name.startswith(start)]

    def _read(self, read: Callable[[object], T], *command: bytes | str | int) -> T:
        return self.commands.read(read, *command)

    def _with_row(self, keys: Sequence[bytes], field: str) -> list[bytes]:
        """Return those of some keys of entities that have a field; one that is no hash has none."""
        there = self.commands.send_about([("HEXISTS", key, field) for key in keys])
        with translated(self.commands.address):
            return [key for key, has in zip(keys, there, strict=True) if not is_no_hash(has) and read_number(has) == 1]


class RedisStore(PackedStore):
    """An `OnlineStore` at a `redis://` or `rediss://` URL."""

    def __init__(self, url: str, shown: str = "") -> None:
        super().__init__(RedisBytes(RedisCommands(address_of(url, shown))))


def address_of(url: str, shown: str = "") -> StoreAddress:
    """Return where a store is; errors call it `shown`, or its URL without secrets."""
    return StoreAddress(url=url, shown=shown or shown_location(url))


@contextmanager
def broken_places_named(view: OnlineView) -> Iterator[None]:
    """Say of what a script could not write whose it is: a key of an entity, or the counter.

    Raises:
        BrokenRowError: a key is no hash.
        BrokenCountError: the counter holds no number.
    """
    try:
        yield
    except redis.ResponseError as error:
        mark, _, key = str(error).partition(" ")
        if _NO_NUMBER in str(error):
            raise BrokenCountError(field_name(view)) from error
        if mark != FOREIGN:
            raise
        packed = key.encode()[len(prefix_of(view)) : -1]
        raise BrokenRowError(NO_ROW, row_place(view, packed)) from error


def pages(ask: Callable[..., tuple[bytes, list[bytes]]], view: OnlineView) -> Iterator[list[bytes]]:
    """Yield the keys of entities that one server holds for an environment, about 1,000 at a time."""
    cursor, match = b"0", escaped(home_of(view)) + ":{*"
    while True:
        cursor, keys = ask("SCAN", cursor, "MATCH", match, "COUNT", _SCAN_COUNT)
        yield keys
        if cursor == b"0":
            return
