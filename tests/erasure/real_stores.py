"""Online stores on real servers, which are killed, and put back to a backup of before an erasure."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import redis

from tests.servers.postgres import OwnPostgres, own_postgres
from tests.servers.redis import RedisServer, redis_server

CANARY = "canary-51c0"


class Server(Protocol):
    """An online store on a server of its own, which may be killed, and put back to a backup."""

    url: str

    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...
    def save(self) -> None:
        """Make a backup."""

    def restore(self) -> None:
        """Put the backup in place of all that is there."""

    def found(self) -> Sequence[object]:
        """Return what has the canary of all that the server gives out."""


class OwnRedis:
    """A Redis, and its RDB file of before."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self._server, self._backup = server, folder / "before.rdb"
        self.url = server.url
        with server.client() as client:
            self._file = Path(client.config_get("dir")["dir"]) / "dump.rdb"
        self.kill, self.start = server.kill, server.start

    def pid(self) -> int:
        return self._server.pid

    def save(self) -> None:
        with self._server.client() as client:
            client.save()
        shutil.move(self._file, self._backup)

    def restore(self) -> None:
        self.kill()
        shutil.copy(self._backup, self._file)
        self.start()

    def found(self) -> Sequence[object]:
        with self._server.client() as client:
            return [key for key in client.scan_iter() if CANARY.encode() in key + repr(_content(client, key)).encode()]


def _content(client: redis.Redis, key: bytes) -> object:
    kind = client.type(key)
    return (
        client.lrange(key, 0, -1) if kind == b"list" else client.hgetall(key) if kind == b"hash" else client.dump(key)
    )


class OwnPostgresStore:
    """A PostgreSQL, and a dump of before."""

    def __init__(self, server: OwnPostgres, folder: Path) -> None:
        self._server, self._backup = server, folder / "before.sql"
        self.url = server.server.url
        self.kill, self.start = server.kill, server.start

    def pid(self) -> int:
        return self._server.server.pid

    def save(self) -> None:
        self._backup.write_bytes(self._dump("--clean", "--if-exists"))

    def restore(self) -> None:
        psql: list[str | Path] = [self._server.programs / "psql", "-q", "-d", self.url, "-f", self._backup]
        subprocess.run(psql, check=True, capture_output=True, cwd="/")
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute("analyze")

    def found(self) -> Sequence[object]:
        spelled = CANARY.encode().hex()
        with psycopg.connect(self.url) as session:
            asked = "select tablename, attname from pg_stats where schemaname !~ '^pg_' and pg_stats::text like %s"
            known = session.execute(asked, (f"%{spelled}%",)).fetchall()
        return [*known, *(line for line in self._dump().splitlines() if spelled.encode() in line)]

    def _dump(self, *options: str) -> bytes:
        dump: list[str | Path] = [self._server.programs / "pg_dump", "-d", self.url, *options]
        return subprocess.run(dump, check=True, capture_output=True, cwd="/").stdout


@contextmanager
def own_store(kind: str, folder: Path) -> Iterator[Server]:
    """Give a store of its own, "redis" or "postgres"; its backup lies in a folder."""
    with ExitStack() as stack:
        if kind == "redis":
            yield OwnRedis(stack.enter_context(redis_server()), folder)
        else:
            yield OwnPostgresStore(stack.enter_context(own_postgres()), folder)
