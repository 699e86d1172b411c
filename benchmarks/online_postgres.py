"""PostgreSQL as an online store: reads, a server and pushes, beside Redis, Feast and bare COPY, in turn in one run.

    python -m benchmarks.online_postgres [FOLDER] [RUNS] [ROWS] [WORK ...]

Works are reads, serves and pushes; all of them by default. Reads and the server are those of `benchmarks.serving`: 15
features of a user in 3 views. Pushes are those of `benchmarks.push`: 15 features of so many entities, first and again
an hour later, when every row replaces one. COPY alone sends the very keys and rows, made ready before as COPY reads
them, into a table like ours, in transactions of as many. COPY into a temporary table and an upsert from there is what
the store does not do, for the same rows, made ready before, again. With FEAST_PYTHON, the Python of an environment
that has `feast[postgres]`, Feast's own PostgreSQL store is read and written (`write_to_online_store`, 10,000 of the
rows), too, on the same server. It runs without fsync (`-F`), on the machine that does all else.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from benchmarks.push import NOW, VIEW, made_rows, older_schema, request_of, table_in, write_table
from benchmarks.serving.__main__ import BODIES, SECONDS, VIEWS, write_bodies
from benchmarks.serving import wrk
from benchmarks.serving.load import Result
from benchmarks.serving.processes import ours, read_json, result_of, start_load
from benchmarks.serving.repository import Size, run, write_repository
from benchmarks.serving.table import Line, render
from featurectl.engines.all_engines import open_local_engine
from featurectl.online.all_stores import open_online
from featurectl.online.encode.cells import Ragged
from featurectl.online.encode.rows import encode_chunks
from featurectl.online.postgres.binary import copied_pairs
from featurectl.online.row_places import online_view
from featurectl.operations.push import push_view, values_at
from tests.servers.postgres import started_postgres
from tests.servers.redis import started_redis

Chunks = Sequence[tuple[Ragged, Ragged]]
FEAST_ROWS: Final = 10_000
FEAST: Final = os.environ.get("FEAST_PYTHON")
WORKS: Final = ("reads", "serves", "pushes")
_FEAST_SERVING: Final = str(Path(__file__).parent / "serving" / "feast_serving.py")
_TABLE: Final = "(entity bytea primary key, row bytea not null) with (fillfactor = 50)"
_STAGED: Final = """
insert into bare as kept select entity, row from staged order by entity on conflict (entity) do update
set row = excluded.row where kept.row <> excluded.row and substr(kept.row, 4, 21) <= substr(excluded.row, 4, 21)
"""


def reads(repo: Path, urls: Sequence[str], runs: int, asked: int) -> Iterator[Line]:
    """Reads from Python, one after the other, from both stores and Feast's in turn."""
    theirs = [] if FEAST is None else [_feast_repository(FEAST, repo, urls[0], asked)]
    for entities, goal in ((1, 0.4), (100, 3.0)):
        told = (str(asked), str(entities), "2")
        words = [sys.executable, "-m", "benchmarks.serving.reads", str(repo), *told]
        calls = [partial(read_json, words, url) for url in urls]
        calls += [partial(read_json, [str(FEAST), _FEAST_SERVING, "read", str(of), *told]) for of in theirs]
        found = [[call() for call in calls] for _ in range(runs)]
        mine, *others = (median(each[place]["p50"] for each in found) for place in range(len(calls)))
        p99 = median(each[0]["p99"] for each in found)
        for rival, other in zip(("our Redis", "Feast on PostgreSQL"), others, strict=False):
            yield Line(work=f"read {entities} x 15 from Python, p50", ours=mine, unit="ms", rival=rival, theirs=other,
                       most=goal, beside=f"p99 {p99:.3g} ms")  # fmt: skip


