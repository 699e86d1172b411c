"""The online store in Redis or Valkey: a hash per entity, in it a field per view version.

    <project>/<env>:{<entity key>}   hash: <view>@<version> -> packed row (`online/codec.py`)
    <project>/<env>                  hash: schema/<view>@<version>/<schema id> -> schema document
                                           push/<view>@<version>              -> push record
                                           count/<view>@<version>             -> number of entities

The braces are the hash tag of Redis Cluster. A row of up to 64 bytes keeps the hash in its compact form; for
longer ones set `hash-max-listpack-value 512`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, cast

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from featurectl.errors import StoreError, UsageError
from featurectl.online.base import KeyValue, OnlineRow, OnlineView, PushRecord
from featurectl.online.codec import (
    NEWER_BYTES,
    RECORD_NEWER_BYTES,
    pack_instant,
    pack_key,
    pack_record,
    row_schema_id,
    unpack_record,
    unpack_row,
)
from featurectl.online.schema import RowSchema, claim_schema, parse_schema, schema_document
from featurectl.spec.environment import shown_location

if TYPE_CHECKING:  # only what writes rows needs frames, and imports them then
    import polars as pl

    from featurectl.online.frame import Chunk

_CONNECT_S = 3.0
_ANSWER_S = 10.0
_ROWS_A_CALL = 200
_READS_A_TRIP = 5_000
_SCAN_COUNT = 1_000

# Sets a field of each of some hashes unless it holds a newer value: one whose bytes `from` to `to` are greater.
# The last key holds the counter of fields that were not there before. Bytes are compared as numbers: how Lua
# compares strings depends on the locale of the server.
_WRITE_NEWER = """
local field, from, to, counter = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local added = 0
for i = 1, #KEYS - 1 do
  local new, old = ARGV[i + 4], redis.call('HGET', KEYS[i], field)
  local older = false
  if not old then
    added = added + 1
  else
    for at = from, to do
      local a, b = new:byte(at), old:byte(at)
      if a ~= b then older = a < b; break end
    end
  end
  if not older then redis.call('HSET', KEYS[i], field, new) end
