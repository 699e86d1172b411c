"""A store that hangs ends a command in bounded time, with 69 and a message that names it: commands by stores."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
import pytest
from deltalake import write_deltalake

from featurectl.cli.main import main
from featurectl.core.postgres import connect_limited, connect_watched
from tests import web
from tests.model_shop import PROJECT, Shop, objects, write_files
from tests.servers.pausing import hanging
from tests.servers.postgres import PostgresServer, started_postgres
from tests.servers.redis import free_port, redis_server
from tests.serving.process import running

LIMIT_S = 60  # a hang breaks it; with the limits below a command takes a few seconds
TRIES = 5  # at a server that goes on again, on a slow machine
URLS = ("sqlite:///r.db", "off,", "sqlite:///on.db")
ANSWERS = {
    "registry": "error[FC601]: registry postgresql://",
    "offline": "no answer from http://",
    "online": "redis://",
}
WORDS = {
    "plan": ("plan",), "apply": ("apply", "--auto-approve"), "history": ("history",),
    "materialize": ("materialize",), "rebuild": ("materialize", "--full"), "push": ("push",),
    "get": ("get", "v", "k=k1"), "status": ("status", "-v"), "why": ("why", "v"), "verify": ("verify", "--store"),
    "train": ("train", "m"), "score": ("score", "m", "--out", "scores.csv"),
    "training-set": ("training-set", "m", "--out", "rows.csv"), "card": ("models", "show", "m", "--card"),
    "promote": ("models", "promote", "m@2"), "export": ("models", "export", "m", "--out", "exported"),
}  # fmt: skip
# Which exit codes a command has without each store: 69 where it is needed, 1 where what is wrong is what is shown.
CODES = {
    "plan": (69, 0, 0), "apply": (69, 0, 69), "history": (69, 0, 0),
    "materialize": (69, 69, 69), "rebuild": (69, 69, 69), "push": (69, 69, 69),
    "get": (69, 0, 69), "status": (69, 1, 1), "why": (69, 1, 1), "verify": (69, 69, 69),
    "train": (69, 69, 0), "score": (69, 69, 0),
    "training-set": (69, 69, 0), "card": (69, 69, 0),
    "promote": (69, 69, 0), "export": (69, 69, 0),
}  # fmt: skip
CASES = [
    pytest.param(
        command, store, code, marks=[] if (command, store) == ("materialize", "offline") else [pytest.mark.stress]
    )
    for command, codes in CODES.items()
    for store, code in zip(ANSWERS, codes, strict=True)
]


@dataclass(frozen=True, slots=True)
class Servers:
    """A project, and the processes of its stores."""

    root: Path
    pids: dict[str, int]


@pytest.fixture(scope="module")
def postgres(postgres_server) -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    if postgres_server.pid:
        yield postgres_server
        return
    with started_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def servers(tmp_path_factory, postgres, s3_server) -> Iterator[Servers]:
    """A project in three servers, applied and materialized."""
    root = tmp_path_factory.mktemp("hanging")
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        url = stack.enter_context(postgres.database())
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in s3_server.environ.items():
            patched.setenv(name, value)
        patched.chdir(root)
        write_files(root, objects())
        text = PROJECT
        for before, after in zip(URLS, (url, f"{s3_server.location()},", redis.url), strict=True):
            text = text.replace(before, after)
        (root / "featurectl.yaml").write_text(text)
        shop = Shop(root, _Silent())
        shop.run("apply", "--auto-approve")
        shop.run("materialize")
        yield Servers(root, {"registry": postgres.pid, "offline": s3_server.pid, "online": redis.pid})


class _Silent:
    """Stands for `capsys`, which no fixture of a module can have."""

    def readouterr(self) -> None:
        """Say nothing."""


def hurry(monkeypatch, seconds: float) -> None:
    """Let this process wait so long for a store."""
    for name in ("CONNECT_S", "READ_S", "RETRY_S"):
        monkeypatch.setattr(f"featurectl.core.object_store.{name}", seconds)
    monkeypatch.setattr("featurectl.online.redis.connect.ANSWER_S", seconds)
    monkeypatch.setattr("featurectl.online.postgres.connect.ANSWER_S", seconds)
    monkeypatch.setattr("featurectl.registry.database.ANSWER_LIMIT_S", seconds)
    monkeypatch.setattr("featurectl.registry.database.CONNECT_LIMIT_S", 2)
    monkeypatch.setattr("featurectl.core.postgres.PROBE_S", seconds)
    monkeypatch.setattr("featurectl.core.postgres.CONNECT_S", 2)


@pytest.fixture
def hurried(monkeypatch):
    """A process that waits for a store as long as a test may."""
    hurry(monkeypatch, 0.3)


@pytest.fixture
def shop(servers, hurried, s3, monkeypatch):  # noqa: ARG001  # after this fixture
    monkeypatch.chdir(servers.root)
    return servers


def run(capsys, *words: str) -> tuple[int, str]:
    """Run a command, which must end in time, and return its code and all that it said."""
    begin = time.monotonic()
    code = main([*words, "-q"])
    assert time.monotonic() - begin < LIMIT_S
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    return code, said.out + said.err


def train(root: Path) -> None:
    """See that there are two versions of the model."""
    if not (root / "trained").exists():
        for _ in range(2):
            Shop(root, _Silent()).run("train", "m")
        (root / "trained").touch()


@pytest.mark.parametrize(("command", "store", "code"), CASES)
def test_a_command_ends_where_a_store_hangs(shop, capsys, command, store, code):
    if "m" in "".join(WORDS[command][1:2]) or command == "promote":
        train(shop.root)
    with hanging(shop.pids[store]):
        found, said = run(capsys, *WORDS[command])
    assert found == code, said
    assert code == 0 or ANSWERS[store] in said
    if command == "materialize":
        runs = [run(capsys, *WORDS[command])]
        while runs[-1][0] == 69 and len(runs) < TRIES:  # a server works off first what it was asked while it hung
            runs.append(run(capsys, *WORDS[command]))
        assert runs[-1][0] == 0, runs


@pytest.mark.long
@pytest.mark.usefixtures("hurried")
def test_a_command_ends_where_an_online_store_in_postgresql_hangs(tmp_path, postgres, capsys, monkeypatch):
    write_files(tmp_path, objects())
    monkeypatch.chdir(tmp_path)
    with postgres.database() as url:
        (tmp_path / "featurectl.yaml").write_text(PROJECT.replace(URLS[2], url))
        for words in (("apply", "--auto-approve"), ("materialize",)):
            assert run(capsys, *words)[0] == 0
        with hanging(postgres.pid):
            for command, code in (("get", 69), ("push", 69), ("status", 1), ("verify", 69)):
                found, said = run(capsys, *WORDS[command])
                assert (found, "the online store postgresql://" in said) == (code, True), said
        assert run(capsys, *WORDS["get"])[0] == 0


@pytest.mark.stress
@pytest.mark.parametrize("store", ANSWERS)
def test_a_store_that_stops_at_any_moment_ends_a_rebuild(shop, capsys, monkeypatch, store):
    hurry(monkeypatch, 3)  # a server that answers slowly on a busy machine does not hang
    moments, codes = random.Random(5), []
    for _ in range(25):
        with ExitStack() as stack:
            timer = threading.Timer(moments.random(), lambda to=stack: to.enter_context(hanging(shop.pids[store])))
            timer.start()
            code, said = run(capsys, "materialize", "--full")
            timer.cancel()
            timer.join()
        codes.append(code)
        assert code in (0, 69), said
        assert code == 0 or "error[FC60" in said
    assert 69 in codes
    assert run(capsys, "materialize", "--full")[0] == 0
    assert run(capsys, "verify", "--store")[0] == 0


@pytest.mark.stress
@pytest.mark.parametrize("store", ["registry", "offline"])
def test_a_server_ends_where_a_store_hangs(shop, store):
    train(shop.root)
    with running(shop.root, environ=dict(os.environ)) as server, hanging(shop.pids[store]):
        assert server.stop() == 0


@pytest.mark.stress
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("store", ["offline", "online"])
def test_a_server_that_begins_where_a_store_hangs_is_ready_once_it_answers(shop, store, workers):
    train(shop.root)
    with ExitStack() as stack:
        with hanging(shop.pids[store]):
            server = stack.enter_context(
                running(shop.root, "--workers", workers, environ=dict(os.environ), until="/health")
            )
            begin = time.monotonic()
            assert web.get(f"{server.url}/ready", timeout=20).status_code in (200, 503)
            assert time.monotonic() - begin < LIMIT_S
        end = time.monotonic() + LIMIT_S * 4
        while web.get(f"{server.url}/ready", timeout=20).status_code != 200:
            assert time.monotonic() < end, server.log.read_text()
            time.sleep(0.2)
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.mark.stress
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_begins_where_the_registry_hangs_says_so_and_ends(shop, capsys, workers):
    with hanging(shop.pids["registry"]):
        code, said = run(capsys, "serve", "--port", str(free_port()), "--workers", workers)
    assert (code, "error[FC601]: registry " in said) == (69, True), said


SOURCES = {
    "queried": 'sql: {url: "WAREHOUSE", query: "select k, at, qty from rows"}',
    "parquet": 'path: "BUCKET/rows.parquet"',
    "csv": 'path: "BUCKET/rows.csv", format: csv',
    "delta": 'path: "BUCKET/table", format: delta',
}
ELSEWHERE = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: s, event_time: at, columns: {k: string, at: timestamp, qty: int64}, SOURCE}]
feature_views:
  - {name: v, entity: key, source: s, features: [qty]}
  - {name: w, entity: key, source: s, features: [qty]}
"""


