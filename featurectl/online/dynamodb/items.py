"""What lies in the table: an item for each row, and items of what all entities of an environment share.

    p (string, partition key)                      k (binary, sort key)              the rest
    <project>/<env>/<view>@<version>/<shard>       <entity key>, `-` without entity  r e c, perhaps t
    <project>/<env>                                schema/<view>@<version>/<id>      d: schema document
                                                   push/<view>@<version>             d: push record, c
                                                   count/<view>@<version>            n: entities, g: how often counted
                                                   writer/<view>@<version>/<token>   u: who writes, until when

`r` is the packed row (`online/codec.py`). `e` are its bytes 3-23 and `c` its bytes 17-23, the instants that make it
newer, so that a condition can compare them: binary attributes compare by unsigned bytes. `t` is when it may be let go,
in seconds of Unix time, and the table's attribute of TTL. The shard is one hexadecimal digit: the CRC-32 of the
entity's key modulo 16, so that no partition has all of a view. Names are short, as they count in each item.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from featurectl.online.base import OnlineView, VersionedBy
from featurectl.online.codec import NEWER_BYTES
from featurectl.online.row_schema import field_name

SHARDS: Final = 16
NO_ENTITY: Final = b"-"  # a key has a byte at least; those of entities begin with a letter
LONGEST_KEY: Final = 1_024  # bytes of a sort key
LARGEST_ITEM: Final = 400 * 1_024  # bytes, names of attributes among them
UNIT_BYTES: Final = 1_024  # of a write that is paid once
TTL: Final = "t"
_TTL_BYTES: Final = 8  # ten digits of a number, and a bit more
Item = dict[str, dict[str, Any]]
ORDERS: Final[Mapping[VersionedBy, str]] = {"event": "e", "computed": "c"}
IS_LATE: Final = "t <= :now"
ORDER_BYTES: Final = sum(end - begin for begin, end in NEWER_BYTES.values())
_OLDER: Final = {
    order: f"attribute_not_exists({name}) OR {name} <= :new OR c > :bound OR {IS_LATE}"
    for order, name in ORDERS.items()
}
UNTIL: Final = f"attribute_not_exists(c) OR c <= :until OR c > :bound OR {IS_LATE}"


def home_of(project: str, env: str) -> str:
    """Return the partition of what all entities of an environment share."""
    return f"{project}/{env}"


def shards_of(project: str, env: str, field: str) -> list[str]:
    """Return the partitions of a view version's rows."""
    return [f"{project}/{env}/{field}/{shard:x}" for shard in range(SHARDS)]


def view_shards(view: OnlineView) -> list[str]:
    """Return the partitions of a view version's rows."""
    return shards_of(view.project, view.env, field_name(view))


def shard_number(key: bytes) -> int:
    """Return the number of the shard of an entity's packed key.

    >>> shard_number(b"s3:JFK"), shard_number(b"s3:EWR")
    (2, 15)
    """
    return zlib.crc32(key) % SHARDS


def place(partition: str, name: str | bytes) -> Item:
    """Return the key of an item."""
    return {"p": {"S": partition}, "k": {"B": name.encode() if isinstance(name, str) else name}}


def entity_of(found: Mapping[str, Any]) -> bytes:
    """Return the packed key of the entity of an item."""
    key = bytes(found["k"]["B"])
    return b"" if key == NO_ENTITY else key


def row_place(shards: list[str], key: bytes) -> Item:
    """Return the key of the item of an entity's row."""
    return place(shards[shard_number(key)], key or NO_ENTITY)


def row_item(shards: list[str], key: bytes, row: bytes, until_s: int | None) -> Item:
    """Return the item of a row, kept until an instant of Unix time, or for ever."""
    item = row_place(shards, key)
    item["r"] = {"B": row}
    for order, name in ORDERS.items():
        item[name] = {"B": row[slice(*NEWER_BYTES[order])]}
    if until_s is not None:
        item[TTL] = {"N": str(until_s)}
    return item


def item_bytes(item: Item) -> int:
    """Return how large an item is, as DynamoDB counts: names and values."""
    return sum(len(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    return _TTL_BYTES if kind == "N" else len(content.encode() if kind == "S" else content)


def write_units(view: OnlineView, size: int) -> int:
    """Return how many write units a row costs that has, with its key, so many bytes: one for each kB that it begins."""
    around = sum(len(name) for name in "pkrec") + len(view_shards(view)[0]) + ORDER_BYTES
    return -(-(size + around) // UNIT_BYTES)


def put_if_newer(item: Item, order: VersionedBy, bound: bytes, now_s: int) -> dict[str, Any]:
    """Return the request that writes a row unless a newer one is there, and answers what was there."""
    values = {":new": item[ORDERS[order]], ":bound": {"B": bound}, ":now": {"N": str(now_s)}}
    return {
        "Item": item,
        "ConditionExpression": _OLDER[order],
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_OLD",
    }


def is_kept(found: Mapping[str, Any], now_s: float) -> bool:
    """Return whether the item of a row is not to be let go by now."""
    until = found.get(TTL, {}).get("N")
    return until is None or float(until) > now_s


def row_of(found: Mapping[str, Any]) -> bytes:
    """Return the packed row of an item; of one that another program has written as something else it is empty."""
    row = found.get("r", {}).get("B", b"")
    return bytes(row)


def data_of(found: Mapping[str, Any]) -> bytes:
    """Return the document or the record of an item."""
    data = found.get("d", {})
    return bytes(data["B"]) if "B" in data else str(data.get("S", "")).encode()


def portions(things: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield things so many at a time."""
    for start in range(0, len(things), size):
        yield things[start : start + size]
