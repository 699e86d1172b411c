"""Erasures with real servers that are gone, hang, are killed in the middle, or come back from a backup."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from featurectl.online.postgres.store import PostgresBytes
from tests.end_to_end.test_hanging_stores import hurry
from tests.model_shop import PROJECT, VIEWS, Shop, open_shop, write_files
from tests.servers.pausing import hanging
from tests.servers.postgres import OwnPostgres, own_postgres
from tests.servers.redis import RedisServer, redis_server

pytestmark = pytest.mark.long
CANARY = "canary-51c0"
LIMIT_S = 30
UNFINISHED = "Not finished: online store. `featurectl erase --again` goes on once what failed is mended."
REMINDED = "1 erasure is not finished: `featurectl erase --again`"
RESTORED = "online store: restored from before an erasure"


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
            return [key for key in client.scan_iter() if CANARY.encode() in key + repr(client.hgetall(key)).encode()]


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


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("backup")
    with ExitStack() as stack:
        if request.param == "redis":
            yield OwnRedis(stack.enter_context(redis_server()), folder)
        else:
            yield OwnPostgresStore(stack.enter_context(own_postgres()), folder)


@pytest.fixture
def shop(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        write_files(tmp_path, VIEWS)
        with (tmp_path / "s.csv").open("a") as rows:
            rows.write(f"{CANARY},2026-01-02T00:00:00Z,a,7,1.5\n")
        (tmp_path / "featurectl.yaml").write_text(PROJECT.replace("sqlite:///on.db", server.url))
        opened.run("apply", "--auto-approve")
        opened.run("materialize")
        assert server.found()
        yield opened


class _Gone:
    """A server that is gone as long as this lasts; what it has it has of its backup."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> None:
        self._server.save()
        self._server.kill()

    def __exit__(self, *_: object) -> None:
        self._server.start()
        self._server.restore()


Away = Callable[[Server], AbstractContextManager[None]]


@pytest.mark.parametrize("away", [_Gone, lambda server: hanging(server.pid())], ids=["gone", "hangs"])
def test_a_store_that_does_not_answer_is_named_until_it_is_done_over(
    shop: Shop, server: Server, monkeypatch: pytest.MonkeyPatch, away: Away
):
    hurry(monkeypatch, 1)
    with away(server):
        begun = time.monotonic()
        said = shop.run("erase", "key", f"k={CANARY}", code=69)
        assert "error[FC602]" in said.err
        assert UNFINISHED in said.out
        assert REMINDED in shop.run("status", code=1).out
        assert time.monotonic() - begun < LIMIT_S
    assert server.found()
    assert REMINDED in shop.run("status").out
    assert UNFINISHED not in shop.run("erase", "--again").out
    assert server.found() == []
    assert "eras" not in shop.run("status").out


@pytest.mark.parametrize("words", [["erase", "--again"], ["push"], ["materialize"]], ids=" ".join)
def test_a_backup_of_a_store_is_named_and_cleaned(shop: Shop, server: Server, words: list[str]):
    server.save()
    shop.run("erase", "key", f"k={CANARY}")
    assert server.found() == []
    assert "eras" not in shop.run("status").out
    server.restore()
    assert server.found()
    assert RESTORED in shop.run("status").out
    assert "NOT_FOUND" in shop.run("get", "v", f"k={CANARY}").out
    shop.run(*words)
    assert server.found() == []
    assert "eras" not in shop.run("status").out


@pytest.mark.parametrize("step", ["remove_keys", "wipe", "_rows", "put_record"])
@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_a_postgres_that_is_killed_in_the_middle_is_done_over(shop: Shop, server: Server, step: str):
    server.save()

    def killed(self: PostgresBytes, *given: Any, **named: Any) -> Any:
        server.kill()
        return kept(self, *given, **named)

    kept = getattr(PostgresBytes, step)
    for words, reminded in ((["key", f"k={CANARY}"], REMINDED), (["--again"], RESTORED)):
        server.restore()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(PostgresBytes, step, killed)
            assert UNFINISHED in shop.run("erase", *words, code=69).out
        server.start()
        rows_miss = step == "put_record"  # which status says, too: the row is gone, and the push of it on record
        assert reminded in shop.run("status", code=int(rows_miss)).out
        shop.run("erase", "--again")
        assert server.found() == []
        if rows_miss:
            shop.run("push")
        assert "eras" not in shop.run("status").out