def _feast_repository(python: str, repo: Path, url: str, asked: int) -> Path:
    """Return a repository of Feast whose features lie in a database."""
    made = repo.parent / "feast-postgres"
    shutil.rmtree(made, ignore_errors=True)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    words = [python, _FEAST_SERVING, "write", str(repo / "data"), str(made), url, str(asked)]
    subprocess.run(words, env=environ, stdout=sys.stderr, check=True)
    return made


def serves(repo: Path, urls: Sequence[str], runs: int, body: Path) -> Iterator[Line]:
    """`POST /v1/features` with one worker in the closed loop, over both stores."""
    for connections in (8, 16):
        found: list[list[Result]] = []
        for url in urls:
            with ours(repo, url, 1) as server:
                found.append([_loaded(f"{server.url}/v1/features", body, connections) for _ in range(runs)])
        mine, theirs = (median(each.per_second for each in of) for of in found)
        p99, failed = median(each.p99 for each in found[0]), sum(each.failed for each in found[0])
        yield Line(work=f"serve, 1 worker, {connections} connections", ours=mine, unit="req/s", rival="our Redis",
                   theirs=theirs, least=4_000, beside=f"p99 {p99:.3g} ms; {failed} failed")  # fmt: skip
        yield Line(work=f"serve, 1 worker, {connections} connections, p99", ours=p99, unit="ms", most=10)


def _loaded(url: str, body: Path, connections: int) -> Result:
    if wrk.is_installed():
        return wrk.put_load(url, body, connections, SECONDS)
    return result_of(start_load(url, body, connections, SECONDS))


def pushes(folder: Path, url: str, runs: int, rows: int) -> Iterator[Line]:
    """Pushes, COPY alone, COPY into a temporary table with an upsert, and what Feast writes, in turn."""
    chunks = _packed(folder)
    works: list[tuple[str, Callable[[], float], int]] = [
        ("first", partial(_pushed, folder, url, 0), rows),
        ("again", partial(_pushed, folder, url, 1), rows),
        ("copy", partial(_copied, url, chunks), rows),
        ("staged", partial(_staged, url, chunks), rows),
    ]
    if FEAST is not None:
        works.append(("feast", partial(_written_by_feast, FEAST, folder, url), FEAST_ROWS))
    rates: dict[str, list[float]] = {name: [] for name, _, _ in works}
    for _ in range(runs):
        _emptied(url)
        for name, work, count in works:
            rates[name].append(count / work())
    rate = {name: median(found) for name, found in rates.items()}
    beside = f"COPY and upsert, again: {rate['staged']:,.0f} rows/s"
    for name in ("first", "again"):
        work = f"push of {rows:,} rows, {name}"
        yield Line(work=work, ours=rate[name], unit="rows/s", rival="COPY alone", theirs=rate["copy"],
                   least=100_000, times=0.5, beside=beside)  # fmt: skip
        if "feast" in rate:
            yield Line(work=work, ours=rate[name], unit="rows/s", rival="Feast's write", theirs=rate["feast"],
                       beside=f"{FEAST_ROWS:,} rows of Feast")  # fmt: skip


def _written_by_feast(python: str, folder: Path, url: str) -> float:
    """Return the seconds of `write_to_online_store`, into tables that it has just made."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop table if exists bench_profile")
    script = str(Path(__file__).with_name("feast_push.py"))
    done = subprocess.run([python, "-W", "ignore", script, str(folder), url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(url) as connection:
        found = connection.execute("select count(distinct entity_key) from bench_profile").fetchone()
        assert found == (FEAST_ROWS,), found
    return float(done.stdout.split()[-3])


def _emptied(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema if exists featurectl_online cascade")
    with closing(open_online(url)) as store:  # the schema is there before what is timed
        store.prepare(online_view(VIEW, 1, "p", "dev"))


def _pushed(folder: Path, url: str, hours: float) -> float:
    """Return the seconds of a push, of all rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('featurectl_online.views')").fetchone() != (None,):
            [(record,)] = connection.execute("select push_record from featurectl_online.views").fetchall()
            if record is not None:
                connection.execute("update featurectl_online.views set push_record = %b", (older_schema(record),))
    begin = time.perf_counter()
    with closing(open_online(url)) as store:
        push_view(request_of(folder, store, hours))
    return time.perf_counter() - begin


