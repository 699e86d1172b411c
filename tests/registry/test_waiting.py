"""Whoever waits for a registry that another holds hears so after a second, and for whom."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event

from featurectl.cli.main import main
from featurectl.core.errors import BusyStoreError
from featurectl.registry.sql import SqlRegistry
from featurectl.registry.waiting import Patience, session_holders
from tests.model_shop import VIEWS, Shop, open_shop

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("holds", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(VIEWS)
        yield opened


def hold(file: Path, seconds: float) -> subprocess.Popen[bytes]:
    """Have another process write to a SQLite file for a while."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file), str(seconds)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"holds\n"
    return process


def test_a_command_says_which_process_holds_the_registry(shop: Shop, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    with hold(shop.root / "r.db", 2.5) as other:
        assert main(["erase", "key", "k=k1"]) == 0
    said = capsys.readouterr().err
    assert f"registry sqlite:///r.db is held by process {other.pid} (python" in said
    assert "): waiting for 30 s at most" in said


def test_who_waits_a_moment_says_nothing(shop: Shop, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    with hold(shop.root / "r.db", 0.3):
        assert main(["erase", "key", "k=k1"]) == 0
    assert "is held by" not in capsys.readouterr().err


def test_who_waits_in_vain_may_try_again(shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch):
    """A lock that is held is exit code 75, whoever holds it: nothing is wrong with the registry."""
    monkeypatch.setattr("featurectl.registry.database.BUSY_LIMIT_S", 0.2)
    capsys.readouterr()
    with hold(shop.root / "r.db", 60) as other:
        assert main(["erase", "key", "k=k1"]) == 75
        other.kill()
    said = capsys.readouterr().err
    assert f"registry sqlite:///r.db is held by process {other.pid} (python" in said
    assert "), which was waited for: 0.2 s" in said


def test_who_waits_in_vain_for_a_session_may_try_again(postgres_url: str, monkeypatch):
    monkeypatch.setattr("featurectl.registry.database.BUSY_LIMIT_S", 1)
    registry = SqlRegistry(postgres_url, shown="postgresql://here")
    registry.erasure_secret("shop")
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
        other.execute("lock table erasure_secrets in exclusive mode")
        with pytest.raises(
            BusyStoreError, match="registry postgresql://here is held by another process, which was wait"
        ):
            registry.erasure_secret("other")
    registry.close()


def test_a_session_of_postgresql_is_named(postgres_url: str):
    heard: list[str] = []
    registry = SqlRegistry(postgres_url, shown="postgresql://here", patience=Patience(say=heard.append))
    registry.erasure_secret("shop")
    with psycopg.connect(postgres_url.replace("+psycopg", ""), application_name="slow apply") as other:
        backend = other.info.backend_pid
        other.execute("lock table erasure_secrets in exclusive mode")
        waits = threading.Thread(target=registry.erasure_secret, args=("other",))
        waits.start()
        end_s = time.monotonic() + 20
        while not heard and time.monotonic() < end_s:
            time.sleep(0.05)
    waits.join()
    registry.close()
    [text] = heard
    assert text.startswith(f"registry postgresql://here is held by session {backend} of slow apply from ")
    assert text.endswith(": waiting for 30 s at most")


def test_asking_who_holds_leaves_no_connection_to_a_closed_registry(postgres_url: str):
    engine = create_engine(postgres_url)
    opened: list[object] = []

    @event.listens_for(engine, "before_cursor_execute")
    def close_meanwhile(connection: Connection, *_: object) -> None:
        opened.append(connection.connection.dbapi_connection)
        engine.dispose()

    assert session_holders(engine, 0) == ""
    engine.dispose()
    [connection] = opened
    assert isinstance(connection, psycopg.Connection)
    assert connection.closed
