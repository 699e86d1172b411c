"""How fast queries are read into the offline table: `python -m benchmarks.sql_sources [ROWS ...] [--memory SIZE]`.

For each number of rows: the driver alone (ADBC fetches all batches), rows of SQLAlchemy as they were read before,
`materialize` of the same rows from Parquet, and `materialize` of the query. Each is a process of its own beside a
PostgreSQL that is started here; what is told is the median of three, and the peak of memory of the process.

`--kind snowflake` asks fakesnow instead, and `--kind bigquery` bqemulator, whose time is in all that asks them: what
tells is the difference to the driver.
`--kind mariadb` asks Debian's MariaDB; its driver gives rows, each a tuple of Python. `--kind duckdb` and `iceberg` read
files that are made here; the latter is no query, and its driver is pyiceberg.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import psycopg

from benchmarks.pit.measure import Cost, run
from featurectl.language.data_roots import DataRoots
from featurectl.language.definitions.source import IcebergName, Source, SqlQuery
from featurectl.sources.open import open_source
from tests.servers.bigquery import add_client, run_in_bigquery, running_bigquery
from tests.servers.mariadb import started_mariadb
from tests.servers.postgres import started_postgres
from tests.servers.snowflake import PASSWORD, run_statements, running_snowflake
from tests.sources.lake import NAME, Lake

_TABLE: Final = """
create unlogged table events as
select g::bigint as id, 'k' || g % 100000 as k, timestamptz '2024-01-01' + g * interval '1 second' as at,
  g * 0.25::double precision as amount, (g % 100000 * 0.01)::numeric(12, 2) as price, (g % 97)::int as qty,
  'a text of some length ' || g % 1000 as note, g % 3 = 0 as ok
from generate_series(1, {}) g
"""
_QUERY: Final = "select id, k, at, amount, price, qty, note, ok from events"
_PREFIXED: Final = _QUERY.replace(" at,", " events.at,")  # where it is a word of the language
_OBJECTS: Final = """
entities: [{name: key, keys: {k: string}}]
sources: [{name: events, event_time: at, SOURCE}]
feature_views:
  - {name: v, entity: key, source: events, online: false, features: [id, amount, price, qty, note, ok]}
"""
_PROJECT: Final = """
project: bench
environments:
  dev: {{registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2030-01-01T00:00:00Z,
    data_roots: ["{}"]}}
"""
_TIMES: Final = 3
_LIMIT_S: Final = 3_600
_SNOWFLAKE_TABLE: Final = """
create table events as
select g::bigint as id, 'k' || (g % 100000)::varchar as k, dateadd(second, g, '2024-01-01'::timestamp_ntz) as "AT",
  g * 0.25::double as amount, (g % 100000 * 0.01)::number(12, 2) as price, (g % 97)::int as qty,
  'a text of some length ' || (g % 1000)::varchar as note, g % 3 = 0 as ok
from (select seq4() + 1 as g from table(generator(rowcount => {})))
"""
_ALONE: Final = """
import sys
from adbc_driver_postgresql import dbapi
with dbapi.connect(sys.argv[1], autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[2])
    print(sum(batch.num_rows for batch in cursor.fetch_record_batch()))
"""
_SNOWFLAKE_ALONE: Final = """
import sys
from pathlib import Path
from adbc_driver_snowflake import dbapi
from featurectl.sources.sql.snowflake_address import snowflake_address
options = dict(snowflake_address(sys.argv[1], "UTC", Path).options)
with dbapi.connect(db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[2])
    print(sum(batch.num_rows for batch in cursor.fetch_record_batch()))
"""
_DUCKDB_TABLE: Final = """
create table events as
select g::bigint as id, 'k' || g % 100000 as k, timestamptz '2024-01-01 00:00:00+00' + to_seconds(g) as at,
  g * 0.25::double as amount, (g % 100000 * 0.01)::decimal(12, 2) as price, (g % 97)::int as qty,
  'a text of some length ' || g % 1000 as note, g % 3 = 0 as ok
from generate_series(1, {}) t(g)
"""
_BIGQUERY_TABLE: Final = """
create table events as
select i as id, concat('k', cast(mod(i, 100000) as string)) as k,
  timestamp_add(timestamp '2024-01-01 00:00:00+00', interval i second) as at, i * 0.25 as amount,
  cast(mod(i, 100000) * 0.01 as numeric) as price, mod(i, 97) as qty,
  concat('a text of some length ', cast(mod(i, 1000) as string)) as note, mod(i, 3) = 0 as ok
