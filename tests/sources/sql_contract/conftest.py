"""Databases of every kind of SQL source."""

from collections.abc import Iterator

import pytest

from tests.servers.mariadb import MariadbServer, started_mariadb
from tests.sources.sql_contract.kinds import FILES, KINDS, MARKS, URLS, Database


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """A MariaDB server of this test process."""
    with started_mariadb() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: MariadbServer) -> Iterator[str]:
    """The URL of an empty MariaDB database of this test alone."""
    with mariadb_server.database() as url:
        yield url


@pytest.fixture(params=[pytest.param(kind, marks=MARKS.get(kind, [])) for kind in KINDS])
def database(request, tmp_path, monkeypatch) -> Database:
    """A database of each kind, with nothing in it."""
    url = "" if request.param in FILES else request.getfixturevalue(URLS.get(request.param, "postgres_url"))
    made = Database(request.param, tmp_path, url, monkeypatch)
    made.watch()
    made.run("create table other (i int)")
    return made