end
if added > 0 and counter ~= '' then redis.call('HINCRBY', KEYS[#KEYS], counter, added) end
return added
"""

# Removes a field of each of some hashes when its bytes `from` on are not greater than those given; counts as above.
_REMOVE_UNTIL = """
local field, from, until_, counter = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local removed = 0
for i = 1, #KEYS - 1 do
  local row, later = redis.call('HGET', KEYS[i], field), false
  if row then
    for at = 1, #until_ do
      local a, b = row:byte(from + at - 1), until_:byte(at)
      if a ~= b then later = a > b; break end
    end
    if not later then removed = removed + redis.call('HDEL', KEYS[i], field) end
  end
end
if removed > 0 then redis.call('HINCRBY', KEYS[#KEYS], counter, -removed) end
return removed
"""


class RedisStore:
    """An `OnlineStore` at a `redis://` or `rediss://` URL; one round trip for up to 5,000 reads."""

    def __init__(self, url: str, shown: str = "") -> None:
        self._schemas: dict[tuple[str, int], RowSchema] = {}
        self._where = shown or shown_location(url)  # what errors call it
        try:
            self._client = redis.Redis.from_url(
                url,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_ANSWER_S,
                retry=Retry(ConstantBackoff(0.1), 1),
            )
        except ValueError as error:
            hint = "write it like redis://host:6379/0"  # what is wrong with it may lie in the password
            raise UsageError(f"the online store {self._where} is no URL of Redis", hint=hint) from error
        self._script = self._client.register_script(_WRITE_NEWER)
        self._remover = self._client.register_script(_REMOVE_UNTIL)

    def prepare(self, *views: OnlineView) -> None:
        """Put the schemas of the view versions' rows into the store."""
        for view in views:
            self._prepare(view)

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        with self._errors():
            names = cast("list[bytes]", self._client.hkeys(f"{project}/{env}"))
        fields = {name.decode().split("/")[1] for name in names if name.startswith(b"schema/")}
        pairs = (field.rpartition("@") for field in fields)
        return frozenset((view, int(version)) for view, _, version in pairs)

    def write(self, view: OnlineView, rows: pl.DataFrame, *, rebuilt: bool = False) -> int:
        """Write rows, a pipeline a chunk, and return how many entities are new."""
        from featurectl.online.frame import encode_chunks

        schema_id = self._prepare(view)
        newer = NEWER_BYTES["computed" if rebuilt else view.versioned_by]
        return sum(self._write_chunk(view, chunk, newer) for chunk in encode_chunks(view, rows, schema_id))

    def keep_only(self, view: OnlineView, entities: pl.DataFrame, until: datetime) -> int:
        """Remove the rows computed until an instant of all other entities, by a scan, 1,000 keys at a time."""
        from featurectl.online.frame import encode_keys

        kept, prefix, removed = set(encode_keys(view, entities)), _prefix(view), 0
        with self._errors():
            for keys in self._pages(view):
                others = [key for key in keys if key[len(prefix) : -1] not in kept]
                removed += self._remove_until(view, others, until) if others else 0
        return removed

    def read(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        """Return the row of each entity, None where there is none."""
        rows: list[OnlineRow | None] = []
        for start in range(0, len(entities), _READS_A_TRIP):
            rows += self._read_some(view, entities[start : start + _READS_A_TRIP])
        return rows

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        return int(self._get(view, f"count/{_field(view)}") or 0)

    def write_push_record(self, view: OnlineView, record: PushRecord) -> None:
        """Keep the record unless a newer one is there."""
        first, end = RECORD_NEWER_BYTES
        arguments: list[bytes | str | int] = [f"push/{_field(view)}", first + 1, end, "", pack_record(record)]
        with self._errors():
            self._script(keys=[_home(view), _home(view)], args=arguments)

    def read_push_record(self, view: OnlineView) -> PushRecord | None:
        """Return the record of the last push, or None."""
        data = self._get(view, f"push/{_field(view)}")
        return unpack_record(data) if data else None

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version by a scan of the environment's keys, 1,000 at a time."""
        with self._errors():
            self._client.hdel(_home(view), f"push/{_field(view)}")
            for keys in self._pages(view):
                self._remove_field(view, keys)
            self._client.hdel(_home(view), f"count/{_field(view)}", *self._schema_fields(view))
        self._schemas.clear()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _prepare(self, view: OnlineView) -> int:
        def put(schema_id: int, document: str) -> str:
            field = f"schema/{_field(view)}/{schema_id}"
            with self._errors():
                self._client.hsetnx(_home(view), field, document)
            return (self._get(view, field) or b"").decode()

        return claim_schema(schema_document(view), put)

    def _write_chunk(self, view: OnlineView, chunk: Chunk, newer: tuple[int, int]) -> int:
        first, end = newer
        field, home, prefix = _field(view), _home(view).encode(), _prefix(view)
        arguments: tuple[str | int, ...] = (field, first + 1, end, f"count/{field}")
        with self._errors():
            sha = self._client.script_load(_WRITE_NEWER)
            pipeline = self._client.pipeline(transaction=False)
            for start in range(0, len(chunk.keys), _ROWS_A_CALL):
                keys = [prefix + key + b"}" for key in chunk.keys[start : start + _ROWS_A_CALL]]
                values = chunk.rows[start : start + _ROWS_A_CALL]
                pipeline.evalsha(sha, len(keys) + 1, *keys, home, *arguments, *values)
            return sum(int(cast("int", reply)) for reply in self._replies(pipeline))

    def _read_some(self, view: OnlineView, entities: Sequence[Sequence[KeyValue]]) -> list[OnlineRow | None]:
        field, prefix, dtypes = _field(view), _prefix(view), tuple(view.keys.values())
        pipeline = self._client.pipeline(transaction=False)
        for entity in entities:
            pipeline.hmget(prefix + pack_key(entity, dtypes) + b"}", [field])
        with self._errors():
            replies = self._replies(pipeline)
        found = [cast("list[bytes | None]", reply)[0] for reply in replies]
        return [None if data is None else self._unpacked(view, data) for data in found]

    def _unpacked(self, view: OnlineView, data: bytes) -> OnlineRow:
        return unpack_row(data, self._schema(view, row_schema_id(data)), view.meanings)

    def _schema(self, view: OnlineView, schema_id: int) -> RowSchema:
        field = f"{_home(view)}/{_field(view)}"
        if (field, schema_id) not in self._schemas:
            document = self._get(view, f"schema/{_field(view)}/{schema_id}")
            if document is None:
                raise StoreError(f"the online store {self._where} has lost schema {schema_id}", code="FC602")
            self._schemas[field, schema_id] = parse_schema(document.decode())
        return self._schemas[field, schema_id]

    def _get(self, view: OnlineView, field: str) -> bytes | None:
        with self._errors():
            return cast("bytes | None", self._client.hget(_home(view), field))

    def _pages(self, view: OnlineView) -> Iterator[list[bytes]]:
        """Yield the keys of the environment's entities, some at a time; one may come twice."""
        cursor, begun = 0, False
        while cursor or not begun:
            begun = True
            cursor, keys = cast(
                "tuple[int, list[bytes]]",
                self._client.scan(cursor, match=_escape(_home(view)) + ":{*", count=_SCAN_COUNT),
            )
            yield keys

    def _remove_until(self, view: OnlineView, keys: Sequence[bytes], until: datetime) -> int:
        field, (first, _) = _field(view), NEWER_BYTES["computed"]
        arguments: list[bytes | str | int] = [field, first + 1, pack_instant(until), f"count/{field}"]
        return int(self._remover(keys=[*keys, _home(view).encode()], args=arguments))

    def _remove_field(self, view: OnlineView, keys: Sequence[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for key in keys:
            pipeline.hdel(key.decode(), _field(view))
        self._replies(pipeline)

    def _schema_fields(self, view: OnlineView) -> list[str]:
        names = cast("list[bytes]", self._client.hkeys(_home(view)))
        start = f"schema/{_field(view)}/"
        return [text for name in names if (text := name.decode()).startswith(start)]

    def _replies(self, pipeline: redis.client.Pipeline) -> list[object]:
        """Return what a pipeline answers; the first error among the answers is raised, without the command's bytes."""
        replies: list[object] = pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the client's errors into ours."""
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise StoreError(
                f"the online store {self._where} can't be reached: {error}",
                code="FC602",
                hint="is the server running, and is `online:` of the environment its address?",
            ) from error
        except redis.RedisError as error:
            raise StoreError(f"the online store {self._where} refuses: {error}", code="FC602") from error


def _field(view: OnlineView) -> str:
    return f"{view.view}@{view.version}"


def _home(view: OnlineView) -> str:
    return f"{view.project}/{view.env}"


def _prefix(view: OnlineView) -> bytes:
    return f"{_home(view)}:{{".encode()


def _escape(text: str) -> str:
    """Return a text that matches itself alone in a glob pattern."""
    return "".join(f"\\{char}" if char in r"*?[]^\\" else char for char in text)
