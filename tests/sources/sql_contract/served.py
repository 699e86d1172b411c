"""Databases that a server gives, and what can happen to one: cut connections, another server, queries that go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pymysql
import sqlalchemy as sa

from tests.servers.mariadb import started_mariadb
from tests.servers.postgres import started_postgres
from tests.sources.sql_contract.kinds import MARIADB

ROW_COUNT = 30_000
WIDE = 400  # characters of a row: what is not fetched has no room on its way
_POSTGRES_OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
_MARIADB_OTHERS = "from information_schema.processlist where user = 'root' and id <> connection_id()"


@dataclass(frozen=True)
class Served:
    """What is written otherwise for each kind of server."""

    rows: str  # a query of so many wide rows
    fails: str  # a query that fails after some rows
    said: str  # of it
    sleeps: str  # a query that takes so many seconds
    others: str  # the numbers of other connections
    asleep: str  # how many of them sleep


POSTGRES = Served(
    rows=f"select i, rpad('row ' || i, {WIDE}) as name from generate_series(1, {{}}) i order by i",
    fails="select 1 / (i - 900) as a from generate_series(1, 1000) i",
    said="division by zero",
    sleeps="select 1 as a, pg_sleep({})::text as b",
    others=f"select pid {_POSTGRES_OTHERS}",
    asleep=f"select count(*)::int {_POSTGRES_OTHERS} and wait_event = 'PgSleep'",
)
MARIADB_SAYS = Served(
    rows=f"select seq as i, rpad('row ' || seq, {WIDE}) as name from seq_1_to_{{}} order by seq",
    fails="select exp(if(seq = 900, 10000, 1)) as a from seq_1_to_1000",
    said="out of range",
    sleeps="select 1 as a, if(sleep({}), '1', '') as b",
    others=f"select id {_MARIADB_OTHERS}",
    asleep=f"select count(*) {_MARIADB_OTHERS} and state = 'User sleep'",
)


def served(kind: str) -> Served:
    """Return what is written for a kind of database."""
    return MARIADB_SAYS if kind == MARIADB else POSTGRES


@contextmanager
def connected(url: str) -> Iterator:
    """Give a cursor of a connection to a server of either kind, whose statements are committed."""
    address = sa.make_url(url)
    if address.get_backend_name() == "postgresql":
        with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            yield cursor
        return
    place = {"host": address.host, "port": address.port, "user": address.username, "database": address.database}
    with pymysql.connect(**place, autocommit=True) as opened, opened.cursor() as cursor:
        yield cursor


def asked(url: str, query: str) -> list[tuple]:
    """Return the rows of a query."""
    with connected(url) as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def cut(url: str) -> None:
    """End all other connections to a database."""
    if url.startswith("postgresql"):
        asked(url, f"select pg_terminate_backend(pid, 10000) from ({POSTGRES.others}) other")
        return
    with connected(url) as cursor:
        cursor.execute(MARIADB_SAYS.others)
        for (number,) in cursor.fetchall():
            try:
                cursor.execute(f"kill {number}")
            except pymysql.OperationalError as error:
                if error.args[0] != 1094:  # it has ended meanwhile
                    raise


@contextmanager
def own_server(kind: str) -> Iterator[tuple[str, int]]:
    """Give a server of its own: the URL of an empty database, and the number of its process."""
    if kind == MARIADB:
        with started_mariadb() as server, server.database() as url:
            yield url, server.pid
        return
    with started_postgres() as other:
        yield other.url, other.pid


def wrong_password(kind: str, url: str) -> tuple[str, str]:
    """Make a user with a password; return the URL with a wrong one, and with the right one."""
    place = url.split("@")[1]
    if kind == MARIADB:
        asked(url, "create or replace user ana@'%' identified by 'right-pass'")
        asked(url, f"grant select on {place.split('/')[1]}.* to ana@'%'")
        return f"mysql://ana:wrong-pass@{place}", f"mysql://ana:right-pass@{place}"
    with connected(url) as cursor:
        cursor.execute("create role ana login password 'right-pass'")
        (file,) = cursor.execute("show hba_file").fetchone()
        lines = "host all postgres all trust\nhost all all all scram-sha-256"
        cursor.execute(f"copy (select unnest(string_to_array('{lines}', e'\\n'))) to '{file}'")
        cursor.execute("select pg_reload_conf()")
    return f"postgresql://ana:wrong-pass@{place}", f"postgresql://ana:right-pass@{place}"