from unnest(generate_array(1, {})) as i
"""
_BIGQUERY_ALONE: Final = """
import sys
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client, QueryJobConfig
from featurectl.sources.sql.bigquery_address import bigquery_address
address = bigquery_address(sys.argv[1])
client = Client(
    project=address.project, credentials=AnonymousCredentials(), client_options={"api_endpoint": address.endpoint}
)
config = QueryJobConfig(default_dataset=f"{address.project}.{address.dataset}")
rows = client.query(sys.argv[2], job_config=config).result(page_size=50_000)
print(sum(batch.num_rows for batch in rows.to_arrow_iterable()))
"""
_MARIADB_TABLE: Final = """
create table events as
select seq as id, concat('k', seq % 100000) as k, timestamp'2024-01-01 00:00:00' + interval seq second as at,
  seq * 0.25e0 as amount, cast(seq % 100000 * 0.01 as decimal(12, 2)) as price, seq % 97 as qty,
  concat('a text of some length ', seq % 1000) as note, mod(seq, 3) = 0 as ok
from seq_1_to_{}
"""
_MARIADB_ALONE: Final = """
import sys
import pymysql
import sqlalchemy as sa
url, count = sa.make_url(sys.argv[1]), 0
with pymysql.connect(host=url.host, port=url.port, user=url.username, database=url.database) as connection:
    with connection.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute(sys.argv[2])
        while rows := cursor.fetchmany(20_000):
            count += len(rows)
print(count)
"""
_DUCKDB_ALONE: Final = """
import sys
import duckdb
with duckdb.connect(sys.argv[1].removeprefix("duckdb:///"), read_only=True) as connection:
    print(sum(batch.num_rows for batch in connection.execute(sys.argv[2]).to_arrow_reader(100_000)))
"""
_ICEBERG_ALONE: Final = """
import sys
from pyiceberg.catalog.sql import SqlCatalog
with SqlCatalog("lake", uri=sys.argv[1]) as catalog:
    scan = catalog.load_table(sys.argv[2]).scan()
    print(sum(batch.num_rows for batch in scan.to_arrow_batch_reader()))
