"""The online store in DynamoDB: an item a row, written under conditions, read by key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from featurectl.core.variables import shown_location
from featurectl.online.base import Ask, Bound, Found, OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import INSTANT_BYTES, pack_bound, pack_instant
from featurectl.online.corrupt_rows import BrokenCountError
from featurectl.online.dynamodb.address import parse_address
from featurectl.online.dynamodb.connect import ANSWER_S, AT_ONCE, ConditionRefusedError, DynamoLink, TableMissingError
from featurectl.online.dynamodb.counting import count_place, counted, read_count
from featurectl.online.dynamodb.items import (
    UNTIL,
    Item,
    entity_of,
    home_of,
    is_kept,
    place,
    portions,
    row_of,
    row_place,
    view_shards,
)
from featurectl.online.dynamodb.reading import (
    count_kept,
    pages,
    read_items,
    row_pages,
    rows_of,
    shared_of,
    wanted_rows,
    wanted_shared,
)
from featurectl.online.dynamodb.table import make_table
from featurectl.online.dynamodb.writing import ROWS_A_TURN, RequestOutcome, RowWriter, each_at_once
from featurectl.online.packed_store import PackedStore
from featurectl.online.row_schema import claim_schema, field_name, record_name, schema_name

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

T = TypeVar("T")
_PAGE_ROWS = 5_000
KEPT_COPIES: Final = "DynamoDB's backups, and its point-in-time recovery (35 days at most), have what was removed"
MOST_COUNTED = 100_000  # a look at so many rows is some 30 requests
_REMOVED_AT_ONCE: Final = 25  # DynamoDB takes no more
_SCHEMA: Final = re.compile(rb"schema/([^/@]+)@(\d+)/\d+", re.DOTALL)


class DynamoBytes:
    """A `ByteStore` in DynamoDB. What is written is a request an item, what is read a hundred keys a request."""

    def __init__(self, url: str, shown: str = "", answer_s: float = ANSWER_S) -> None:
        self.shown = shown or shown_location(url)
        self.is_compact = False  # an instant that conditions compare lies in an attribute of its own anyway
        self.generation = 0
        self.link = DynamoLink(parse_address(url, self.shown), answer_s)
        self._table = {"TableName": self.link.address.table}
        self._pool: ThreadPoolExecutor | None = None

    def put_schemas(self, schemas: Sequence[tuple[OnlineView, str]]) -> list[int]:
        """Return the id of each document, put there where it was not."""
        return [self._put_schema(view, document) for view, document in schemas]

    def prepared(self, project: str, env: str) -> frozenset[tuple[str, int]]:
        """Return the view versions of which a schema is in the store."""
        names = self._names(home_of(project, env), "schema/")
        found = (_SCHEMA.fullmatch(name) for name in names)
        return frozenset((match[1].decode(), int(match[2])) for match in found if match)

    def write_chunks(self, view: OnlineView, chunks: Iterable[PackedChunk], writing: PackedWriting) -> int:
        """Write rows, some at once, and return how many entities are new."""
        added = rows = 0
        with counted(self.link, view) as counter:
            writer = RowWriter(self.link, view, writing, self._opened())
            for items in (turn for chunk in chunks for turn in writer.turns(chunk)):
                written = writer.write(items)
                if not written.is_certain:
                    counter.distrust()
                counter.add(written.changed)
                added, rows = added + written.changed, rows + len(items)
                writing.how.on_rows(rows)
        return added

    def remove_others(
        self, view: OnlineView, kept: Collection[bytes], until: datetime, none_after: Bound | None
    ) -> int:
        """Remove the rows computed until an instant of all other entities, page after page, and count the rest."""
        if not self._is_there(view):
            return 0
        removed = 0
        with counted(self.link, view) as counter:
            counter.distrust()
            for page in self._pages(view, ("p", "k")):
                others = [item for item in page if entity_of(item) not in kept]
                values = {":until": {"B": pack_instant(until)}, ":bound": {"B": pack_bound(none_after)}}
                gone = each_at_once(self._opened(), partial(self._remove, values), others)
                counter.add(-gone.changed)
                removed += gone.changed
        return removed

    def remove_keys(self, view: OnlineView, keys: Sequence[bytes]) -> int:
        """Remove the rows under some keys, a request each, some at once."""
        if not self._is_there(view):
            return 0
        shards, removed = view_shards(view), 0
        with counted(self.link, view) as counter:
            for some in portions(list(keys), ROWS_A_TURN):
                gone = each_at_once(self._opened(), self._take, [row_place(shards, key) for key in some])
                if not gone.is_certain:
                    counter.distrust()
                counter.add(-gone.changed)
                removed += gone.changed
        return removed

    def wipe(self, *views: OnlineView) -> tuple[str, ...]:  # noqa: ARG002  # there is nothing to be done
        """Return what keeps what was removed: the table itself does not."""
        return (KEPT_COPIES,)

    def rows(self, view: OnlineView, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the packed row under each key, None where there is none."""
        [found] = self.fetch([Ask(project=view.project, env=view.env, fields=(field_name(view),), keys=keys)])
        return [row for (row,) in found]

    def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys, a hundred rows a request."""
        is_consistent = self.link.address.is_consistent
        found = read_items(self.link, self._opened(), wanted_rows(asks), is_consistent=is_consistent)
        return rows_of(asks, found, self.link.now_s())

    def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name, as it is now: a row may be of a schema of just now."""
        wanted = wanted_shared(project, env, names)
        return shared_of(project, env, names, read_items(self.link, self._opened(), wanted, is_consistent=True))

    def shared(self, view: OnlineView, name: str) -> bytes | None:
        """Return one thing that all entities share, by name."""
        return self.fetch_shared(view.project, view.env, [name])[0]

    def walk(
        self, view: OnlineView, wanted: Callable[[bytes], bool] = lambda _: True
    ) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield the packed keys and rows of a view version, shard after shard, 5,000 at a time at most."""
        for page in self._pages(view, ("k", "r", "t")):
            now_s = self.link.now_s()
            pairs = ((entity_of(item), row_of(item)) for item in page if is_kept(item, now_s))
            yield [(key, row) for key, row in pairs if wanted(key)]

    def count(self, view: OnlineView) -> int:
        """Return the number of entities that have a row of the view version."""
        return max(read_count(self.link, view)[0], 0)

    def reset_broken_count(self, view: OnlineView) -> None:
        """Begin to count at 0 where another program has written what is no number."""
        try:
            read_count(self.link, view)
        except BrokenCountError:
            self.link.ask("delete_item", {**self._table, "Key": count_place(view)})

    def count_rows(self, view: OnlineView) -> int | None:
        """Return how many entities have a row, None where they are more than 100,000, which cost much to read."""
        return None if self.count(view) > MOST_COUNTED else count_kept(self.link, view, MOST_COUNTED)

    def clock(self) -> datetime:
        """Return the server's time, which its answers say to the second."""
        with suppress(TableMissingError):
            self.link.ask("get_item", {**self._table, "Key": place("/", "clock")})
        return self.link.now()

    def put_record(self, view: OnlineView, data: bytes, none_after: Bound | None) -> None:
        """Keep the record unless a newer one is there."""
        item = place(home_of(view.project, view.env), record_name(field_name(view)))
        item |= {"d": {"B": data}, "c": {"B": data[:INSTANT_BYTES]}}
        request = {
            "Item": item,
            "ConditionExpression": "attribute_not_exists(c) OR c <= :new OR c > :bound",
            "ExpressionAttributeValues": {":new": item["c"], ":bound": {"B": pack_bound(none_after)}},
        }
        self._put(request)

    def remove_record(self, view: OnlineView) -> None:
        """Remove the record of the last push."""
        if self.shared(view, record_name(field_name(view))) is not None:
            self._delete([place(home_of(view.project, view.env), record_name(field_name(view)))])

    def remove(self, view: OnlineView) -> None:
        """Remove all rows of a view version, 25 a request, and what is known of it."""
        if not self._is_there(view):
            return
        home, field = home_of(view.project, view.env), field_name(view)
        self.reset_broken_count(view)
        self._delete([place(home, record_name(field))])
        with counted(self.link, view) as counter:
            for page in self._pages(view, ("p", "k")):
                self._delete([_key_of(item) for item in page])
                counter.add(-len(page))
        names = [name for kind in ("writer", "schema") for name in self._names(home, f"{kind}/{field}/")]
        self._delete([count_place(view), *(place(home, name) for name in names)])

    def close(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self.link.close()

    def _opened(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(AT_ONCE)
        return self._pool

    def _put(self, request: Mapping[str, Any]) -> bool:
        """Put an item under a condition, and make the table where there is none; return whether it was met."""
        try:
            try:
                self.link.ask("put_item", {**self._table, **request})
            except TableMissingError:
                make_table(self.link)
                self.link.ask("put_item", {**self._table, **request})
        except ConditionRefusedError:
            return False
        return True

    def _put_schema(self, view: OnlineView, document: str) -> int:
        def put(schema_id: int, text: str) -> str:
            name = schema_name(field_name(view), schema_id)
            there = self.shared(view, name)
            if there is None:
                item = place(home_of(view.project, view.env), name) | {"d": {"S": text}}
                if self._put({"Item": item, "ConditionExpression": "attribute_not_exists(d)"}):
                    return text
                there = self.shared(view, name)
            return (there or b"").decode(errors="replace")

        return claim_schema(document, put)

    def _is_there(self, view: OnlineView) -> bool:
        """Return whether anything is known of a view version."""
        home, field = home_of(view.project, view.env), field_name(view)
        alone = self.fetch_shared(view.project, view.env, [record_name(field), f"count/{field}"])
        return alone != [None, None] or any(self._names(home, f"{kind}/{field}/") for kind in ("schema", "writer"))

    def _names(self, home: str, start: str) -> list[bytes]:
        """Return the names of what all entities share that begin so."""
        values = {":k": {"B": start.encode()}}
        found = pages(self.link, home, {"ProjectionExpression": "k"}, values, "p = :p AND begins_with(k, :k)")
        return [bytes(item["k"]["B"]) for page in found for item in page["Items"]]

    def _pages(self, view: OnlineView, attributes: Iterable[str]) -> Iterator[list[Item]]:
        return row_pages(self.link, view, _PAGE_ROWS, attributes)

    def _remove(self, limits: Mapping[str, Any], item: Item) -> RequestOutcome:
        """Remove a row unless it was computed later; one that was to be let go by now was none."""
        now_s = int(self.link.now_s())
        request = {
            **self._table,
            "Key": _key_of(item),
            "ConditionExpression": UNTIL,
            "ExpressionAttributeValues": {**limits, ":now": {"N": str(now_s)}},
            "ReturnValues": "ALL_OLD",
        }
        try:
            was = self.link.ask("delete_item", request).found.get("Attributes", {})
        except ConditionRefusedError:
            return False, True
        return bool(was) and is_kept(was, now_s), True

    def _take(self, key: Item) -> RequestOutcome:
        """Remove a row, whatever it is; one that was to be let go by now was none."""
        answer = self.link.ask("delete_item", {**self._table, "Key": key, "ReturnValues": "ALL_OLD"})
        was = answer.found.get("Attributes", {})
        return bool(was) and is_kept(was, self.link.now_s()), answer.is_first

    def _delete(self, keys: Sequence[Item]) -> None:
        """Remove items, whatever they hold; what the server leaves out is asked for again."""
        table = self.link.address.table
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            left = [{"DeleteRequest": {"Key": key}} for key in keys[start : start + _REMOVED_AT_ONCE]]
            begun_s, turn = time.monotonic(), 0
            while left:
                answer = self.link.ask("batch_write_item", {"RequestItems": {table: left}}).found
                left = answer.get("UnprocessedItems", {}).get(table, [])
                if left:
                    self.link.pause(turn, begun_s, reads=False)
                    turn += 1


def _key_of(item: Item) -> Item:
    return {"p": item["p"], "k": item["k"]}


class DynamoStore(PackedStore):
    """An `OnlineStore` in DynamoDB; a server that is silent for `answer_s` is not waited for."""

    def __init__(self, url: str, shown: str = "", answer_s: float = ANSWER_S) -> None:
        super().__init__(DynamoBytes(url, shown, answer_s))
