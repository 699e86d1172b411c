"""Reads of items: by key a hundred a request, or all of a view version's, shard after shard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import Any, Final

from featurectl.online.base import Ask, Found, OnlineView
from featurectl.online.dynamodb.connect import DynamoLink, TableMissingError
from featurectl.online.dynamodb.items import (
    LONGEST_KEY,
    NO_ENTITY,
    Item,
    data_of,
    home_of,
    is_kept,
    place,
    portions,
    row_of,
    shard_number,
    shards_of,
    view_shards,
)

KEYS_A_REQUEST: Final = 100  # DynamoDB takes no more
PlaceOfItem = tuple[str, bytes]  # partition and sort key


def wanted_rows(asks: Sequence[Ask]) -> list[list[PlaceOfItem]]:
    """Return the places of the rows that are asked for, each once, as many as a request takes at a time."""
    places = dict.fromkeys(found for ask in asks for found in chain.from_iterable(_places(ask)) if found is not None)
    return [*portions([*places], KEYS_A_REQUEST)]


def wanted_shared(project: str, env: str, names: Sequence[str]) -> list[list[PlaceOfItem]]:
    """Return the places of what all entities share, as many as a request takes at a time."""
    places = dict.fromkeys((home_of(project, env), name.encode()) for name in names)
    return [*portions([*places], KEYS_A_REQUEST)]


def found_items(link: DynamoLink, places: Sequence[PlaceOfItem], *, is_consistent: bool) -> dict[PlaceOfItem, Item]:
    """Return the items that lie in some places, which one request takes; what the server leaves out is asked again.

    Raises:
        StoreError: it fails, or leaves something out for longer than an answer is waited for.
    """
    table, begun_s, turn = link.address.table, time.monotonic(), 0
    keys: list[Item] = [place(*each) for each in places]
    found: dict[PlaceOfItem, Item] = {}
    while keys:
        asked = {table: {"Keys": keys, "ConsistentRead": is_consistent}}
        try:
            answer = link.ask("batch_get_item", {"RequestItems": asked}).found
        except TableMissingError:
            return {}
        for item in answer["Responses"].get(table, ()):
            found[item["p"]["S"], bytes(item["k"]["B"])] = item
        keys = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        if keys:
            link.pause(turn, begun_s, reads=True)
            turn += 1
    return found


def read_items(
    link: DynamoLink, pool: Executor, wanted: Sequence[Sequence[PlaceOfItem]], *, is_consistent: bool
) -> dict[PlaceOfItem, Item]:
    """Return the items in some places, several requests at once."""
    if len(wanted) == 1:
        return found_items(link, wanted[0], is_consistent=is_consistent)
    found: dict[PlaceOfItem, Item] = {}
    for some in pool.map(lambda places: found_items(link, places, is_consistent=is_consistent), wanted):
        found |= some
    return found


def rows_of(asks: Sequence[Ask], found: Mapping[PlaceOfItem, Item], now_s: float) -> list[list[Found]]:
    """Return for every ask what lies under each of its keys; a row that may be let go by now is none."""
    return [[[_row(found, place, now_s) for place in places] for places in _places(ask)] for ask in asks]


def _row(found: Mapping[PlaceOfItem, Item], place: PlaceOfItem | None, now_s: float) -> bytes | None:
    item = None if place is None else found.get(place)
    return row_of(item) if item is not None and is_kept(item, now_s) else None


def shared_of(project: str, env: str, names: Sequence[str], found: Mapping[PlaceOfItem, Item]) -> list[bytes | None]:
    """Return some of what all entities share, by name."""
    home = home_of(project, env)
    items = (found.get((home, name.encode())) for name in names)
    return [None if item is None else data_of(item) for item in items]


def _places(ask: Ask) -> Iterator[list[PlaceOfItem | None]]:
    """Yield for each key the places of its rows, by field; a key that is too long has none."""
    shards = [shards_of(ask.project, ask.env, field) for field in ask.fields]
    for key in ask.keys:
        number = shard_number(key)
        yield [(of[number], key or NO_ENTITY) if len(key) <= LONGEST_KEY else None for of in shards]


def pages(
    link: DynamoLink, partition: str, asked: Mapping[str, Any], values: Mapping[str, Any], condition: str = "p = :p"
) -> Iterator[Mapping[str, Any]]:
    """Yield the answers to a query of a partition, page by page; none where there is no table."""
    request: dict[str, Any] = {
        "TableName": link.address.table,
        "KeyConditionExpression": condition,
        "ConsistentRead": True,
        **asked,
        "ExpressionAttributeValues": {":p": {"S": partition}, **values},
    }
    while True:
        try:
            page = link.ask("query", request).found
        except TableMissingError:
            return
        yield page
        last = page.get("LastEvaluatedKey")
        if not last:
            return
        request["ExclusiveStartKey"] = last


def row_pages(link: DynamoLink, view: OnlineView, size: int, attributes: Iterable[str]) -> Iterator[list[Item]]:
    """Yield the items of a view version's rows, some at a time, with some of their attributes."""
    asked = {"ProjectionExpression": ", ".join(attributes), "Limit": size}
    for partition in view_shards(view):
        for page in pages(link, partition, asked, {}):
            yield page["Items"]


def count_kept(link: DynamoLink, view: OnlineView, most: int | None = None) -> int | None:
    """Return how many rows of a view version there are that are not to be let go; None where they are more."""
    count, now = 0, {":now": {"N": str(int(link.now_s()))}}
    asked = {"Select": "COUNT", "FilterExpression": "attribute_not_exists(t) OR t > :now"}
    for partition in view_shards(view):
        for page in pages(link, partition, asked, now):
            count += page["Count"]
            if most is not None and count > most:
                return None
    return count
