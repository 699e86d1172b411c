"""Packed rows on their way into a table: each under a condition, some at once, whatever other writers do.

DynamoDB writes many items by one request only without conditions. An older row could then replace a newer one, where a
request was under way as another writer came, so each row is a request of its own: it costs as much, and takes longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from featurectl.core.errors import DataError
from featurectl.online.base import OnlineView
from featurectl.online.base_backend import PackedWriting
from featurectl.online.codec import pack_bound
from featurectl.online.corrupt_rows import shown_key
from featurectl.online.dynamodb.connect import ConditionRefusedError, DynamoLink
from featurectl.online.dynamodb.items import (
    LARGEST_ITEM,
    LONGEST_KEY,
    Item,
    is_kept,
    item_bytes,
    put_if_newer,
    row_item,
    view_shards,
)
from featurectl.online.row_schema import field_name

if TYPE_CHECKING:
    from featurectl.online.encode.rows import PackedChunk

ROWS_A_TURN: Final = 1_000  # written before they are counted, and whoever waits hears of it
RequestOutcome = tuple[bool, bool]  # what a request did: an entity is new, or gone; it is certain


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came of some requests: how many entities are new or gone, and whether that is certain."""

    changed: int
    is_certain: bool


class RowWriter:
    """Writes rows of a view version, several at once."""

    def __init__(self, link: DynamoLink, view: OnlineView, writing: PackedWriting, pool: Executor) -> None:
        self._link, self._view, self._writing, self._pool = link, view, writing, pool
        self._shards = view_shards(view)
        kept_until = writing.how.kept_until
        self._until_s = None if kept_until is None else math.ceil(kept_until.timestamp())

    def turns(self, chunk: PackedChunk) -> Iterable[Sequence[Item]]:
        """Return the items of a chunk, so many at a time.

        Raises:
            DataError: one is larger than DynamoDB takes.
        """
        pairs = zip(chunk.keys.parts(), chunk.rows().parts(), strict=True)
        items = [self._item(key, row) for key, row in pairs]
        return (items[start : start + ROWS_A_TURN] for start in range(0, len(items), ROWS_A_TURN))

    def write(self, items: Sequence[Item]) -> Written:
        """Write rows unless newer ones are there, and return how many entities are new."""
        bound, now_s = pack_bound(self._writing.how.none_after), int(self._link.now_s())
        return each_at_once(self._pool, lambda item: self._put(item, bound, now_s), items)

    def _put(self, item: Item, bound: bytes, now_s: int) -> RequestOutcome:
        request = put_if_newer(item, self._writing.order, bound, now_s)
        try:
            answer = self._link.ask("put_item", {"TableName": self._link.address.table, **request})
        except ConditionRefusedError:
            return False, True
        was = answer.found.get("Attributes")
        return not was or not is_kept(was, now_s), answer.is_first

    def _item(self, key: bytes, row: bytes) -> Item:
        item = row_item(self._shards, key, row, self._until_s)
        if len(key) > LONGEST_KEY:
            raise self._too_large(key, f"its key has {len(key):,} bytes, DynamoDB takes {LONGEST_KEY:,}")
        if (size := item_bytes(item)) > LARGEST_ITEM:
            raise self._too_large(key, f"it has {size:,} bytes, DynamoDB takes {LARGEST_ITEM:,}")
        return item

    def _too_large(self, key: bytes, what: str) -> DataError:
        whose = f"{field_name(self._view)} {shown_key(key, [*self._view.keys])}"
        hint = "keep shorter lists and texts in the view, or its rows in another store"
        return DataError(f"a row is too large for the online store: {whose}: {what}", code="FC618", hint=hint)


def each_at_once(pool: Executor, do: Callable[[Any], RequestOutcome], things: Sequence[Any]) -> Written:
    """Return what came of doing something with each of some things, several at once.

    Where one fails the rest is not begun, and what is under way ends before the error is raised.
    """
    tasks: list[Future[RequestOutcome]] = [pool.submit(do, thing) for thing in things]
    try:
        done = [task.result() for task in tasks]
    except BaseException:
        for task in tasks:
            task.cancel()
        wait(tasks)
        raise
    return Written(changed=sum(changed for changed, _ in done), is_certain=all(certain for _, certain in done))