"""
_OLD: Final = """
import sys
from pathlib import Path
from featurectl.language.definitions.source import Source, SqlQuery
from featurectl.sources.sql import drivers
from featurectl.sources.sql.reader import SqlReader
drivers.DRIVERS = {}
source = Source(name="s", format="sql", sql=SqlQuery(url=sys.argv[1], query=sys.argv[2]), event_time="at")
reader = SqlReader(source=source, root=Path(), url=sys.argv[1])
print(reader.scan(reader.parts()).collect().height)
"""


@contextmanager
def _postgres(rows: int) -> Iterator[str]:
    with started_postgres() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(_TABLE.format(rows))
            connection.execute("analyze events")
        yield server.url


@contextmanager
def _snowflake(rows: int) -> Iterator[str]:
    with running_snowflake() as server:
        url = server.url()
        run_statements(url, _SNOWFLAKE_TABLE.format(rows))
        os.environ["SNOWFLAKE_PASSWORD"] = PASSWORD  # files hold none
        yield url


@contextmanager
def _bigquery(rows: int) -> Iterator[str]:
    os.environ["PYTHONPATH"] = str(add_client())
    with running_bigquery() as server:
        url = server.url(server.made_dataset())
        run_in_bigquery(url, _BIGQUERY_TABLE.format(rows))
        yield url


@contextmanager
def _mariadb(rows: int) -> Iterator[str]:
    with started_mariadb() as server, server.database() as url:
        server.run(_MARIADB_TABLE.format(rows), name=url.rpartition("/")[2])
        yield url


@contextmanager
def _duckdb(rows: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(f"{folder}/rows.duckdb") as connection:
            connection.execute(_DUCKDB_TABLE.format(rows))
        yield f"duckdb:///{folder}/rows.duckdb"


@contextmanager
def _iceberg(rows: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        made = pl.DataFrame(connection.execute(_DUCKDB_TABLE.format(rows)).execute(_PREFIXED).to_arrow_table())
        lake = Lake(Path(folder))
        lake.create(made)
        lake.append(made)
        yield f"sqlite:///{folder}/catalog.db"


@dataclass(frozen=True)
class _Kind:
    served: Callable[[int], AbstractContextManager[str]]
    query: str
    programs: Mapping[str, str]  # the ways that are no command, with their code
    source: str = 'sql: {{url: "{}", query: "{}"}}'  # as a file of the repository says it

    def defined(self, url: str) -> Source:
        """Return what a file of the repository would."""
        if self.query == NAME:
            return Source(name="s", format="iceberg", iceberg=IcebergName(table=NAME, catalog=url), event_time="at")
        return Source(name="s", format="sql", sql=SqlQuery(url=url, query=self.query), event_time="at")


_KINDS: Final = {
    "postgres": _Kind(_postgres, _QUERY, {"driver alone": _ALONE, "rows of SQLAlchemy": _OLD}),
    "bigquery": _Kind(_bigquery, _QUERY, {"driver alone": _BIGQUERY_ALONE}),
    "mariadb": _Kind(_mariadb, _QUERY, {"driver alone": _MARIADB_ALONE}),
    "duckdb": _Kind(_duckdb, _PREFIXED, {"driver alone": _DUCKDB_ALONE}),
    "iceberg": _Kind(_iceberg, NAME, {"driver alone": _ICEBERG_ALONE}, 'iceberg: {{catalog: "{}", table: {}}}'),
    "snowflake": _Kind(_snowflake, _PREFIXED, {"driver alone": _SNOWFLAKE_ALONE}),
}


def main(sizes: Sequence[int], memory: str, kind: str) -> None:
    """Print a line for each number of rows and way."""
    print("| rows | way | time | CPU | peak |\n|---|---|---|---|---|")
    for rows in sizes:
        with _KINDS[kind].served(rows) as url, tempfile.TemporaryDirectory() as made:
            for way, cost in _ways(Path(made), url, memory, _KINDS[kind]):
                _say(rows, way, [cost() for _ in range(_TIMES if rows < 5_000_000 else 1)])


def _ways(folder: Path, url: str, memory: str, kind: _Kind) -> list[tuple[str, Callable[[], Cost]]]:
    limit = ["--memory", memory] if memory else []
    written = url.replace(f":{PASSWORD}@", ":${SNOWFLAKE_PASSWORD}@")
    source = kind.source.format(written, kind.query)
    return [
        *((way, partial(_program, folder, code, url, kind.query)) for way, code in kind.programs.items()),
        ("materialize the source", lambda: _materialize(folder / "source", source, limit)),
        ("materialize Parquet", lambda: _materialize(folder / "parquet", "path: rows.parquet", limit, kind, url)),
    ]


def _program(folder: Path, code: str, url: str, query: str) -> Cost:
    (folder / "program.py").write_text(code)
    return run([str(folder / "program.py"), url, query], folder, _LIMIT_S, sys.executable)


def _materialize(repo: Path, source: str, limit: Sequence[str], kind: _Kind | None = None, url: str = "") -> Cost:
    """Return what it takes to fill a table that is not there yet."""
    parquet = repo.parent / "rows.parquet"
    if kind is not None and not parquet.exists():
        reader = open_source(kind.defined(url), repo.parent, data_roots=DataRoots(folders=(tempfile.gettempdir(),)))
        reader.scan(reader.parts()).sink_parquet(parquet)
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir()
    if kind is not None:
        (repo / "rows.parquet").hardlink_to(parquet)
    (repo / "featurectl.yaml").write_text(_PROJECT.format(tempfile.gettempdir()))
    (repo / "objects.yaml").write_text(_OBJECTS.replace("SOURCE", source))
    applied = run(["featurectl", "apply", "--auto-approve"], repo, _LIMIT_S)
    return applied if applied.failed else run(["featurectl", "materialize", *limit], repo, _LIMIT_S)


def _say(rows: int, way: str, costs: Sequence[Cost]) -> None:
    failed = next((cost.failed for cost in costs if cost.failed), "")
    seconds = statistics.median(cost.seconds for cost in costs)
    cpu, peak = statistics.median(cost.cpu_seconds for cost in costs), max(cost.peak_mb for cost in costs)
    print(f"| {rows:,} | {way} | {failed or f'{seconds:.2f} s | {cpu:.2f} s | {peak:,.0f} MiB'} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="*", default=[300_000, 1_000_000, 10_000_000])
    parser.add_argument("--memory", default="")
    parser.add_argument("--kind", choices=_KINDS, default="postgres")
    given = parser.parse_args()
    main(given.rows, given.memory, given.kind)