def _packed(folder: Path) -> Chunks:
    rows = table_in(folder).read()
    values = values_at(open_local_engine(), VIEW, rows, rows.select("user"), NOW)
    of = online_view(VIEW, 1, "p", "dev")
    return [(chunk.keys, chunk.rows()) for chunk in encode_chunks(of, values, 7, is_compact=False)]


def _copied(url: str, chunks: Chunks) -> float:
    ready = [copied_pairs(*chunk) for chunk in chunks]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop table if exists bare; create table bare {_TABLE}")
        begin = time.perf_counter()
        for data in ready:
            _copy(connection, "bare", data)
        return time.perf_counter() - begin


def _staged(url: str, chunks: Chunks) -> float:
    """Return the seconds of replacing all rows by way of a temporary table; a bit of each row is another one."""
    ready = [copied_pairs(keys, _changed(rows)) for keys, rows in chunks]
    with psycopg.connect(url, autocommit=True) as connection:
        begin = time.perf_counter()
        for data in ready:
            with connection.transaction():
                connection.execute("create temporary table staged (entity bytea, row bytea) on commit drop")
                _copy(connection, "staged", data)
                connection.execute(_STAGED)
        return time.perf_counter() - begin


def _changed(rows: Ragged) -> Ragged:
    data = rows.data.copy()
    data[rows.ends[1:] - 1] ^= 1
    return Ragged(data, rows.lengths)


def _copy(connection: psycopg.Connection, table: str, data: bytes) -> None:
    with connection.cursor().copy(f"copy {table} from stdin (format binary)") as copy:
        copy.write(data)


def main(arguments: list[str]) -> None:
    """Print the lines as they are done, then the table and the machine."""
    folder = Path(arguments[0] if arguments else "benchmark-data/serving").resolve()
    runs = int(arguments[1]) if len(arguments) > 1 else 3
    rows = int(arguments[2]) if len(arguments) > 2 else 500_000
    works, lines = arguments[3:] or list(WORKS), list[Line]()
    folder.mkdir(parents=True, exist_ok=True)
    with started_postgres() as server:
        if {"reads", "serves"} & {*works}:
            with started_redis() as online, server.database() as url:
                lines += [_told(line) for line in _served(folder, (url, online), runs, works)]
        if "pushes" in works:
            with server.database() as url, tempfile.TemporaryDirectory() as made:
                _write_rows(Path(made), rows)
                lines += [_told(line) for line in pushes(Path(made), url, runs, rows)]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, psycopg {psycopg.__version__}"
    print(f"{render(lines)}\n\n{machine}; medians of {runs} runs.")


def _served(folder: Path, urls: Sequence[str], runs: int, works: Sequence[str]) -> Iterator[Line]:
    size = Size()
    asked = min(BODIES, size.users)
    write_repository(folder / "repo", size)
    write_bodies(folder, asked)
    for url in urls:
        run(folder / "repo", url, "push", *VIEWS)
    if "reads" in works:
        yield from reads(folder / "repo", urls, runs, asked)
    if "serves" in works:
        yield from serves(folder / "repo", urls, runs, folder / "v1-features.jsonl")


def _write_rows(folder: Path, rows: int) -> None:
    """Write the offline table, and what of it Feast is given."""
    made = made_rows(rows)
    write_table(folder, made)
    some = made.head(FEAST_ROWS).with_columns(created="event_time").drop("available_at", "tie_order")
    some.write_parquet(folder / "rows.parquet")


def _told(line: Line) -> Line:
    print(line.cells(), file=sys.stderr)
    return line


if __name__ == "__main__":
    main(sys.argv[1:])
