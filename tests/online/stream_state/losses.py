"""Real stores that come back from an older snapshot, as `Losses`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import redis

from featurectl.online.redis.slots import slot_of, slot_tags
from featurectl.online.stream_state.base import StreamSource
from tests.servers.cluster import SLOTS
from tests.servers.postgres import END_OTHERS


class SqliteLosses:
    """A file that is put back as it was."""

    masters = [""]  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = path.with_suffix(".kept")

    def key_of(self, entity: int) -> bytes:
        return b"i1:%d" % entity

    def keep(self, m: int) -> None:  # noqa: ARG002
        self._kept.unlink(missing_ok=True)
        with closing(sqlite3.connect(self._path)) as there, closing(sqlite3.connect(self._kept)) as kept:
            there.backup(kept)

    def restore(self, m: int) -> None:  # noqa: ARG002
        copy = self._path.with_suffix(".copy")
        copy.write_bytes(self._kept.read_bytes())
        for beside in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{beside}").unlink()
        copy.replace(self._path)


class PostgresLosses:
    """A database that is put back as it was, and ends the connections to it."""

    masters = [""]  # noqa: RUF012

    def __init__(self, url: str) -> None:
        self._url = url
        self._kept: dict[str, list[tuple[object, ...]]] = {}

    def key_of(self, entity: int) -> bytes:
        return b"i1:%d" % entity

    def keep(self, m: int) -> None:  # noqa: ARG002
        with psycopg.connect(self._url) as connection:
            connection.execute("set transaction isolation level repeatable read")
            self._kept = {name: connection.execute(f"select * from {name}").fetchall() for name in _TABLES}

    def restore(self, m: int) -> None:  # noqa: ARG002
        with psycopg.connect(self._url) as connection:
            connection.execute(END_OTHERS)
            connection.execute(f"truncate {', '.join(_TABLES)}")
            for name, rows in self._kept.items():
                if rows:
                    values = ", ".join(["%s"] * len(rows[0]))
                    connection.cursor().executemany(f"insert into {name} values ({values})", rows)


_TABLES = [
    f"featurectl_online.stream_{name}"
    for name in ("sources", "partitions", "stamps", "views", "generations", "cuts", "elements")
]


class RedisLosses:
    """Servers that lose what they were told of one environment, each by itself, and end the connections to it."""

    def __init__(self, urls: Sequence[str], source: StreamSource) -> None:
        self._clients = [redis.Redis.from_url(url) for url in urls]
        self._source = source
        self._kept: list[dict[bytes, bytes]] = [{} for _ in urls]
        count = len(urls)
        self._slots = [at * SLOTS // count for at in range(count + 1)]
        firsts = [next(slot for slot in range(0, SLOTS, SLOTS // 16) if slot >= first) for first in self._slots[:-1]]
        self.masters = [slot_tags()[slot].decode() for slot in firsts] if count > 1 else ["0"]

    def key_of(self, entity: int) -> bytes:
        m = entity % len(self.masters)
        return next(key for number in range(10_000) if self.lies_on(m, key := b"i%d:%d" % (entity, number)))

    def lies_on(self, m: int, key: bytes) -> bool:
        """Return whether a key lies on a master."""
        return self._slots[m] <= slot_of(key) < self._slots[m + 1]

    def keep(self, m: int) -> None:
        client = self._clients[m]
        self._kept[m] = {key: client.dump(key) or b"" for key in self._keys(m)}

    def restore(self, m: int) -> None:
        client = self._clients[m]
        with client.pipeline(transaction=False) as pipe:
            for key in self._keys(m):
                pipe.delete(key)
            for key, data in self._kept[m].items():
                pipe.restore(key, 0, data)
            pipe.execute()
        client.client_kill_filter(_type="normal", skipme=True)

    def _keys(self, m: int) -> list[bytes]:
        return list(self._clients[m].scan_iter(f"{self._source.project}/{self._source.env}/*", 1_000))

    def close(self) -> None:
        for client in self._clients:
            client.close()
