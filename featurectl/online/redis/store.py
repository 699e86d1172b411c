"""The online store in Redis or Valkey; `online/redis/layout.py` says where things lie."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import redis

from featurectl.core.errors import StoreError
from featurectl.core.variables import shown_location
from featurectl.online.base import Ask, Bound, Found, KeyValue, OnlineRow, OnlineView, PushRecord, Writing
from featurectl.online.broken import NO_ROW, BrokenCountError, BrokenRowError, row_place
from featurectl.online.codec import (
    NEWER_BYTES,
    RECORD_NEWER_BYTES,
    pack_bound,
    pack_instant,
    pack_key,
    pack_record,
    row_schema_id,
    unpack_record,
    unpack_row,
)
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
    row_of,
)
from featurectl.online.redis.claim import bounded, claimed_call
from featurectl.online.redis.connect import StoreAddress, open_client, translated
from featurectl.online.redis.layout import escaped, field_of, home_of, prefix_of
from featurectl.online.redis.scripts import FOREIGN, REMOVE_UNTIL, WRITE_NEWER
from featurectl.online.redis.trips import (
    COMMANDS_A_TRIP,
    Command,
    exchange,
    look_ups,
    of_entities,
    parted,
    whole,
)
from featurectl.online.schema import RowSchema, claim_schema, parse_schema, schema_document

if TYPE_CHECKING:  # only what writes rows needs frames, and imports them then
    import polars as pl

T = TypeVar("T")

_SCAN_COUNT = 1_000
_SCHEMA: Final = re.compile(rb"schema/([ -.0-~]+)@([0-9]{1,18})/[0-9]+")
_NO_NUMBER: Final = "hash value is not an integer"
_ANY_ROW = (b"", b"")  # no byte of a row is compared with them
FEW_KEYS = 20_000  # a look at all of them takes a tenth of a second


class RedisStore:
    """An `OnlineStore` at a `redis://` or `rediss://` URL; one round trip for up to 5,000 reads."""

    def __init__(self, url: str, shown: str = "") -> None:
        self._schemas: dict[tuple[str, int], RowSchema] = {}
        self._address = StoreAddress(url=url, shown=shown or shown_location(url))
        self._open(url)

    def prepare(self, *views: OnlineView) -> None:
        """Put the schemas of the view versions' rows into the store."""
        for view in views:
            self._prepare(view)

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        found = (_SCHEMA.fullmatch(name) for name in self._read(read_names, "HKEYS", f"{project}/{env}"))
        return frozenset((match[1].decode(), int(match[2])) for match in found if match)

    def write(self, view: OnlineView, rows: pl.DataFrame, *, rebuilt: bool = False) -> int:
        """Write rows, and return how many entities are new."""
        return self.write_all(view, [rows], Writing(rebuilt=rebuilt))

    def write_all(self, view: OnlineView, frames: Iterable[pl.DataFrame], how: Writing) -> int:
        """Write rows, packed while others are on their way, and return how many entities are new."""
        from featurectl.online.frame import encode_chunks
        from featurectl.online.redis.wire import Sender, batch_of

        schema_id = self._prepare(view)
        with translated(self._address), broken_places_named(view):
            call = claimed_call(self._client, view, how, self._expiry(how))
            with Sender(self._client) as sender:
                for frame in frames:
                    for chunk in encode_chunks(view, frame, schema_id):
                        sender.send(batch_of(bounded(call, how), chunk))
                        how.told(sender.rows)
                sender.finish()
        how.told(sender.rows)
        return sender.total

    def keep_only(
        self, view: OnlineView, entities: pl.DataFrame, until: datetime, none_after: Bound | None = None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, by a scan, 1,000 keys at a time.

        The scan sees which rows have expired, or were lost, since they were counted, and takes them off the count:
        those that were counted before it and that it did not meet. Rows that others write meanwhile stay in the count.
        It counts those that it met, too, which were never counted, as a counter was lost.
        """
        from featurectl.online.frame import encode_keys

        kept, prefix, removed, met = set(encode_keys(view, entities)), prefix_of(view), 0, set[bytes]()
        before = self._counts(view)
        for keys in self._pages(view):
            met.update(self._with_row(keys, field_of(view)))
            others = [key for key in keys if key[len(prefix) : -1] not in kept]
            bounds = (pack_instant(until), pack_bound(none_after))
            removed += self._remove_until(view, others, bounds) if others else 0
        self._correct_counts(view, before, met, removed)
        return removed

    def read(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        """Return the row of each entity, None where there is none."""
        rows: list[OnlineRow | None] = []
        for start in range(0, len(entities), COMMANDS_A_TRIP):
            rows += self._read_some(view, entities[start : start + COMMANDS_A_TRIP])
        return rows

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys, 5,000 keys a trip."""
        commands = [command for ask in asks for command in look_ups(ask)]
        replies: list[object] = []
        for start in range(0, len(commands), COMMANDS_A_TRIP):
            replies += self._send_about(commands[start : start + COMMANDS_A_TRIP])
        with translated(self._address):
            return parted(asks, replies)

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        read = partial(listed, count=len(names))
        return self._read(read, "HMGET", f"{project}/{env}", *names) if names else []

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version by a scan, about 1,000 keys of the environment at a time."""
        begin = len(prefix_of(view))
        for keys in self._pages(view):
            asked = [key for key in keys if wanted(key[begin:-1])]
            rows = self._rows([("HGET", key, field_of(view)) for key in asked])
            yield [(key[begin:-1], row) for key, row in zip(asked, rows, strict=True) if row is not None]

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        count = count_of(self._get(view, f"count/{field_of(view)}"))
        if count is None:
            raise BrokenCountError(field_of(view))
        return count

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 where a counter holds no number."""
        if count_of(self._get(view, f"count/{field_of(view)}")) is None:
            self._ask("HDEL", home_of(view), f"count/{field_of(view)}")

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, where the server holds few keys; else how many keys, if too few."""
        held = self._held()
        if held > FEW_KEYS:
            return held if held < self.count(view) else None
        met, field = set[bytes](), field_of(view)
        for keys in self._pages(view):
            met.update(self._with_row(keys, field))
        return len(met)

    def clock(self) -> datetime:
        """Return the server's time."""
        return self._read(instant_of_time, "TIME")

    def write_push_record(self, view: OnlineView, record: PushRecord, none_after: Bound | None = None) -> None:
        """Keep the record unless a newer one is there."""
        first, end = RECORD_NEWER_BYTES
        home, field = home_of(view), f"push/{field_of(view)}"
        newer = (field, first + 1, end, "", "", pack_bound(none_after), first + 1, "", "")
        self._read(read_number, "EVAL", WRITE_NEWER, 2, home, home, *newer, pack_record(record))

    def read_push_record(self, view: OnlineView) -> PushRecord | None:
        """Return the record of the last push, or None."""
        data = self._get(view, f"push/{field_of(view)}")
        return unpack_record(data, field_of(view)) if data else None

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version by a scan of the environment's keys, 1,000 at a time."""
        self.reset_broken_count(view)
        self._ask("HDEL", home_of(view), f"push/{field_of(view)}", f"writer/{field_of(view)}")
        for keys in self._pages(view):
            if keys:  # counted down with each page: a removal that is broken off leaves a right count
                self._remove_until(view, keys, _ANY_ROW)
        self._ask("HDEL", home_of(view), f"count/{field_of(view)}", *self._schema_fields(view))
        self._schemas.clear()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self, url: str) -> None:
        self._client = open_client(url, self._address.shown)

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
        most = max(before[0], self.count(view) + removed)
        difference = len(met) - (before[0] if len(met) < before[0] else min(most, len(met)))
        if difference:
            self._ask("HINCRBY", home_of(view), f"count/{field_of(view)}", difference)

    def _prepare(self, view: OnlineView) -> int:
        def put(schema_id: int, document: str) -> str:
            field = f"schema/{field_of(view)}/{schema_id}"
            self._read(read_number, "HSETNX", home_of(view), field, document)
            return (self._get(view, field) or b"").decode(errors="replace")

        return claim_schema(schema_document(view), put)

    def _read_some(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        field, prefix, dtypes = field_of(view), prefix_of(view), tuple(view.keys.values())
        keys = [pack_key(entity, dtypes) for entity in entities]
        rows = self._rows([("HGET", prefix + key + b"}", field) for key in keys])
        found = zip(keys, rows, strict=True)
        return [None if data is None else self._unpacked(view, key, data) for key, data in found]

    def _unpacked(self, view: OnlineView, key: bytes, data: bytes) -> OnlineRow:
        place = row_place(view, key)
        return unpack_row(data, self._schema(view, row_schema_id(data, place)), view.meanings, place)

    def _schema(self, view: OnlineView, schema_id: int) -> RowSchema:
        field = f"{home_of(view)}/{field_of(view)}"
        if (field, schema_id) not in self._schemas:
            document = self._get(view, f"schema/{field_of(view)}/{schema_id}")
            if document is None:
                raise StoreError(f"the online store {self._address.shown} has lost schema {schema_id}", code="FC602")
            self._schemas[field, schema_id] = parse_schema(document)
        return self._schemas[field, schema_id]

    def _get(self, view: OnlineView, field: str) -> bytes | None:
        return self._read(read_value, "HGET", home_of(view), field)

    def _pages(self, view: OnlineView) -> Iterator[list[bytes]]:
        """Yield the keys of the environment's entities, some at a time; one may come twice."""
        return pages(partial(self._read, read_page), view)

    def _remove_until(self, view: OnlineView, keys: Sequence[bytes], bounds: tuple[bytes, bytes]) -> int:
        field, (first, _) = field_of(view), NEWER_BYTES["computed"]
        arguments = (field, first + 1, bounds[0], f"count/{field}", bounds[1])
        with broken_places_named(view):
            return self._read(read_number, "EVAL", REMOVE_UNTIL, len(keys) + 1, *keys, home_of(view), *arguments)

    def _schema_fields(self, view: OnlineView) -> list[bytes]:
        start = f"schema/{field_of(view)}/".encode()
        return [name for name in self._read(read_names, "HKEYS", home_of(view)) if name.startswith(start)]

    def _read(self, read: Callable[[object], T], *command: bytes | str | int) -> T:
        """Return the answer of one command, as the type that Redis gives to it."""
        answer = self._ask(*command)
        with translated(self._address):
            return read(answer)

    def _rows(self, commands: Sequence[Command]) -> list[bytes | None]:
        answers = self._send_about(commands)
        with translated(self._address):
            return [row_of(answer) for answer in answers]

    def _ask(self, *command: bytes | str | int) -> object:
        """Return the answer of one command."""
        return self._send([command])[0]

    def _send(self, commands: Sequence[Command]) -> list[object]:
        """Return the answers of some commands that travel together; the first error among them is raised."""
        with translated(self._address):
            return whole(self._exchange(commands))

    def _exchange(self, commands: Sequence[Command]) -> list[object]:
        """Return the answers of some commands, errors among them."""
        return exchange(self._client, commands)

    def _send_about(self, commands: Sequence[Command]) -> list[object]:
        """Return the answers of some commands about keys of entities; that of one that is no hash is an error."""
        with translated(self._address):
            return of_entities(self._exchange(commands))

    def _with_row(self, keys: Sequence[bytes], field: str) -> list[bytes]:
        """Return those of some keys of entities that have a field; one that is no hash has none."""
        there = self._send_about([("HEXISTS", key, field) for key in keys])
        with translated(self._address):
            return [key for key, has in zip(keys, there, strict=True) if not is_no_hash(has) and read_number(has) == 1]


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
            raise BrokenCountError(field_of(view)) from error
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