@pytest.mark.parametrize(
    "kind", ["parquet", *(pytest.param(kind, marks=pytest.mark.stress) for kind in SOURCES if kind != "parquet")]
)
@pytest.mark.usefixtures("hurried")
def test_a_source_that_hangs_ends_materialize(tmp_path, postgres, s3, capsys, monkeypatch, kind):  # noqa: PLR0913, PLR0917  # fixtures and the columns of its table
    bucket = s3.location()
    with postgres.database() as url:
        fill(url, bucket, kind)
        text = ELSEWHERE.replace("SOURCE", SOURCES[kind]).replace("WAREHOUSE", url).replace("BUCKET", bucket)
        write_files(tmp_path, text)
        monkeypatch.chdir(tmp_path)
        assert run(capsys, "apply", "--auto-approve")[0] == 0
        with hanging(postgres.pid if kind == "queried" else s3.pid):
            code, said = run(capsys, "materialize")
        assert code == 69, said
        assert ("error[FC605]: source s: " if kind == "queried" else "error[FC616]: source s") in said
        assert run(capsys, "materialize")[0] == 0


def fill(url: str, bucket: str, kind: str) -> None:
    """Put the same rows into a database, or a bucket."""
    rows = pl.DataFrame({"k": ["a", "b"], "at": ["2026-01-02T00:00:00Z"] * 2, "qty": [1, 2]})
    typed = rows.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%#z"))
    match kind:
        case "queried":
            with psycopg.connect(url) as connection:
                connection.execute("create table rows (k text, at timestamptz, qty bigint)")
                connection.cursor().executemany("insert into rows values (%s, %s, %s)", rows.rows())
        case "parquet":
            typed.write_parquet(f"{bucket}/rows.parquet")
        case "csv":
            rows.write_csv(f"{bucket}/rows.csv")
        case _:
            write_deltalake(f"{bucket}/table", typed)


@pytest.mark.long
@pytest.mark.usefixtures("hurried")
def test_a_connection_that_was_answered_before_does_not_wait_for_ever(postgres):
    for connect in (connect_limited, connect_watched):
        with postgres.database() as url, connect((url,), {"autocommit": True}, 0.3) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            with hanging(postgres.pid), pytest.raises(psycopg.OperationalError, match=r"no answer within 0\.3 s"):
                connection.execute("select 2")


def test_a_query_may_take_long_where_the_server_answers_others(postgres):
    with postgres.database() as url:
        with connect_watched((url,), {}, 0.05) as connection:
            assert connection.execute("select pg_sleep(0.5), 3").fetchone() == ("", 3)
        with pytest.raises(psycopg.OperationalError, match="no answer"):
            connect_limited((url,), {}, 0.05).execute("select pg_sleep(5)")
