"""A `materialize` of a query that is killed at any moment, run after run while rows come, loses and doubles none."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import duckdb
import psycopg
import pytest

from featurectl.cli.main import main
from tests.seeds import seed_of
from tests.sources.sql_contract import test_continued as of_postgres
from tests.sources.sql_contract import test_mysql_continued as of_mysql
from tests.sources.sql_contract.kinds import DUCKDB, MARIADB
from tests.sources.sql_contract.test_continued import TYPES, assert_same, make, tables
from tests.warm import WarmProcess

NEW = 300  # rows before each run
AGAIN = 10  # of these that were there before, where copies are told by a key
FEW, MANY = 4, 30
POSTGRES = "postgres"
NAMES = ("timed", "killed", "alone")
CLOCKS = {"available": ("known", ""), "lateness": ("at", "lateness: 1h\n    dedup_key: [k, at, j]")}
OF_DUCKDB = """
insert into t select 'k' || n % 7, timestamp '2026-01-01 00:00' + n // 3 * interval '1 minute',
  timestamptz '2026-01-02 00:00Z' + n * interval '1 minute', n % 100, nullif(n, 5), n * 0.1, n * 0.001, n / 7.0,
  ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, '{{}}', date '2026-01-01' + (n % 9)::int, n % 2 = 0,
  repeat('x', n % 5), (['low', 'high'])[1 + n % 2]::mood
from generate_series({}, {}) s(n)
"""


@dataclass(frozen=True)
class Filled:
    """A database with a table t, a function that runs a statement there, and what inserts rows by their numbers."""

    kind: str
    url: str
    run: Callable[[str], object]
    insert: str

    def add(self, first: int, last: int) -> None:
        self.run(self.insert.format(first, last))


@pytest.fixture(params=[POSTGRES, DUCKDB, pytest.param(MARIADB, marks=pytest.mark.guests)])
def filled(request, tmp_path):
    """A database whose table t is empty."""
    if request.param == MARIADB:
        url, server = request.getfixturevalue("mariadb_url"), request.getfixturevalue("mariadb_server")
        run = partial(server.run, name=url.rpartition("/")[2])
        run(of_mysql.TABLE)
        return Filled(MARIADB, url, run, of_mysql.INSERT)
    url = request.getfixturevalue("postgres_url") if request.param == POSTGRES else f"duckdb:///{tmp_path}/rows.duckdb"

    def run(text: str) -> None:
        if request.param == POSTGRES:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(text)
        else:
            with duckdb.connect(url.removeprefix("duckdb:///")) as connection:
                connection.execute(text)

    types = TYPES if request.param == POSTGRES else TYPES.replace("jsonb", "text").replace("e numeric", "e double")
    run("create type mood as enum ('low', 'high')")
    run(f'create table t (k text, "at" timestamp, known timestamptz, {types})')
    return Filled(request.param, url, run, of_postgres.INSERT if request.param == POSTGRES else OF_DUCKDB)


@pytest.fixture(params=CLOCKS)
def roots(request, filled, tmp_path, capsys, monkeypatch):
    """The folders of repositories whose one view is of the table t."""
    known, lines = CLOCKS[request.param]
    text = of_mysql.OBJECTS if filled.kind == MARIADB else of_postgres.VIEW
    text = text.replace("KNOWN", known).replace("CLOCKS", lines).replace("    available_at: at\n", "")
    if filled.kind == DUCKDB:  # where at is a word of its own
        text = re.sub(r"select k, at.*?where ", "select * from t where t.", text, flags=re.DOTALL)
    made = {name: make(tmp_path / name, filled.url, text, capsys, monkeypatch).root for name in NAMES}
    for root in made.values():
        project = (root / "featurectl.yaml").read_text()
        (root / "featurectl.yaml").write_text(project.replace("dev: {", f'dev: {{data_roots: ["{tmp_path}"], '))
    return made


@pytest.mark.parametrize("kills", [
    pytest.param(FEW, marks=pytest.mark.long), pytest.param(MANY, marks=pytest.mark.stress),
])  # fmt: skip
def test_runs_that_are_killed_lose_and_double_no_row(filled, roots, kills):
    again = AGAIN if "dedup_key" in (roots["alone"] / "o.yaml").read_text() else 0
    filled.add(1, NEW)
    timed(roots["timed"])  # the first one imports what the others find
    filled.add(NEW + 1, 2 * NEW)
    whole_s, random, died = timed(roots["timed"]), Random(seed_of(21)), 0
    for number in range(2, kills + 2):
        died += killed(roots["killed"], random.random() * whole_s)
        filled.add(number * NEW + 1 - again, (number + 1) * NEW)
    for name in ("killed", "alone"):
        assert main(["-C", str(roots[name]), "materialize", "-q"]) == 0
    wanted = tables(roots["alone"])
    assert_same(tables(roots["killed"]), wanted)
    assert min(frame.height for frame in wanted.values()) >= (kills + 2) * NEW
    assert died >= max(1, kills // 4)


def timed(root: Path) -> float:
    """Run the command undisturbed, and return how long it takes."""
    begin = time.monotonic()
    with command(root) as process:
        code, written = process.end()
    assert code == 0, written
    return time.monotonic() - begin


def killed(root: Path, after_s: float) -> bool:
    """Run the command and kill it after so many seconds, if it still runs then; return whether it did."""
    with command(root) as process:
        timer = threading.Timer(after_s, process.kill)
        timer.start()
        code, written = process.end()
        timer.cancel()
    assert code in (0, -9), written
    return code == -9


def command(root: Path) -> WarmProcess:
    """Start the command in a process of its own."""
    return WarmProcess(main, ["-C", str(root), "materialize", "-q"])
