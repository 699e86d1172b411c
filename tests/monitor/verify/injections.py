"""Faults put into an online store's bytes or into the files of a prediction log, without featurectl.

    python -m tests.monitor.verify.injections FAULT ORDERS.parquet STORE_URL|LOG_FOLDER

What a fault makes of the values of the view `spend` is computed here, row by row in plain Python.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
import msgpack
import polars as pl
import psycopg
import redis
from psycopg import sql

NOW = datetime(2026, 1, 8, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HEADER = {1: 24, 2: 16, 3: 16}  # bytes of a row before its values, by its format
HOME = "verified/dev"
Order = tuple[datetime, datetime, int]  # when it happened, when it was known, its amount
Values = dict[str, object]


@dataclass(frozen=True)
class Pipeline:
    """How a pipeline computes the windows of `spend`; the defaults are how it is right."""

    closed: str = "left"
    more_than: int = -1
    known_within: timedelta = timedelta(days=1_000)
    clock: timedelta = timedelta(0)
    spoiled: tuple[int, ...] = field(default=())  # users

    def values(self, orders: list[Order], user: int, t: datetime) -> Values:
        """Return what it serves of a user at an instant."""
        t += self.clock
        known = [o for o in orders if o[1] <= t and o[2] > self.more_than and o[1] - o[0] <= self.known_within]
        day, week = ([o[2] for o in known if self._is_in(o[0], t - length, t)] for length in (DAY, 7 * DAY))
        total = sum(week) + (1_000 if user in self.spoiled else 0) if week or user in self.spoiled else None
        return {
            "count_1d": len(day),
            "count_7d": len(week),
            "amount_sum_7d": total,
            "amount_max_7d": max(week, default=None),
        }

    def _is_in(self, at: datetime, begin: datetime, end: datetime) -> bool:
        if self.closed == "left":
            return begin <= at < end
        return begin < at <= end


FAULTS: Mapping[str, Pipeline] = {
    "wrong version served": Pipeline(more_than=10),
    "shifted clock": Pipeline(clock=-5 * HOUR),
    "dropped late rows": Pipeline(known_within=DAY),
    "changed boundary": Pipeline(closed="right"),
    "stale push": Pipeline(clock=-DAY),
    "corrupted value": Pipeline(spoiled=(3, 8, 13)),
}


def read_orders(path: Path) -> dict[int, list[Order]]:
    """Return the orders of each user."""
    orders: dict[int, list[Order]] = {}
    for user, *order in pl.read_parquet(path).select("user", "at", "seen", "amount").iter_rows():
        orders.setdefault(user, []).append(tuple(order))
    return orders


class SqliteBytes:
    """The rows of `spend@1` in a SQLite file."""

    def __init__(self, path: str) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        (self._view,) = self._file.execute("select id from views where view = 'spend' and version = 1").fetchone()

    def rows(self) -> dict[bytes, bytes]:
        return dict(self._file.execute("select entity, row from rows where view = ?", (self._view,)))

    def schema(self, number: int) -> str:
        found = self._file.execute("select document from schemas where view = ? and id = ?", (self._view, number))
        return str(found.fetchone()[0])

    def put(self, key: bytes, row: bytes) -> None:
        self._file.execute("update rows set row = ? where view = ? and entity = ?", (row, self._view, key))

    def drop(self, key: bytes) -> None:
        self._file.execute("delete from rows where view = ? and entity = ?", (self._view, key))

    def add(self, key: bytes, row: bytes) -> None:
        self._file.execute("insert into rows values (?, ?, ?)", (self._view, key, row))

    def close(self) -> None:
        self._file.close()


class RedisBytes:
    """The rows of `spend@1` in Redis."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._begin = f"{HOME}:{{".encode()

    def rows(self) -> dict[bytes, bytes]:
        keys = list(self._client.scan_iter(match=self._begin + b"*"))
        found = {key[len(self._begin) : -1]: self._client.hget(key, "spend@1") for key in keys}
        return {key: row for key, row in found.items() if row is not None}  # type: ignore[misc]

    def schema(self, number: int) -> str:
        return self._client.hget(HOME, f"schema/spend@1/{number}").decode()  # type: ignore[union-attr, union-attr]

    def put(self, key: bytes, row: bytes) -> None:
        self._client.hset(self._begin + key + b"}", "spend@1", row)

    def drop(self, key: bytes) -> None:
        self._client.hdel(self._begin + key + b"}", "spend@1")

    add = put

    def close(self) -> None:
        self._client.close()


class PostgresBytes:
    """The rows of `spend@1` in PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        found = self._connection.execute(
            "select rows_table from featurectl_online.views where view = 'spend' and version = 1"
        )
        [(table,)] = found.fetchall()
        self._table = sql.Identifier("featurectl_online", table)

    def rows(self) -> dict[bytes, bytes]:
        return dict(self._connection.execute(sql.SQL("select entity, row from {}").format(self._table)).fetchall())

    def schema(self, number: int) -> str:
        query = "select document from featurectl_online.schemas where view = 'spend' and version = 1 and id = %s"
        [(document,)] = self._connection.execute(query, (number,)).fetchall()
        return str(document)

    def put(self, key: bytes, row: bytes) -> None:
        query = sql.SQL("update {} set row = %s where entity = %s").format(self._table)
        self._connection.execute(query, (row, key))

    def drop(self, key: bytes) -> None:
        self._connection.execute(sql.SQL("delete from {} where entity = %s").format(self._table), (key,))

    def add(self, key: bytes, row: bytes) -> None:
        self._connection.execute(sql.SQL("insert into {} values (%s, %s)").format(self._table), (key, row))

    def close(self) -> None:
        self._connection.close()


class DynamoDbBytes:
    """The rows of `spend@1` in DynamoDB."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._table = address.path.removeprefix("/")
        endpoint = dict(parse_qsl(address.query))["endpoint"]
        self._client = boto3.client("dynamodb", region_name=address.netloc, endpoint_url=endpoint)

    def rows(self) -> dict[bytes, bytes]:
        return {key: item["r"]["B"] for (_, key), item in self._items().items()}

    def schema(self, number: int) -> str:
        place = {"p": {"S": HOME}, "k": {"B": f"schema/spend@1/{number}".encode()}}
        return str(self._client.get_item(TableName=self._table, Key=place)["Item"]["d"]["S"])

    def put(self, key: bytes, row: bytes) -> None:
        self.add(key, row)

    def drop(self, key: bytes) -> None:
        self._client.delete_item(TableName=self._table, Key=self._place(key))

    def add(self, key: bytes, row: bytes) -> None:
        self._client.put_item(
            TableName=self._table,
            Item={**self._place(key), "r": {"B": row}, "e": {"B": row[3:24]}, "c": {"B": row[17:24]}},
        )

    def close(self) -> None:
        self._client.close()

    def _place(self, key: bytes) -> dict[str, Any]:
        return {"p": {"S": f"{HOME}/spend@1/{zlib.crc32(key) % 16:x}"}, "k": {"B": key}}

    def _items(self) -> dict[tuple[str, bytes], Any]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._table)
        items = {(item["p"]["S"], item["k"]["B"]): item for page in pages for item in page["Items"]}
        return {place: item for place, item in items.items() if place[0].startswith(f"{HOME}/spend@1/")}


def open_bytes(url: str) -> SqliteBytes | RedisBytes | PostgresBytes | DynamoDbBytes:
    """Return the bytes behind the URL of an online store."""
    if url.startswith("dynamodb"):
        return DynamoDbBytes(url)
    if url.startswith("postgresql"):
        return PostgresBytes(url)
    return RedisBytes(url) if url.startswith("redis") else SqliteBytes(url.removeprefix("sqlite:///"))


def user_of(key: bytes) -> int:
    """Return the user of a packed key.

    >>> user_of(b"i2:42")
    42
    """
    return int(key.partition(b":")[2])


def inject_store(fault: str, orders: Mapping[int, list[Order]], url: str, now: datetime = NOW) -> int:
    """Put the values of a fault in place of those of every row, and return how many rows have others then."""
    changed = 0
    with closing(open_bytes(url)) as store:
        for key, row in store.rows().items():
            names = [name for name, _ in json.loads(store.schema(int.from_bytes(row[1:3], "big")))["features"]]
            values = FAULTS[fault].values(orders.get(user_of(key), []), user_of(key), now)
            other = row[: HEADER[row[0]]] + msgpack.packb([values[name] for name in names])
            if other != row:
                store.put(key, other)
                changed += 1
    return changed


def log_files(folder: Path) -> Iterator[Path]:
    """Give the files of a prediction log."""
    yield from sorted(folder.rglob("*.parquet"))


def change_log(folder: Path, change: Callable[[dict[str, Any]], None]) -> int:
    """Change the rows of a log, one after the other, and return how many are others then."""
    changed = 0
    for file in log_files(folder):
        frame = pl.read_parquet(file)
        rows = frame.to_dicts()
        for row in rows:
            before = dict(row)
            change(row)
            changed += row != before
        pl.DataFrame(rows, schema=frame.schema).write_parquet(file)
    return changed


def inject_log(fault: str, orders: Mapping[int, list[Order]], folder: Path) -> int:
    """Put the values of a fault in place of those that were logged, and return how many rows have others then."""

    def change(row: dict[str, Any]) -> None:
        user, computed = row["user"], row["computed_at.spend@1"]
        values = FAULTS[fault].values(orders.get(user, []), user, computed)
        row |= {f"feature.{name}": value for name, value in values.items()}

    return change_log(folder, change)


def main() -> None:
    """Inject one fault."""
    fault, orders, place = sys.argv[1:]
    if "://" in place:
        changed = inject_store(fault, read_orders(Path(orders)), place)
    else:
        changed = inject_log(fault, read_orders(Path(orders)), Path(place))
    sys.stdout.write(f"{changed} rows\n")


if __name__ == "__main__":
    main()
