"""Servers that tests of several folders use, and what holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.redis import running_redis

settings.register_profile("no clocks", deadline=None)  # a busy machine is no failure
settings.load_profile("no clocks")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test process."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test alone."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis server of this test process; tests keep apart by the names of their projects."""
    with running_redis() as url:
        yield url
