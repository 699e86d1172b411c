"""PostgreSQL as an online store: reads, a server and pushes, beside Redis and bare COPY, turn by turn in one run.

    python -m benchmarks.online_postgres [FOLDER] [RUNS] [ROWS]

Reads and the server are those of `benchmarks.serving`: 15 features of a user in 3 views. Pushes are those of
`benchmarks.push`: 15 features of so many entities, first and again an hour later, when every row replaces one. COPY
alone puts the very keys and rows, packed before, into a table like ours, in transactions of as many. COPY into a
temporary table and an upsert from there is what the store does not do, for the same rows, again. The server runs
without fsync (`-F`), on the machine that does all else.
"""

from __future__ import annotations

import platform
import os
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
from featurectl.online.encode.rows import encode_chunks
from featurectl.online.row_places import online_view
from featurectl.operations.push import push_view, values_at
from tests.servers.postgres import started_postgres
from tests.servers.redis import started_redis

Chunks = Sequence[tuple[list[bytes], list[bytes]]]
_TABLE: Final = "(entity bytea primary key, row bytea not null) with (fillfactor = 70)"
_STAGED: Final = """
insert into bare as kept select entity, row from staged order by entity on conflict (entity) do update
set row = excluded.row where kept.row <> excluded.row and substr(kept.row, 4, 21) <= substr(excluded.row, 4, 21)
"""


def reads(repo: Path, urls: Sequence[str], runs: int, asked: int) -> Iterator[Line]:
    """Reads from Python, one after the other, from both stores in turn."""
    for entities, goal in ((1, 0.4), (100, 3.0)):
        words = [sys.executable, "-m", "benchmarks.serving.reads", str(repo), str(asked), str(entities), "2"]
        found = [[read_json(words, url) for url in urls] for _ in range(runs)]
        mine, theirs = (median(each[place]["p50"] for each in found) for place in (0, 1))
        p99 = median(each[0]["p99"] for each in found)
        yield Line(work=f"read {entities} x 15 from Python, p50", ours=mine, unit="ms", rival="our Redis", theirs=theirs,
                   most=goal, beside=f"p99 {p99:.3g} ms")  # fmt: skip


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
    """Pushes, COPY alone, and COPY into a temporary table with an upsert, in turn."""
    works: list[tuple[str, Callable[[], float]]] = [
        ("first", partial(_pushed, folder, url, 0)),
        ("again", partial(_pushed, folder, url, 1)),
    ]
    chunks = _packed(folder)
    works += [("copy", partial(_copied, url, chunks)), ("staged", partial(_staged, url, chunks))]
    took: dict[str, list[float]] = {name: [] for name, _ in works}
    for _ in range(runs):
        _emptied(url)
        for name, work in works:
            took[name].append(rows / work())
    rate = {name: median(found) for name, found in took.items()}
    for name, goal in (("first", 100_000.0), ("again", 100_000.0)):
        yield Line(work=f"push of {rows:,} rows, {name}", ours=rate[name], unit="rows/s", rival="COPY alone",
                   theirs=rate["copy"], least=goal, times=0.5,
                   beside=f"COPY and upsert, again: {rate['staged']:,.0f} rows/s")  # fmt: skip


def _emptied(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop schema if exists featurectl_online cascade")


def _pushed(folder: Path, url: str, hours: float) -> float:
    """Return the seconds of a push, of all rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select to_regclass('featurectl_online.views')").fetchone() != (None,):
            [(record,)] = connection.execute("select push_record from featurectl_online.views").fetchall()
            connection.execute("update featurectl_online.views set push_record = %b", (older_schema(record),))
    begin = time.perf_counter()
    with closing(open_online(url)) as store:
        push_view(request_of(folder, store, hours))
    return time.perf_counter() - begin


def _packed(folder: Path) -> Chunks:
    rows = table_in(folder).read()
    values = values_at(open_local_engine(), VIEW, rows, rows.select("user"), NOW)
    of = online_view(VIEW, 1, "p", "dev")
    return [(c.keys.parts(), c.rows().parts()) for c in encode_chunks(of, values, 7, is_compact=False)]


def _copied(url: str, chunks: Chunks) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop table if exists bare; create table bare {_TABLE}")
        begin = time.perf_counter()
        for keys, rows in chunks:
            _copy(connection, "bare", keys, rows)
        return time.perf_counter() - begin


def _staged(url: str, chunks: Chunks) -> float:
    """Return the seconds of replacing all rows by way of a temporary table; a bit of each row is another one."""
    changed = [(keys, [row[:-1] + bytes([row[-1] ^ 1]) for row in rows]) for keys, rows in chunks]
    with psycopg.connect(url, autocommit=True) as connection:
        begin = time.perf_counter()
        for keys, rows in changed:
            with connection.transaction():
                connection.execute("create temporary table staged (entity bytea, row bytea) on commit drop")
                _copy(connection, "staged", keys, rows)
                connection.execute(_STAGED)
        return time.perf_counter() - begin


def _copy(connection: psycopg.Connection, table: str, keys: list[bytes], rows: list[bytes]) -> None:
    with connection.cursor().copy(f"copy {table} from stdin (format binary)") as copy:
        copy.set_types(["bytea", "bytea"])
        for pair in zip(keys, rows, strict=True):
            copy.write_row(pair)


def main(arguments: list[str]) -> None:
    """Print the lines as they are done, then the table and the machine."""
    folder = Path(arguments[0] if arguments else "benchmark-data/serving").resolve()
    runs = int(arguments[1]) if len(arguments) > 1 else 3
    rows = int(arguments[2]) if len(arguments) > 2 else 500_000
    folder.mkdir(parents=True, exist_ok=True)
    size, lines = Size(), list[Line]()
    write_repository(folder / "repo", size)
    asked = min(BODIES, size.users)
    write_bodies(folder, asked)
    with started_postgres() as server, started_redis() as online, tempfile.TemporaryDirectory() as made:
        with server.database() as url:
            for each in (url, online):
                run(folder / "repo", each, "push", *VIEWS)
            body = folder / "v1-features.jsonl"
            for line in (
                *reads(folder / "repo", (url, online), runs, asked),
                *serves(folder / "repo", (url, online), runs, body),
            ):
                lines.append(_told(line))
        write_table(Path(made), made_rows(rows))
        with server.database() as url:
            lines += [_told(line) for line in pushes(Path(made), url, runs, rows)]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, psycopg {psycopg.__version__}"
    print(f"{render(lines)}\n\n{machine}; medians of {runs} runs.")


def _told(line: Line) -> Line:
    print(line.cells(), file=sys.stderr)
    return line


if __name__ == "__main__":
    main(sys.argv[1:])
